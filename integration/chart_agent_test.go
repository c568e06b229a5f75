package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/process"
	"github.com/otelnpd/otelnpd/integration/servers"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

// podAgent is an agent with the configuration that the chart makes, in what a Pod of
// the chart has of a node. Where files are and what it listens on is the test's.
type podAgent struct {
	*agent.Agent
	// root is the node's root, of which the test has made what the chart mounts.
	root string
	// dir is the ConfigMap as the kubelet mounts it, versions how many there were.
	dir      string
	versions int

	entries    *journaltest.Writer
	settings   agent.Settings
	kubeconfig string
	watch      *servers.NodeWatch
	outside
}

// outside is what a test puts around an agent, beside the API server.
type outside struct {
	environment []string
	// configure puts more of the test's into a configuration; nil: nothing.
	configure func(config servers.Object)
}

// startPod starts an agent on a new Node.
func (s chartTests) startPod(t *testing.T, node string, args ...string) *podAgent {
	t.Helper()
	return s.startPodIn(t, outside{}, node, args...)
}

func (s chartTests) startPodIn(t *testing.T, around outside, node string, args ...string) *podAgent {
	t.Helper()
	objects := servers.Objects(t, render(t, servers.Helm3, args...))
	s.k.CreateNode(t, servers.Node{Name: node, BootID: bootID(t), Conditions: []servers.NodeCondition{ready()}})
	pod := podOf(one(t, objects, "DaemonSet"), node)
	s.k.Create(t, pod, false)
	config := s.k.Kubeconfig(s.k.PodToken(t, "otelnpd", "otelnpd", pod.Name()))
	p := &podAgent{root: t.TempDir(), dir: t.TempDir(), settings: agent.NewSettings(t), kubeconfig: config.Write(t), watch: s.k.WatchNode(t, node), outside: around}
	for _, dir := range []string{"var/log/journal", "run", "dev", "state"} {
		require.NoError(t, os.MkdirAll(filepath.Join(p.root, dir), 0o755))
	}
	require.NoError(t, unix.Mkfifo(filepath.Join(p.root, "dev/kmsg"), 0o600)) // in the place of the device
	p.entries = journaltest.Create(t, filepath.Join(p.root, "var/log/journal/system.journal"), journaltest.Layout{Compact: true, Keyed: true}, &journaltest.Series{ID: journaltest.NewID()})
	p.kernelSays(t, "Linux version 6.1.0")
	p.mount(t, objects)
	cmd := exec.Command(binary, "run", "--config", filepath.Join(p.dir, "otelnpd.yaml"))
	cmd.Env = append(append(os.Environ(), "NODE_NAME="+node), around.environment...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID} // hostPID: false
	p.Agent = &agent.Agent{Process: process.Start(t, "otelnpd", cmd), Settings: p.settings}
	p.WaitReady(t, process.Answers200(http.DefaultClient, "http://"+p.Status+"/healthz", nil))
	return p
}

// mount lays the ConfigMap out as the kubelet does: files are links into ..data, and
// that is a link which is switched to a new folder, with all files at once. What was there
// before and is there no more goes after that.
func (p *podAgent) mount(t *testing.T, objects []servers.Object) {
	t.Helper()
	p.versions++
	version := fmt.Sprintf("..version_%d", p.versions)
	require.NoError(t, os.Mkdir(filepath.Join(p.dir, version), 0o755))
	files, _ := one(t, objects, "ConfigMap").At("data").(map[string]any)
	for name, content := range files {
		text, _ := content.(string)
		if name == "otelnpd.yaml" {
			text = p.adapt(t, text)
		}
		require.NoError(t, os.WriteFile(filepath.Join(p.dir, version, name), []byte(text), 0o644))
	}
	require.NoError(t, os.Symlink(version, filepath.Join(p.dir, "..data_tmp")))
	require.NoError(t, os.Rename(filepath.Join(p.dir, "..data_tmp"), filepath.Join(p.dir, "..data")))
	for name := range files { // a new one comes after the switch
		if err := os.Symlink("..data/"+name, filepath.Join(p.dir, name)); err != nil {
			require.ErrorIs(t, err, os.ErrExist)
		}
	}
	entries, err := os.ReadDir(p.dir)
	require.NoError(t, err)
	for _, entry := range entries {
		if _, there := files[entry.Name()]; !there && entry.Name() != version && entry.Name() != "..data" {
			require.NoError(t, os.RemoveAll(filepath.Join(p.dir, entry.Name())))
		}
	}
}

// adapt puts the test's paths, ports and API server into a configuration.
func (p *podAgent) adapt(t *testing.T, text string) string {
	t.Helper()
	config := servers.Object(decode(t, text))
	require.Equal(t, "0.0.0.0:20257", config.At("exporters", "prometheus", "endpoint"))
	require.Equal(t, "127.0.0.1:20256", config.At("exporters", "status", "endpoint"))
	config.At("exporters", "prometheus").(map[string]any)["endpoint"] = p.settings.Metrics
	config.At("exporters", "status").(map[string]any)["endpoint"] = p.settings.Status
	config.At("exporters", "kubernetes").(map[string]any)["apiserver"] = map[string]any{"credentials": "kubeconfig", "kubeconfig": p.kubeconfig}
	service := config.At("service").(map[string]any)
	require.Equal(t, map[string]any{"root": "/host", "proc": "/host/proc", "sys": "/host/sys", "run": "/host/run"}, service["host"])
	service["host"] = map[string]any{"root": p.root, "run": filepath.Join(p.root, "run")}
	service["socket"], service["state_dir"] = p.settings.Socket, filepath.Join(p.root, "state")
	if p.configure != nil {
		p.configure(config)
	}
	out, err := yaml.Marshal(map[string]any(config))
	require.NoError(t, err)
	return string(out)
}

// journal writes an entry to the node's journal, as journald does.
func (p *podAgent) journal(t *testing.T, fields ...string) {
	t.Helper()
	boot, err := journalfile.ParseID(bootID(t))
	require.NoError(t, err)
	p.entries.Append(journaltest.Entry{
		Realtime: uint64(time.Now().UnixMicro()), Monotonic: uint64(sinceBoot(t)), Boot: boot, Fields: fields,
	})
}

// sinceBoot is how long the machine is up, in µs.
func sinceBoot(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	require.NoError(t, unix.ClockGettime(unix.CLOCK_MONOTONIC_RAW, &now))
	return now.Nano() / 1000
}

func (p *podAgent) kernelSays(t *testing.T, line string) {
	t.Helper()
	p.journal(t, "_TRANSPORT=kernel", "SYSLOG_IDENTIFIER=kernel", "SYSLOG_FACILITY=0", "PRIORITY=3", "MESSAGE="+line)
}

func (p *podAgent) waitCondition(t *testing.T, conditionType, status, reason string) {
	t.Helper()
	p.watch.WaitFor(t, conditionType+" "+status, 0, servers.Is(conditionType, status, reason))
}

// storagePack is a rule pack of an operator's own, and moreStorage a further rule of it.
const (
	storagePack = `conditions:
  StorageLinkDown: {healthy: {reason: LinksUp}}
rules:
- {id: down, pattern: 'storage link \S+ is down', condition: StorageLinkDown, reason: LinkDown}
`
	moreStorage = "- {id: slow, pattern: 'storage link \\S+ is slow', reason: LinkSlow}\n"
)

// upgrade brings the ConfigMap of a chart with the storage pack to the Pod; empty: without
// a pack.
func (p *podAgent) upgrade(t *testing.T, pack string, args ...string) {
	t.Helper()
	if pack != "" {
		values, err := json.Marshal(map[string]any{"rulePacks": map[string]string{"storage.yaml": pack}})
		require.NoError(t, err)
		args = append(args, "--values", valuesFile(t, string(values)))
	}
	p.mount(t, servers.Objects(t, render(t, servers.Helm3, args...)))
}

// The agent runs with the token and the rights of its Pod, under the admission policy:
// its conditions appear, a line of the kernel's in the journal turns one, and what helm
// upgrade changes is taken on without a restart.
func (s chartTests) runs(t *testing.T) {
	p := s.startPod(t, "node-run")
	for conditionType, reason := range map[string]string{
		"KernelDeadlock": "KernelHasNoDeadlock", "ReadonlyFilesystem": "FilesystemIsNotReadOnly", "FileDescriptorPressure": "",
	} {
		p.watch.WaitFor(t, conditionType, 0, func(seen servers.NodeSeen) bool {
			c := seen.Condition(conditionType)
			return c.Status == "False" && (reason == "" || c.Reason == reason)
		})
	}
	require.Empty(t, p.watch.Last().Condition("ThreadPressure").Status, "it is off")
	requireNoRights(t, p.PID())
	p.kernelSays(t, "INFO: task docker:20744 blocked for more than 120 seconds.")
	p.waitCondition(t, "KernelDeadlock", "True", "DockerHung")

	p.upgrade(t, storagePack)
	p.waitCondition(t, "StorageLinkDown", "False", "LinksUp")
	p.kernelSays(t, "storage link eth7 is down")
	p.waitCondition(t, "StorageLinkDown", "True", "LinkDown")
	p.waitCondition(t, "KernelDeadlock", "True", "DockerHung")
	s.follows(t, p)
	select {
	case <-p.Exited():
		require.Fail(t, "the agent has ended")
	default:
	}
	result := agent.Run(t, binary, "", "healthcheck", "--socket", p.Socket)
	require.Zero(t, result.ExitCode, result.Stderr)
	status, health := agent.Get(t, "http://"+p.Status+"/healthz?verbose")
	require.Equal(t, http.StatusOK, status)
	t.Log(health)
}

// follows brings further revisions of the chart to a running agent: one of which a pack
// alone has changed, one with an error, and one back to where there was none. What the
// agent knows outlives all of them.
func (s chartTests) follows(t *testing.T, p *podAgent) {
	t.Helper()
	p.upgrade(t, storagePack+moreStorage)
	p.waitMetric(t, `otelnpd_rules_matches_total{rule="storage/slow"} 0`)
	p.kernelSays(t, "storage link eth8 is slow")
	p.waitMetric(t, `problem_counter{reason="LinkSlow"} 1`)

	p.upgrade(t, storagePack+"- {id: bad, pattern: '(', reason: Bad}\n")
	p.waitMetric(t, "otelnpd_config_last_reload_successful 0")
	require.Eventually(t, func() bool { return strings.Contains(p.Log(), "storage.yaml:5:") }, patience, tick)
	p.kernelSays(t, "storage link eth9 is slow")
	p.waitMetric(t, `problem_counter{reason="LinkSlow"} 2`)

	seen := len(p.watch.Seen(t))
	p.upgrade(t, "")
	p.waitMetric(t, "otelnpd_config_last_reload_successful 1")
	p.watch.WaitFor(t, "the Node without the pack's condition", seen-1, func(seen servers.NodeSeen) bool {
		return seen.Condition("StorageLinkDown").Type == ""
	})
	require.Equal(t, "True", p.watch.Last().Condition("KernelDeadlock").Status)
	rules := agent.Run(t, binary, "", "rules", "list", "--socket", p.Socket)
	require.Zero(t, rules.ExitCode, rules.Stderr)
	require.NotContains(t, rules.Stdout, "storage/")
}

// waitMetric waits until the agent serves a line to Prometheus.
func (p *podAgent) waitMetric(t *testing.T, line string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(p.MetricsText(t), "\n"+line+"\n") }, patience, tick, line)
}

// requireNoRights demands that a process has no capability.
func requireNoRights(t *testing.T, pid int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	for _, line := range []string{"CapPrm:\t0000000000000000\n", "CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n"} {
		require.Contains(t, string(status), line)
	}
}
