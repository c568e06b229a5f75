package plugin_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/receivers/plugin"
	"github.com/otelnpd/otelnpd/receivers/plugin/command"
)

func TestContract(t *testing.T) {
	pipelinetest.CheckReceiver(t, pipelinetest.ReceiverUnderTest{
		New: func(t *testing.T, next pipeline.Consumer) pipeline.Component {
			t.Helper()
			l := newLab(t)
			l.check("a", "echo a; exit 1").Interval = 100 * time.Millisecond
			l.check("b", "sleep 0.01")
			receiver, err := plugin.NewFactory(l.launcher).Create(l.settings, l.config, next)
			require.NoError(t, err)
			return receiver
		},
		Asks: true, AtLeast: 3,
	})
}

// one is what a command says of itself, and what is told.
type one struct {
	name    string
	script  string
	set     func(l *lab, c *plugin.Check)
	state   pipeline.State
	message string // DIR is the lab's folder
	reason  string
	failed  string
}

func run(t *testing.T, tests []one) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			l.config.Timeout, l.config.KillGrace = 20*time.Second, 50*time.Millisecond
			c := l.check("check", test.script)
			if test.set != nil {
				test.set(l, c)
			}
			l.start()
			told := l.verdicts(1)
			require.Len(t, told, 1)
			require.Equal(t, test.state, told[0].State, told[0].Message)
			require.Equal(t, strings.ReplaceAll(test.message, "DIR", l.dir), told[0].Message)
			if test.reason == "" {
				test.reason = "Broken"
			}
			require.Equal(t, test.reason, told[0].Reason)
			require.Equal(t, "check", told[0].Rule)
			if test.failed != "" {
				l.requireValue(1, "otelnpd.plugin.failed_runs", map[string]string{"receiver": "plugin/test", "reason": test.failed})
			} else {
				l.requireValue(0, "otelnpd.plugin.failed_runs", map[string]string{"receiver": "plugin/test"})
			}
		})
	}
}

func TestVerdicts(t *testing.T) {
	const unknown, ok, problem = pipeline.StateUnknown, pipeline.StateOK, pipeline.StateProblem
	timeout := func(_ *lab, c *plugin.Check) { c.Timeout = 3 * time.Second } // in which a shell must come to its first line
	run(t, []one{
		{name: "ok", script: "echo fine", state: ok, message: "fine"},
		{name: "a problem", script: "printf ' two\\nlines \\n\\n'; exit 1", state: problem, message: "two\nlines"},
		{name: "another code", script: "echo no idea; exit 2", state: unknown, message: "no idea"},
		{name: "silence", script: "exit 1", state: problem, message: "DIR/check: exit status 1"},
		{name: "standard error alone", script: "echo broken >&2; exit 3", state: unknown, message: "DIR/check: exit status 3: broken"},
		{name: "killed", script: "kill -SEGV $$", state: unknown, message: "DIR/check: signal: segmentation fault", failed: "signal"},
		{name: "times out", script: "echo began; sleep 1000", set: timeout, state: unknown, message: "DIR/check did not end within 3s: began", failed: "timeout"},
		{name: "times out and says ok", script: "trap 'exit 0' TERM; sleep 1000 & wait", set: timeout, state: unknown, message: "DIR/check did not end within 3s", failed: "timeout"},
		{name: "missing", set: func(_ *lab, c *plugin.Check) { c.Path = "/nonexistent" }, state: unknown,
			message: "/nonexistent cannot be started: it, its interpreter or its working directory does not exist", failed: "not_started"},
		{name: "bytes that are no text", script: `printf 'a\000\377\033[31mb'; exit 1`, state: problem, message: "a\ufffd\ufffd\ufffd[31mb"},
		{name: "cut at a character", script: "printf 'grün grün'; exit 1", set: func(l *lab, _ *plugin.Check) { l.config.MaxMessage = 9 }, state: problem, message: "grün gr"},
		{name: "unknown is a problem", script: "echo no idea; exit 2", set: func(_ *lab, c *plugin.Check) { c.UnknownIsProblem, c.UnknownReason = true, "NotUsed" }, state: problem, message: "no idea"},
		{name: "unknown has a reason", script: "echo no idea; exit 2", set: func(_ *lab, c *plugin.Check) { c.UnknownReason = "NoIdea" }, state: unknown, message: "no idea", reason: "NoIdea"},
		{name: "environment", script: `echo $NODE_NAME $LANG $PATH $HOME $PWD; exit 1`, state: problem,
			message: "node-1 C /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /"},
		{name: "arguments", script: `echo "$#:$1:$2"; exit 1`, set: func(_ *lab, c *plugin.Check) { c.Args = []string{"a b", "$HOME"} }, state: problem, message: "2:a b:$HOME"},
	})
}

func TestVerdictsAsNPD(t *testing.T) {
	const unknown, problem = pipeline.StateUnknown, pipeline.StateProblem
	npd := func(l *lab, c *plugin.Check) {
		l.config.Compatibility, l.config.KillGrace, l.config.MaxMessage = "npd", 0, 200
		path, err := filepath.Rel("/", c.Path)
		require.NoError(l.t, err)
		c.Path = "./" + path
	}
	run(t, []one{
		{name: "silence", script: "exit 1", set: npd, state: problem},
		{name: "timeout", script: `printf 'say "x"\n'; exec sleep 1000`, set: func(l *lab, c *plugin.Check) {
			npd(l, c)
			c.Timeout = 3 * time.Second
		}, state: unknown, message: `Timeout when running plugin ".DIR/check": state - signal: killed. output - "say \"x\""`, failed: "timeout"},
		{name: "not executable", set: func(l *lab, c *plugin.Check) {
			npd(l, c)
			require.NoError(l.t, os.Chmod(filepath.Join(l.dir, "check"), 0o600))
		},
			state: unknown, message: "Error in starting plugin. Please check the error log", failed: "not_started"},
		{name: "environment", script: "echo $OTELNPD_TEST; exit 1", set: func(l *lab, c *plugin.Check) { npd(l, c); l.t.Setenv("OTELNPD_TEST", "inherited") },
			state: problem, message: "inherited"},
		{name: "is read up to 4 KiB", script: "printf '%05000d' 1; exit 1", set: func(l *lab, c *plugin.Check) { npd(l, c); l.config.MaxMessage = 4096 },
			state: problem, message: strings.Repeat("0", 4096)},
	})
}

func TestVerdictsAsNagios(t *testing.T) {
	for code, want := range map[int]struct {
		state    pipeline.State
		severity log.Severity
	}{
		0: {pipeline.StateOK, log.SeverityError}, 1: {pipeline.StateProblem, log.SeverityWarn},
		2: {pipeline.StateProblem, log.SeverityError}, 3: {pipeline.StateUnknown, log.SeverityError}, 4: {pipeline.StateUnknown, log.SeverityError},
	} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			l := newLab(t)
			l.check("check", fmt.Sprintf("echo 'DISK - 97 %% | /=97%%;80;90'; exit %d", code)).ExitCodes = "nagios"
			l.start()
			told := l.verdicts(1)[0]
			require.Equal(t, want.state, told.State)
			require.Equal(t, want.severity, told.Severity)
			require.Equal(t, "DISK - 97 %", told.Message)
		})
	}
}

// What is wrong is the receiver's status, until it is well again.
func TestDegraded(t *testing.T) {
	l := newLab(t)
	l.config.Interval = 100 * time.Millisecond
	path := l.check("check", "exit 0").Path
	require.NoError(t, os.Rename(path, path+".away"))
	l.start()
	require.Eventually(t, func() bool { return l.statuses.Last().State == pipeline.ComponentDegraded }, 20*time.Second, time.Millisecond)
	require.Equal(t, "check: "+path+" cannot be started: it, its interpreter or its working directory does not exist", l.statuses.Last().Reason)
	require.NotEmpty(t, l.statuses.Last().Remedy)
	require.NoError(t, os.Rename(path+".away", path))
	require.Eventually(t, func() bool { return l.statuses.Last().State == pipeline.ComponentOK }, 20*time.Second, time.Millisecond)
}

// A receiver that ends lets no command go on, and passes on nothing of it.
func TestShutdownEndsCommands(t *testing.T) {
	for _, handOver := range []bool{false, true} {
		t.Run(fmt.Sprintf("hand-over %v", handOver), func(t *testing.T) {
			l := newLab(t)
			l.config.KillGrace = 20 * time.Second
			l.check("check", "trap 'echo > $DIR/term; exit 1' TERM; echo $$ > $DIR/pid; sleep 1000 & wait")
			l.start()
			pid := l.await("pid")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if handOver {
				cancel()
				began := time.Now()
				require.NoError(t, l.receiver.Shutdown(ctx))
				require.Less(t, time.Since(began), l.config.KillGrace)
				require.NoDirExists(t, "/proc/"+pid)
			}
			l.stop()
			_, err := os.Stat(filepath.Join(l.dir, "term"))
			require.Equal(t, !handOver, err == nil, "it had the time to end in a friendly way")
			require.NoDirExists(t, "/proc/"+pid)
			require.Len(t, l.sink.Records(), 1, "the end of the backlog")
		})
	}
}

// await waits for a file, and returns what is in it.
func (l *lab) await(name string) string {
	l.t.Helper()
	var text []byte
	require.Eventually(l.t, func() bool {
		text, _ = os.ReadFile(filepath.Join(l.dir, name))
		return strings.HasSuffix(string(text), "\n")
	}, 20*time.Second, time.Millisecond)
	return strings.TrimSpace(string(text))
}

func TestLimitsThatCannotBeSet(t *testing.T) {
	l := newLab(t)
	l.launcher = command.NewLauncher(command.Options{Proc: t.TempDir()})
	c := l.check("check", "echo ran; exit 1")
	c.Limits = plugin.Limits{MemoryMiB: 64, CPU: 0.5, PIDs: 10}
	l.start()
	require.Equal(t, "ran", l.verdicts(1)[0].Message, "it runs all the same")
	require.Eventually(t, func() bool { return l.statuses.Last().State == pipeline.ComponentDegraded }, 20*time.Second, time.Millisecond)
	require.Contains(t, l.statuses.Last().Reason, "check: it runs without its limits: limit memory by cgroups")
	l.requireValue(1, "otelnpd.plugin.failed_runs", map[string]string{"reason": "unlimited"})
}
