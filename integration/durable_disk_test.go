package integration

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/process"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// shutdownTimeout is the default of service.shutdown_timeout.
const shutdownTimeout = 10 * time.Second

// diskTests have an apiserver and the kernel's log.
type diskTests struct{ kubernetesTests }

// A disk that fails keeps no problem from the Node, and what was told before it is
// well again survives.
func TestDiskFails(t *testing.T) {
	s := diskTests{kubernetesTests{k: servers.StartKubernetes(t), log: kernellog.Open(t)}}
	t.Run("full", s.full)
	t.Run("read-only while it runs", s.remounted)
	t.Run("read-only from the start", s.readOnly)
	t.Run("removed", s.removed)
	t.Run("a write stalls", s.stalls)
	t.Run("the file system stalls", s.frozen)
	t.Run("not permitted", s.notPermitted)
}

// disk is a state directory that a test can break.
type disk struct {
	*rig
	fail, heal func()
	// silent is a fault that the agent mends by itself.
	silent bool
}

func (s diskTests) full(t *testing.T) {
	t.Parallel()
	d := s.onMount(t)
	filler := filepath.Join(filepath.Dir(d.settings.StateDir), "filler")
	d.fail = func() {
		file, err := os.Create(filler)
		require.NoError(t, err)
		defer file.Close()
		for err == nil {
			_, err = file.Write(make([]byte, 512))
		}
		require.ErrorIs(t, err, unix.ENOSPC)
	}
	d.heal = func() { require.NoError(t, os.Remove(filler)) }
	d.prove(t)
}

func (s diskTests) remounted(t *testing.T) {
	t.Parallel()
	d := s.onMount(t)
	d.fail, d.heal = d.remounts(t)
	d.prove(t)
}

// Nothing was ever written, and the directory cannot be made.
func (s diskTests) readOnly(t *testing.T) {
	t.Parallel()
	d := s.onMount(t)
	fail, heal := d.remounts(t)
	fail()
	a := d.startDegraded(t)
	d.report(t, "read-only from the start")
	d.requireTold(t, a, "make "+d.settings.StateDir+" writable for the agent")
	heal()
	d.waitWell(t, a)
	d.killed(t, a)
}

func (s diskTests) removed(t *testing.T) {
	t.Parallel()
	d := s.onDisk(t)
	d.fail = func() { // the agent may write into it meanwhile
		require.Eventually(t, func() bool { return os.RemoveAll(d.settings.StateDir) == nil }, patience, tick)
	}
	d.heal = func() {}
	d.silent = true
	d.prove(t)
	other := agent.Run(t, binary, "", "run", "--config", d.settings.WriteConfig(t), "--socket", d.settings.Socket+".2")
	require.Equal(t, 1, other.ExitCode)
	require.Contains(t, other.Stderr, "in use by another otelnpd", "the lock was made anew, too")
}

// onDisk makes a rig with a state directory in an ordinary place.
func (s diskTests) onDisk(t *testing.T) *disk {
	t.Helper()
	d := &disk{rig: s.rigOnNode(t, "heartbeat_period: 1s")}
	d.settings = d.settings.Durable(t)
	return d
}

// onMount makes a rig with a state directory on a small file system of its own.
func (s diskTests) onMount(t *testing.T) *disk {
	t.Helper()
	d := s.onDisk(t)
	mount(t, "tmpfs", filepath.Dir(d.settings.StateDir), "tmpfs", "size=256k")
	return d
}

// mount mounts a file system until the test ends. Where that is not allowed the
// test is skipped, or fails where CI=true.
func mount(t *testing.T, source, target, kind, data string) {
	t.Helper()
	err := unix.Mount(source, target, kind, 0, data)
	if errors.Is(err, unix.EPERM) && os.Getenv("CI") != "true" {
		t.Skip("needs the right to mount")
	}
	require.NoError(t, err, "mount a %s at %s", kind, target)
	t.Cleanup(func() { _ = unix.Unmount(target, unix.MNT_DETACH) })
}

// remounts return what makes the file system of the state directory read-only, and
// writable again. The agent's lock is open for writing, which keeps the kernel from a
// plain remount: a read-only view of the same directory is mounted over it.
func (d *disk) remounts(t *testing.T) (readOnly, writable func()) {
	t.Helper()
	target := filepath.Dir(d.settings.StateDir)
	readOnly = func() {
		require.NoError(t, unix.Mount(target, target, "", unix.MS_BIND, ""))
		require.NoError(t, unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		t.Cleanup(func() { _ = unix.Unmount(target, unix.MNT_DETACH) })
	}
	return readOnly, func() { require.NoError(t, unix.Unmount(target, unix.MNT_DETACH)) }
}

// prove proves what holds of every fault: told, harmless, over.
func (d *disk) prove(t *testing.T) {
	t.Helper()
	a := d.start(t)
	d.waitCondition(t, "False", noDeadlock)
	d.waitWell(t, a)
	d.fail()
	d.report(t, t.Name())
	if d.silent {
		require.Zero(t, a.Sum(t, "otelnpd_state_degraded", nil))
	} else {
		d.requireTold(t, a, "")
	}
	d.heal()
	d.waitWell(t, a)
	a = d.killed(t, a)

	d.fail()
	d.problem(t, "before the end")
	d.waitEvents(t, "Problem", len(reported)+2)
	requireEnds(t, a)
	d.heal()
	if d.silent {
		d.start(t)
	}
}

// reported are the problems of report.
var reported = []string{"1", "2", "3", "4", "5", "6", "7", "8"}

// report writes problems and hangs while the disk fails, and requires that each
// reaches the apiserver. It leaves the condition true.
func (d *disk) report(t *testing.T, fault string) {
	t.Helper()
	var took []time.Duration
	for i, what := range reported {
		written := time.Now()
		d.problem(t, what)
		for len(d.events(t, "Problem")) <= i {
			require.Less(t, time.Since(written), patience, "no Event of problem %s", what)
			time.Sleep(tick)
		}
		took = append(took, time.Since(written))
	}
	d.requireProblems(t, reported...)
	after := len(d.watch.Seen(t))
	written := time.Now()
	d.hang(t, "docker")
	shown := d.waitSince(t, after, "True", dockerHung)
	slices.Sort(took)
	t.Logf("%s: line to Event p50 %s, max %s; line to condition %s", fault, took[len(took)/2], took[len(took)-1], shown.At.Sub(written))
	require.Less(t, took[len(took)/2], 10*time.Second, "milliseconds are expected; a busy machine may take longer")
	require.Less(t, shown.At.Sub(written), 20*time.Second, "a second is the aim; a busy machine may take longer")
}

// requireTold requires that metrics, /readyz and the answer to an operator tell
// that state is degraded, and what to do.
func (d *disk) requireTold(t *testing.T, a *agent.Agent, remedy string) {
	t.Helper()
	require.Eventually(t, func() bool { return a.Sum(t, "otelnpd_state_degraded", nil) == 1 }, patience, tick)
	_, body := agent.Get(t, "http://"+a.Status+"/readyz?verbose")
	require.Regexp(t, `(?m)^.*state.*degraded`, body)
	require.Contains(t, body, remedy)
	after := len(d.watch.Seen(t))
	begun := time.Now()
	cleared := agent.Run(t, binary, "", "conditions", "clear", deadlock, "--socket", d.settings.Socket)
	took := time.Since(begun)
	require.Zero(t, cleared.ExitCode, cleared.Stderr)
	require.Contains(t, cleared.Stderr+cleared.Stdout, "state is degraded")
	require.Less(t, took, 15*time.Second, "5 s for the disk; a busy machine may take longer")
	t.Logf("an operator's clear was answered after %s: %s%s", took, cleared.Stdout, cleared.Stderr)
	d.waitSince(t, after, "False", noDeadlock)
	after = len(d.watch.Seen(t))
	d.hang(t, "docker-again")
	d.waitSince(t, after, "True", dockerHung)
}

// waitSince waits for a state of the condition after those that were seen before.
func (d *disk) waitSince(t *testing.T, after int, status, reason string) servers.NodeSeen {
	t.Helper()
	return d.watch.WaitFor(t, deadlock+" "+status, after, servers.Is(deadlock, status, reason))
}

// waitWell waits until all that has happened is on the disk.
func (d *disk) waitWell(t *testing.T, a *agent.Agent) {
	t.Helper()
	d.waitWellWithin(t, a, time.Minute)
}

func (d *disk) waitWellWithin(t *testing.T, a *agent.Agent, within time.Duration) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(d.settings.StateDir, "state.json"))
		return err == nil && a.Sum(t, "otelnpd_state_degraded", nil) == 0
	}, within, tick)
	// An operator's order is answered without a note once it is on the disk.
	unsilenced := agent.Run(t, binary, "", "rules", "unsilence", "hung", "--socket", d.settings.Socket)
	require.Zero(t, unsilenced.ExitCode, unsilenced.Stderr)
	require.Empty(t, unsilenced.Stderr)
}

// killed kills the agent and requires that the next one goes on as if nothing had
// happened: the Node does not change, and a line in between is not missed.
func (d *disk) killed(t *testing.T, a *agent.Agent) *agent.Agent {
	t.Helper()
	was := d.k.Node(t, d.settings.Node).Condition(deadlock)
	require.Equal(t, "True", was.Status)
	a.Kill(t)
	d.problem(t, "while it is dead")
	a = d.start(t)
	d.requireProblems(t, append(slices.Clip(reported), "while it is dead")...)
	d.waitHeartbeats(t, 2)
	is := d.k.Node(t, d.settings.Node).Condition(deadlock)
	is.LastHeartbeatTime = was.LastHeartbeatTime
	require.Equal(t, was, is)
	return a
}

// requireEnds requires that SIGTERM ends the agent in time.
func requireEnds(t *testing.T, a *agent.Agent) {
	t.Helper()
	begun := time.Now()
	a.Signal(t, syscall.SIGTERM)
	a.Wait(t, shutdownTimeout+15*time.Second) // of a busy machine
	t.Logf("SIGTERM during the fault: ended after %s", time.Since(begun))
}

// writeStall is longer than a write may take, than an operator waits, and than a busy
// machine takes for all that is to happen meanwhile.
const writeStall = 45 * time.Second

// The first write blocks in fsync.
func (s diskTests) stalls(t *testing.T) {
	t.Parallel()
	d := s.onDisk(t)
	d.settings.Environment = append(d.settings.Environment, fmt.Sprintf("OTELNPD_FAULTPOINT=state.fsync=stall:%s", writeStall))
	program := buildWithFaultpoints(t)
	begun := time.Now()
	a := agent.StartReady(t, program, d.settings)
	d.report(t, "a write stalls")
	d.requireTold(t, a, "look at the disk of "+d.settings.StateDir)
	require.Less(t, time.Since(begun), writeStall, "all this was during the stall")
	d.waitWellWithin(t, a, 2*writeStall)
	a.Kill(t)
	// The next one's first write stalls, too.
	a = agent.StartReady(t, program, d.settings)
	d.problem(t, "meanwhile")
	d.requireProblems(t, append(slices.Clip(reported), "meanwhile")...)
	requireEnds(t, a)
}

// buildWithFaultpoints builds the agent with points at which it can be made to
// wait.
func buildWithFaultpoints(t *testing.T) string {
	t.Helper()
	root, err := agent.Root()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "otelnpd")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-tags", "grpcnotrace,faultpoints", "-o", path, "./cmd/otelnpd")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return path
}

// A file system that accepts no write, as one does whose disk is gone.
func (s diskTests) frozen(t *testing.T) {
	if os.Getenv("OTELNPD_SOAK") != "1" {
		t.Skip("only with OTELNPD_SOAK=1")
	}
	t.Parallel()
	d := s.onDisk(t)
	target := filepath.Dir(d.settings.StateDir)
	image := filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, 32<<20))
	require.NoError(t, exec.CommandContext(t.Context(), "mkfs.ext4", "-q", image).Run())
	if output, err := exec.CommandContext(t.Context(), "mount", "-o", "loop", image, target).CombinedOutput(); err != nil {
		t.Skipf("needs loop devices: %s", output)
	}
	t.Cleanup(func() { _ = unix.Unmount(target, unix.MNT_DETACH) })
	freeze := func(flag string) func() {
		return func() { require.NoError(t, exec.Command("fsfreeze", flag, target).Run()) }
	}
	t.Cleanup(func() { _ = exec.Command("fsfreeze", "-u", target).Run() })
	d.fail, d.heal = freeze("-f"), freeze("-u")
	a := d.start(t)
	d.waitWell(t, a)
	d.fail()
	d.report(t, "a frozen file system")
	d.requireTold(t, a, "look at the disk of "+d.settings.StateDir)
	d.heal()
	d.waitWell(t, a)
	d.killed(t, a)
}

// A user who may read the kernel's log, but not write the default directory.
func (s diskTests) notPermitted(t *testing.T) {
	t.Parallel()
	d := &disk{rig: s.rigOnNode(t, "heartbeat_period: 1s")}
	d.settings.StateDir = "/var/lib/otelnpd"
	a := d.startAsNobody(t)
	d.report(t, "not permitted")
	require.Equal(t, 1, strings.Count(a.Log(), "state is kept in memory alone"), a.Log())
	require.Contains(t, a.Log(), "let the agent write to /var/lib/otelnpd, or set service.state_dir")
	require.InDelta(t, 1, a.Sum(t, "otelnpd_state_degraded", nil), 0, "no change can be written")
	d.command(t, "conditions", "clear", deadlock, "--socket", d.settings.Socket)
	d.waitCondition(t, "False", noDeadlock)
	requireEnds(t, a)
}

// startAsNobody starts the agent as nobody with CAP_SYSLOG.
func (d *disk) startAsNobody(t *testing.T) *agent.Agent {
	t.Helper()
	program := filepath.Join(t.TempDir(), "otelnpd")
	content, err := os.ReadFile(binary)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(program, content, 0o755))
	path := d.settings.WriteConfig(t)
	top := filepath.Dir(t.TempDir())
	for _, dir := range []string{top, d.settings.Run} {
		require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Lchown(path, nobody, nobody))
		}))
	}
	for parent := top; parent != os.TempDir() && len(parent) > 1; parent = filepath.Dir(parent) {
		require.NoError(t, os.Chmod(parent, 0o755))
	}
	cmd := exec.Command(program, "run", "--config", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
		AmbientCaps: []uintptr{unix.CAP_SYSLOG},
	}
	console := agent.NewConsole()
	cmd.Stdout = console
	a := &agent.Agent{Process: process.Start(t, "otelnpd", cmd), Settings: d.settings, Console: console}
	a.WaitReady(t, process.Answers200(http.DefaultClient, "http://"+a.Status+"/readyz", nil))
	return a
}
