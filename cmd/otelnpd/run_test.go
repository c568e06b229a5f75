package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

const savedLog = `[    1.000000] Linux version 6.12.0
[  100.100000] EXT4-fs error (device sda1): ext4_find_entry:1463: inode #2: comm ls: reading directory lblock 0
[  102.000000] EXT4-fs (sda1): Remounting filesystem read-only
[  103.000000] INFO: task docker:20744 blocked for more than 120 seconds.
`

// told is what a test looks at of a console line.
type told struct {
	Event     string `json:"event"`
	Kind      string `json:"kind"`
	Reason    string `json:"reason"`
	Condition string `json:"condition"`
	Status    string `json:"status"`
	UID       string `json:"uid"`
}

func parseConsole(t *testing.T, text string) (all []told) {
	t.Helper()
	for line := range strings.Lines(text) {
		var one told
		require.NoError(t, json.Unmarshal([]byte(line), &one), line)
		if one.Kind != "snapshot" {
			all = append(all, one)
		}
	}
	return all
}

func reasons(all []told) (list []string) {
	for _, one := range all {
		list = append(list, strings.TrimSuffix(one.Condition+"="+one.Reason, "="))
	}
	return list
}

func TestRunInputPrintsProblemsInOrderAndEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dmesg.txt")
	require.NoError(t, os.WriteFile(path, []byte(savedLog), 0o600))

	got := otelnpd(t, "", "run", "--input", path, "--output", "json")

	require.Zero(t, got.code, got.stderr)
	all := parseConsole(t, got.stdout)
	require.Equal(t, []string{"=Ext4Error", "ReadonlyFilesystem=FilesystemIsReadOnly", "=TaskHung", "KernelDeadlock=DockerHung"}, reasons(all))
	require.Equal(t, "True", all[1].Status)

	again := otelnpd(t, "", "run", "--input", path, "--output", "json")
	require.Equal(t, all, parseConsole(t, again.stdout), "the same log has the same identities")
}

func TestRunInputReadsStandardInput(t *testing.T) {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	_, err = write.WriteString(savedLog)
	require.NoError(t, err)
	require.NoError(t, write.Close())
	defer func() { require.NoError(t, read.Close()) }()

	var stdout, stderr bytes.Buffer
	code := execute(t.Context(), []string{"run", "--input", "-", "--output", "text"}, read, &stdout, &stderr)

	require.Zero(t, code, stderr.String())
	require.Contains(t, stdout.String(), "KernelDeadlock=True")
	require.NotContains(t, stdout.String(), "NotYetChecked", "checks are not run beside a saved log")
}

func TestRunInputThatIsNotThere(t *testing.T) {
	got := otelnpd(t, "", "run", "--input", "/does/not/exist")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "/does/not/exist")
}

// liveAgent is an agent on a FIFO in place of /dev/kmsg.
type liveAgent struct {
	fifo, socket   string
	config, state  string
	stdout, stderr *pipelinetest.Output
	stop           context.CancelFunc
	code           chan int
}

func startAgent(t *testing.T, edits ...func(config string) string) *liveAgent {
	t.Helper()
	dir := t.TempDir()
	a := &liveAgent{
		fifo: filepath.Join(dir, "kmsg"), socket: filepath.Join(dir, "otelnpd.sock"),
		config: filepath.Join(dir, "otelnpd.yaml"), state: filepath.Join(dir, "state"),
	}
	require.NoError(t, unix.Mkfifo(a.fifo, 0o600))
	text := `receivers:
  kmsg: {path: '` + a.fifo + `'}
processors:
  rules: {packs: [kernel]}
exporters:
  console: {}
  prometheus: {endpoint: '127.0.0.1:0'}
  status: {endpoint: '127.0.0.1:0'}
service:
  socket: '` + a.socket + `'
  pipelines:
    logs: {receivers: [kmsg], exporters: [console, prometheus, status]}
`
	for _, edit := range edits {
		text = edit(text)
	}
	require.NoError(t, os.WriteFile(a.config, []byte(text), 0o600))
	a.start(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("the agent's standard output:\n" + a.stdout.String() + "and error:\n" + a.stderr.String())
		}
	})
	return a
}

// start starts the agent, again after it was stopped.
func (a *liveAgent) start(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	a.stop, a.code = stop, make(chan int, 1)
	a.stdout, a.stderr = &pipelinetest.Output{}, &pipelinetest.Output{}
	go func() {
		a.code <- execute(ctx, []string{"run", "--config", a.config, "--state-dir", a.state}, strings.NewReader(""), a.stdout, a.stderr)
	}()
	eventually(t, "the agent to run", func() bool { return strings.Contains(a.stderr.String(), "otelnpd is running") })
}

// end stops the agent, which must have nothing to complain of.
func (a *liveAgent) end(t *testing.T) {
	t.Helper()
	a.stop()
	require.Zero(t, <-a.code, a.stderr.String())
}

func (a *liveAgent) write(t *testing.T, records string) {
	t.Helper()
	file, err := os.OpenFile(a.fifo, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(records)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

// eventually asks until the answer is yes. The agent under test runs in real
// time, and tells nobody when it has come so far.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	require.Eventually(t, done, 20*time.Second, 5*time.Millisecond, what)
}

func TestRunLiveUntilToldToStop(t *testing.T) {
	a := startAgent(t)
	a.write(t, "6,1,1000000,-;Linux version 6.12.0\n4,2,2000000,-;INFO: task docker:7 blocked for more than 120 seconds.\n")
	eventually(t, "the condition on the console", func() bool { return strings.Contains(a.stdout.String(), `"DockerHung"`) })

	listed := otelnpd(t, "", "conditions", "list", "--socket", a.socket)
	require.Zero(t, listed.code, listed.stderr)
	require.Regexp(t, `KernelDeadlock +True .* DockerHung `, listed.stdout)
	require.Contains(t, listed.stdout, "kernel/docker-hung")
	require.Equal(t, "ok\n", otelnpd(t, "", "healthcheck", "--socket", a.socket).stdout)

	cleared := otelnpd(t, "", "conditions", "clear", "KernelDeadlock", "--socket", a.socket)
	require.Equal(t, "KernelDeadlock is False; causes cleared: 1\n", cleared.stdout, cleared.stderr)
	unknown := otelnpd(t, "", "conditions", "clear", "KernelDedlock", "--socket", a.socket)
	require.Equal(t, 1, unknown.code)
	require.Contains(t, unknown.stderr, "KernelDeadlock", "it lists the types there are")

	second := otelnpd(t, "", "run", "--socket", a.socket)
	require.Equal(t, 1, second.code)
	require.Contains(t, second.stderr, "another otelnpd is running")
	require.Contains(t, second.stderr, "OTELNPD_SOCKET", "what to do")

	a.stop()
	require.Zero(t, <-a.code, a.stderr.String())
	require.Equal(t, []string{"=TaskHung", "KernelDeadlock=DockerHung", "KernelDeadlock=KernelHasNoDeadlock"},
		reasons(parseConsole(t, a.stdout.String())))
	require.NoFileExists(t, a.socket)
}

func TestRunRefusesABadConfiguration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bad.yaml")
	require.NoError(t, os.WriteFile(path, []byte("servce: {}\n"), 0o600))
	got := otelnpd(t, "", "run", "--config", path)
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, path+":1:1: ")
	require.Contains(t, got.stderr, "service")
}

func TestLostRecordsAreTold(t *testing.T) {
	a := startAgent(t)
	a.write(t, "6,1,1000000,-;Linux version 6.12.0\n6,5,2000000,-;four records later\n")
	eventually(t, "the loss on the console", func() bool { return strings.Contains(a.stdout.String(), "KernelLogRecordsLost") })
	a.stop()
	require.Zero(t, <-a.code, a.stderr.String())
	require.Contains(t, a.stdout.String(), "3 overwritten by the kernel")
}

// Each pipeline tells what fires in it, of the same line too; a transition is told
// once to each exporter.
func TestTwoPipelinesOnOneReceiver(t *testing.T) {
	a := startAgent(t, func(config string) string {
		config = strings.Replace(config, "console: {}", "console: {}\n  console/2: {}", 1)
		return config + "    logs/2: {receivers: [kmsg], exporters: [console/2]}\n"
	})
	a.write(t, "4,1,2000000,-;INFO: task docker:7 blocked for more than 120 seconds.\n")
	eventually(t, "both consoles", func() bool { return strings.Count(a.stdout.String(), `"reason":"TaskHung"`) == 2 })
	a.stop()
	require.Zero(t, <-a.code, a.stderr.String())
	uids := map[string]int{}
	for _, one := range parseConsole(t, a.stdout.String()) {
		uids[one.Reason+" "+one.UID]++
	}
	require.Len(t, uids, 2, "one event and one transition: %v", uids)
	for what, times := range uids {
		require.Equal(t, 2, times, what)
	}
}
