package npd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/config/npd"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/processors/rules"
)

// referenceFile is a log monitor as encoding/json reads it.
type referenceFile struct {
	Plugin     string
	Source     string
	BufferSize int
	Rules      []referenceRule
}

type referenceRule struct {
	Type, Condition, Reason, Pattern string
	Suffix                           string `json:"patternGeneratedMessageSuffix"`
}

// reference is node-problem-detector's way of matching, as plainly as can be: each
// rule, in file order, over the joined last lines.
type reference struct {
	referenceFile
	lines []string // oldest first
}

func newReference(t testing.TB, text []byte) *reference {
	t.Helper()
	r := &reference{}
	require.NoError(t, json.Unmarshal(text, &r.referenceFile))
	if r.BufferSize == 0 {
		r.BufferSize = 10
	}
	return r
}

// push adds a line and returns what the rules tell of it.
func (r *reference) push(line string) []string {
	r.lines = append(r.lines, strings.TrimSpace(line))
	r.lines = r.lines[max(0, len(r.lines)-r.BufferSize):]
	joined := strings.Repeat("\n", r.BufferSize-len(r.lines)) + strings.Join(r.lines, "\n")
	var found []string
	for _, rule := range r.Rules {
		place := regexp.MustCompile(`(?:` + rule.Pattern + `)\z`).FindStringIndex(joined)
		if place == nil {
			continue
		}
		message := strings.Join(r.matched(len(joined)-place[0]), "\n")
		if rule.Suffix != "" {
			message += "; " + rule.Suffix
		}
		found = append(found, told(r.Source, rule.Condition, rule.Reason, message))
	}
	return found
}

// matched goes back from the newest line until so many bytes are covered, a newline
// counted with each line.
func (r *reference) matched(length int) []string {
	covered := 0
	for i := len(r.lines) - 1; ; i-- {
		if covered += len(r.lines[i]) + 1; covered >= length || i == 0 {
			return r.lines[i:]
		}
	}
}

func told(source, condition, reason, message string) string {
	return fmt.Sprintf("%s|%s|%s|%s", source, condition, reason, message)
}

// requireSame gives lines to what a file becomes and to the reference.
func requireSame(t *testing.T, text []byte, lines []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	parsed, _ := requireParses(t, parseArguments(t, logFlag+path), npd.ForRunning)
	want := []string{}
	reference := newReference(t, text)
	for _, line := range lines {
		want = append(want, reference.push(line)...)
	}
	require.Equal(t, want, found(t, parsed, lines))
}

// found returns what the rules of a configuration tell of lines.
func found(t *testing.T, parsed *config.Config, lines []string) []string {
	t.Helper()
	list := []string{}
	for id, component := range parsed.Graph.Processors {
		if id.Type != rules.Type {
			continue
		}
		sink := &pipelinetest.Sink{}
		processor, err := rules.NewFactory(nil).Create(pipelinetest.Settings(t, id.String()), component, sink)
		require.NoError(t, err)
		require.NoError(t, processor.Consume(context.Background(), pipelinetest.Lines("kmsg", 1, lines...)))
		for _, record := range sink.Records() {
			list = append(list, told(record.Problem.Source, record.Problem.Condition, record.Problem.Reason, record.Problem.Message))
		}
	}
	return list
}

func TestMatchesAsNodeProblemDetectorDoes(t *testing.T) {
	text, err := os.ReadFile("testdata/kernel.json")
	require.NoError(t, err)
	lines := []string{
		"eth0: NIC Link is Down", "eth0: NIC Link is Down again", " eth1: carrier lost ", "nvme nvme0: controller is down; reset it",
		"watchdog: BUG: soft lockup - CPU#1 stuck for 22s!", "Modules linked in: a", "", "Call Trace:", "Call Trace:",
		"watchdog: BUG: soft lockup", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "Call Trace:", "eth0: carrier lost",
	}
	requireSame(t, text, lines)
}

// Whatever the rules, the buffer and the lines.
func TestMatchesWhateverTheRules(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		word := rapid.SampledFrom([]string{"Oops", "BUG: x", "Call Trace:", "end", "a b", "", " ", "${env:A}", "'\"", "é"})
		pattern := rapid.SampledFrom([]string{`Oops`, `BUG: \S+`, `Oops\n(.*\n)*end`, `(?s)BUG.*end`, `Call Trace:|Oops`, `^Oops$`, `\nend`, `\$\{env:A\}`, `'"`, `(?i)OOPS`, `[^x]+é`})
		var list []referenceRule
		for range rapid.IntRange(1, 4).Draw(r, "rules") {
			list = append(list, referenceRule{
				Type: "temporary", Reason: rapid.SampledFrom([]string{"A", "B", "C_1"}).Draw(r, "reason"), Pattern: pattern.Draw(r, "pattern"),
				Suffix: rapid.SampledFrom([]string{"", "why", "${env:B} # x", "a: 'b'"}).Draw(r, "suffix"),
			})
		}
		text, err := json.Marshal(map[string]any{
			"plugin": "kmsg", "source": rapid.SampledFrom([]string{"s", "a b", "yes"}).Draw(r, "source"),
			"bufferSize": rapid.IntRange(0, 5).Draw(r, "size"), "rules": list,
		})
		require.NoError(r, err)
		requireSame(t, text, rapid.SliceOfN(word, 0, 25).Draw(r, "lines"))
	})
}

// The kernel's messages of real problems, over the rules that node-problem-detector
// ships for them.
func TestMatchesSampleLogs(t *testing.T) {
	samples(t)
	folder := filepath.Join(os.Getenv("OTELNPD_SHARED"), "npd-config")
	text, err := os.ReadFile(filepath.Join(folder, "kernel-monitor.json"))
	require.NoError(t, err)
	logs, err := filepath.Glob(filepath.Join(folder, "kernel-logs/*"))
	require.NoError(t, err)
	require.NotEmpty(t, logs)
	var lines []string
	for _, log := range logs {
		content, err := os.ReadFile(log)
		require.NoError(t, err)
		lines = append(lines, strings.Split(string(content), "\n")...)
	}
	requireSame(t, text, lines)
}
