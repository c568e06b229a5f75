package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

const hungLine = "4,2,2000000,-;INFO: task docker:7 blocked for more than 120 seconds.\n"

func TestARestartForgetsNothing(t *testing.T) {
	a := startAgent(t)
	a.write(t, "6,1,1000000,-;Linux version 6.12.0\n"+hungLine)
	eventually(t, "the condition", func() bool { return strings.Contains(a.stdout.String(), `"DockerHung"`) })
	held := otelnpd(t, "", "conditions", "list", "--socket", a.socket, "--output", "json").stdout
	a.end(t)
	require.FileExists(t, filepath.Join(a.state, "state.json"))

	a.start(t)
	require.JSONEq(t, held, otelnpd(t, "", "conditions", "list", "--socket", a.socket, "--output", "json").stdout,
		"with its time, its cause and that one's identity")
	a.write(t, "4,3,3000000,-;EXT4-fs error (device sda1): bad\n")
	eventually(t, "the line after", func() bool { return strings.Contains(a.stdout.String(), `"Ext4Error"`) })
	require.Equal(t, []string{"=Ext4Error"}, reasons(parseConsole(t, a.stdout.String())), "what was judged is not judged again")

	cleared := otelnpd(t, "", "conditions", "clear", "KernelDeadlock", "--socket", a.socket)
	require.Equal(t, "KernelDeadlock is False; causes cleared: 1\n", cleared.stdout, cleared.stderr)
	a.end(t)

	a.start(t)
	require.NotContains(t, otelnpd(t, "", "conditions", "list", "--socket", a.socket).stdout, "True", "a clear is for good")
	a.end(t)
}

func TestAnOperatorsOrderIsOnDiskWhenItIsAnswered(t *testing.T) {
	a := startAgent(t)
	a.write(t, "6,1,1000000,-;Linux version 6.12.0\n"+hungLine)
	eventually(t, "the condition", func() bool { return strings.Contains(a.stdout.String(), `"DockerHung"`) })
	require.Zero(t, otelnpd(t, "", "rules", "silence", "kernel/docker-hung", "--for", "2h", "--socket", a.socket).code)

	shown := otelnpd(t, "", "state", "show", "--state-dir", a.state)
	require.Zero(t, shown.code, shown.stderr)
	require.Regexp(t, `KernelDeadlock +True .* DockerHung`, shown.stdout)
	require.Regexp(t, `silenced +kernel/docker-hung`, shown.stdout)
	a.end(t)

	var whole map[string]any
	require.NoError(t, json.Unmarshal([]byte(otelnpd(t, "", "state", "show", "--state-dir", a.state, "--output", "json").stdout), &whole))
	require.Contains(t, whole["sections"], "receiver kmsg")
	missing := otelnpd(t, "", "state", "show", "--state-dir", t.TempDir())
	require.Equal(t, 1, missing.code)
	require.Contains(t, missing.stderr, "has an agent run here?")
	require.Contains(t, otelnpd(t, "", "state", "show", "--state-dir", "none").stderr, "in memory alone")
}

func TestASilencedRuleObserves(t *testing.T) {
	a := startAgent(t)
	a.write(t, "6,1,1000000,-;Linux version 6.12.0\n")
	silenced := otelnpd(t, "", "rules", "silence", "kernel/docker-hung", "--for", "2h", "--socket", a.socket)
	require.Zero(t, silenced.code, silenced.stderr)
	a.end(t)

	a.start(t) // it outlives a restart
	require.Regexp(t, `kernel/docker-hung .*`, otelnpd(t, "", "rules", "list", "--socket", a.socket).stdout)
	a.write(t, recordNow(2, "INFO: task docker:7 blocked for more than 120 seconds."))
	eventually(t, "the other rule's event", func() bool { return strings.Contains(a.stdout.String(), `"TaskHung"`) })
	require.NotContains(t, otelnpd(t, "", "conditions", "list", "--socket", a.socket).stdout, "True")

	require.Zero(t, otelnpd(t, "", "rules", "unsilence", "kernel/docker-hung", "--socket", a.socket).code)
	a.write(t, recordNow(3, "INFO: task docker:8 blocked for more than 120 seconds."))
	eventually(t, "the condition", func() bool { return strings.Contains(a.stdout.String(), `"DockerHung"`) })
	a.end(t)
}

// recordNow is a record as the kernel writes it now.
func recordNow(sequence int, text string) string {
	return fmt.Sprintf("4,%d,%d,-;%s\n", sequence, pipeline.SystemClock{}.Now().Raw.Microseconds(), text)
}

func TestOneStateDirectoryOneAgent(t *testing.T) {
	a := startAgent(t)
	other := filepath.Join(t.TempDir(), "other.sock")
	second := otelnpd(t, "", "run", "--config", a.config, "--state-dir", a.state, "--socket", other)
	require.Equal(t, 1, second.code)
	require.Contains(t, second.stderr, "in use by another otelnpd")
	a.end(t)
	relative := otelnpd(t, "", "run", "--config", a.config, "--state-dir", "here")
	require.Equal(t, 1, relative.code)
	require.Contains(t, relative.stderr, "no absolute path")
}

func TestAStateOfAnotherNodeOrVersionIsNotTaken(t *testing.T) {
	a := startAgent(t)
	a.write(t, "6,1,1000000,-;Linux version 6.12.0\n"+hungLine)
	eventually(t, "the condition", func() bool { return strings.Contains(a.stdout.String(), `"DockerHung"`) })
	a.end(t)

	path := filepath.Join(a.state, "state.json")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, whole[:len(whole)/2], 0o600))
	a.start(t)
	require.Contains(t, a.stderr.String(), "cannot be")
	require.NotContains(t, otelnpd(t, "", "conditions", "list", "--socket", a.socket).stdout, "True")
	a.end(t)

	require.NoError(t, os.WriteFile(path, whole, 0o600))
	a.edit(t, "service:\n", "service:\n  node: another\n")
	a.start(t)
	require.Contains(t, a.stderr.String(), "of another node")
	require.NotContains(t, otelnpd(t, "", "conditions", "list", "--socket", a.socket).stdout, "True")
	a.end(t)
}

// edit changes the configuration file, at once, as editors do.
func (a *liveAgent) edit(t *testing.T, old, replacement string) {
	t.Helper()
	text, err := os.ReadFile(a.config)
	require.NoError(t, err)
	require.Contains(t, string(text), old)
	require.NoError(t, os.WriteFile(a.config+".new", []byte(strings.Replace(string(text), old, replacement, 1)), 0o600))
	require.NoError(t, os.Rename(a.config+".new", a.config))
}

func TestReload(t *testing.T) {
	a := startAgent(t)
	a.write(t, "6,1,1000000,-;Linux version 6.12.0\n"+hungLine)
	eventually(t, "the condition", func() bool { return strings.Contains(a.stdout.String(), `"DockerHung"`) })

	unchanged := otelnpd(t, "", "reload", "--socket", a.socket)
	require.Zero(t, unchanged.code, unchanged.stderr)

	// A rule more, one less: its condition is healthy again, for that reason. The
	// changed file is taken on by itself.
	a.edit(t, "rules: {packs: [kernel]}", "rules: {packs: [kernel], disable: [kernel/docker-hung], rules: [{id: link, pattern: link down, reason: LinkDown}]}")
	eventually(t, "the reload", func() bool { return strings.Contains(a.stderr.String(), "the configuration was reloaded") })
	require.Contains(t, a.stderr.String(), "rules added: link; rules removed: kernel/docker-hung")
	eventually(t, "the end of the cause", func() bool { return strings.Contains(a.stdout.String(), `"RuleRemoved"`) })
	a.write(t, "4,3,3000000,-;link down\n")
	eventually(t, "the new rule's event", func() bool { return strings.Contains(a.stdout.String(), `"LinkDown"`) })

	// What is wrong changes nothing.
	a.edit(t, "rules: {packs: [kernel],", "rules: {pakcs: [kernel],")
	refused := otelnpd(t, "", "reload", "--socket", a.socket)
	require.Equal(t, 1, refused.code)
	require.Contains(t, refused.stderr, `did you mean "packs"?`)
	a.write(t, "4,4,4000000,-;link down again\n")
	eventually(t, "the rule's second event", func() bool { return strings.Count(a.stdout.String(), `"LinkDown"`) == 2 })

	a.edit(t, "rules: {pakcs: [kernel],", "rules: {packs: [kernel],")
	a.edit(t, "service:\n", "service:\n  node: another\n")
	require.Contains(t, otelnpd(t, "", "reload", "--socket", a.socket).stderr, "service.node cannot change while the agent runs")

	// SIGHUP asks too. Components that have changed go on where the ones before
	// had come to.
	a.edit(t, "service:\n  node: another\n", "service:\n  telemetry: {logs: {level: debug}}\n")
	a.edit(t, "kmsg: {path:", "kmsg: {min_severity: err, path:")
	a.edit(t, "console: {}", "console: {output: text}")
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	eventually(t, "the third reload", func() bool { return strings.Contains(a.stderr.String(), "changed: exporter console, receiver kmsg") })
	// A FIFO, other than a kernel's log, is empty for who comes after the reader that
	// leaves, and cannot be written to between the two.
	sequence := 5
	require.Eventually(t, func() bool {
		text := fmt.Sprintf("4,%d,5000000,-;link down, but only a warning\n3,%d,6000000,-;link down at last\n", sequence, sequence+1)
		sequence += 2
		if file, err := os.OpenFile(a.fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			_, _ = file.WriteString(text)
			_ = file.Close()
		}
		return strings.Contains(a.stdout.String(), "link down at last\n")
	}, 20*time.Second, 100*time.Millisecond, "the error as text")
	require.NotContains(t, a.stdout.String(), "only a warning")
	a.end(t)
}

// Who sends SIGHUP right after an edit, and has the files watched too, hears of what
// is wrong once; who asks again hears it again.
func TestARefusalIsToldOnce(t *testing.T) {
	a := startAgent(t)
	refusals := func() int { return strings.Count(a.stderr.String(), "the configuration was not reloaded") }
	tried := func(asker string) func() bool {
		return func() bool { return strings.Contains(a.stderr.String(), `"asked_by":"`+asker+`"`) }
	}
	a.edit(t, "service:\n", "service:\n  telemetry: {logs: {level: debug}}\n")
	eventually(t, "the first reload", func() bool { return strings.Contains(a.stderr.String(), "the configuration was reloaded") })
	a.edit(t, "rules: {packs: [kernel]}", "rules: {pakcs: [kernel]}")
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	eventually(t, "the refusal", tried("SIGHUP"))
	eventually(t, "the other one", func() bool { return refusals() == 2 })
	require.Equal(t, 1, strings.Count(a.stderr.String(), `"level":"ERROR"`), a.stderr.String())
	require.NotZero(t, otelnpd(t, "", "reload", "--socket", a.socket).code)
	require.Equal(t, 2, strings.Count(a.stderr.String(), `"level":"ERROR"`), "an operator has asked again")
	a.end(t)
}
