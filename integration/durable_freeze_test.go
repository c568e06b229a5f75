package integration

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/faultproxy"
	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/process"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// What agents have left, by the schema of their states, and the rules that they had.
const (
	// frozenSchema is the newest schema.
	frozenSchema = 2
	frozenDir    = "../pipeline/state/testdata/"
	// frozenEvents are budgets that a few lines use up.
	frozenEvents = "events: {per_reason: {burst: 3, per_minute: 1}, total: {burst: 20, per_minute: 6}}"
)

// frozenName is the name of what an agent of a schema has left, without its extension,
// and begins the ids of its rules.
func frozenName(schema int) string { return fmt.Sprintf("agent-schema-%d", schema) }

// TestFreezeState makes the frozen states of a new schema: OTELNPD_FREEZE=1 lets an
// agent live until it keeps something of every kind, kills it, and takes its state
// for the one that all versions from then on must read. What is there already stays
// as it is.
func TestFreezeState(t *testing.T) {
	if os.Getenv("OTELNPD_FREEZE") != "1" {
		t.Skip("only with OTELNPD_FREEZE=1")
	}
	s := kubernetesTests{k: servers.StartKubernetes(t), log: kernellog.Open(t)}
	l := s.livesOnNode(t, "heartbeat_period: 1s")
	l.ofFrozenState(t, frozenSchema)
	l.startUnread(t)
	l.fill(t)
	l.leave(t, frozenDir+frozenName(frozenSchema)+".json")
	l.proxy.Set(faultproxy.Failing(503))
	l.startUnread(t)
	l.fillWaiting(t)
	l.leave(t, frozenDir+frozenName(frozenSchema)+"-waiting.json")
}

// ofFrozenState gives the lives the node and the rules that the frozen states are of.
func (l *lives) ofFrozenState(t testing.TB, schema int) {
	t.Helper()
	pack, err := filepath.Abs(frozenDir + frozenName(schema) + ".yaml")
	require.NoError(t, err)
	l.tag = fmt.Sprintf("schema%d", schema)
	l.settings.Packs, l.settings.Rules, l.settings.Conditions = "'"+pack+"'", "", ""
	l.settings.Node, l.settings.Lookback = fmt.Sprintf("node-schema-%d", schema), "0s"
	l.settings.Kubernetes = agent.KubernetesKeys(l.kubeconfig(servers.Detector).Write(t), "heartbeat_period: 1s", frozenEvents)
	l.watch = l.k.WatchNode(t, l.settings.Node)
	l.k.CreateNode(t, servers.Node{Name: l.settings.Node, BootID: l.boot, Conditions: []servers.NodeCondition{ready()}})
}

// startUnread starts an agent whose standard output nobody reads: what does not fit
// into a page waits.
func (l *lives) startUnread(t *testing.T) {
	t.Helper()
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, reader.Close()) })
	_, err = unix.FcntlInt(writer.Fd(), unix.F_SETPIPE_SZ, os.Getpagesize())
	require.NoError(t, err)
	cmd := exec.Command(binary, "run", "--config", l.settings.WriteConfig(t))
	cmd.Stdout = writer
	a := &agent.Agent{Process: process.Start(t, "otelnpd", cmd), Settings: l.settings, Console: agent.NewConsole()}
	require.NoError(t, writer.Close())
	a.WaitReady(t, process.Answers200(http.DefaultClient, "http://"+a.Status+"/healthz", nil))
	l.all = append(l.all, a)
}

// says writes lines of the frozen rules.
func (l *lives) says(t testing.TB, lines ...string) {
	t.Helper()
	for _, line := range lines {
		require.NoError(t, l.write(l.tag+" "+line))
	}
}

func (l *lives) waitKept(t testing.TB, texts ...string) {
	t.Helper()
	for _, text := range texts {
		require.Eventually(t, func() bool { return l.stateHolds(text) }, patience, tick, "the state has no %s", text)
	}
}

// fill makes the agent keep something of every kind: causes with and without
// instances that end in every way, part-filled windows, tombstones, a silence, Events
// that were and that could not be written, and what the console has not taken.
func (l *lives) fill(t testing.TB) {
	t.Helper()
	l.says(t, "hung docker", "disk sda down", "disk sdb down", "disk sdb up", "hot", "stuck cpu1", "problem one", "problem two", "problem two")
	l.waitCondition(t, "True", dockerHung)
	l.waitEvents(t, "Problem", 2)
	l.waitKept(t, `"patched":{"type":"CPUStuck","status":"True"`, `"patched":{"type":"KernelDeadlock","status":"True"`)
	l.command(t, "conditions", "clear", "CPUStuck", "--socket", l.settings.Socket)
	l.command(t, "rules", "silence", frozenName(frozenSchema)+"/noisy", "--for", "744h", "--socket", l.settings.Socket)
	l.proxy.Set(faultproxy.Failing(503))
	l.says(t, "noisy fan", "disk sdc slow", "disk sdc slow", "disk sdd slow", "disk sdd slow", "disk sdd slow", "flaky", "flaky", "hung kubelet")
	for i := range 6 {
		l.says(t, fmt.Sprintf("problem number %d", i))
	}
	l.says(t, "stuck cpu2")
	l.waitKept(t, `cpu2 is stuck`, `"pending":1`, `"rule":"`+frozenName(frozenSchema)+`/flaky"`, `"exporter console"`)
}

// fillWaiting makes the agent wait for its Node with all that it has seen since.
func (l *lives) fillWaiting(t testing.TB) {
	t.Helper()
	l.says(t, "hung containerd", "disk sda up", "disk sde down", "problem three", "flaky")
	l.command(t, "rules", "silence", frozenName(frozenSchema)+"/hot", "--for", "744h", "--socket", l.settings.Socket)
	l.command(t, "rules", "unsilence", frozenName(frozenSchema)+"/noisy", "--socket", l.settings.Socket)
	l.command(t, "conditions", "clear", "CPUStuck", "--socket", l.settings.Socket)
	l.waitKept(t, `"journal"`, "task containerd is hung", `"operator_clear"`, `"unsilence"`)
}

// leave kills the agent and freezes the state that it leaves.
func (l *lives) leave(t *testing.T, path string) {
	t.Helper()
	l.current().Kill(t)
	state, err := os.ReadFile(filepath.Join(l.settings.StateDir, "state.json"))
	require.NoError(t, err)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if os.IsExist(err) {
		t.Log(path, "is frozen already")
		return
	}
	require.NoError(t, err)
	_, err = file.Write(state)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}
