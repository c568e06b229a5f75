package rules

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// windowRules makes rules of patterns, all over windows of the same size.
func windowRules(size int, patterns ...string) []Rule {
	var list []Rule
	for i, pattern := range patterns {
		rule := Rule{ID: fmt.Sprint("rule-", i), Pattern: pattern, Reason: "Reason", Window: &Window{Lines: size}}
		if i%2 == 1 {
			rule.Window.Suffix = fmt.Sprint("suffix ", i)
		}
		list = append(list, rule)
	}
	return list
}

// accepts tells whether the configuration takes the pattern.
func accepts(pattern string) bool {
	if len(pattern) > 200 {
		return false
	}
	if _, err := regexp.Compile(pattern); err != nil || pattern == "" {
		return false
	}
	return !regexp.MustCompile(`(?:` + pattern + `)\z`).MatchString("")
}

// requireSame gives the lines to the processor, in batches of several lines, and
// to the reference, and compares.
func requireSame(t require.TestingT, settings pipeline.Settings, size int, list []Rule, lines []string) {
	sink := &pipelinetest.Sink{}
	config := DefaultConfig(nil)
	config.Rules = list
	require.NoError(t, config.Validate())
	processor, err := create(settings, config, sink)
	require.NoError(t, err)
	reference := newReference(size, list)
	var want []referenceFinding
	records := pipelinetest.Lines("kmsg", 1, lines...)
	for len(records) > 0 {
		n := min(3, len(records))
		for i := range records[:n] {
			want = append(want, reference.push(string(records[i].Body), records[i].Time)...)
		}
		require.NoError(t, processor.Consume(context.Background(), records[:n]))
		for i := range records[:n] {
			for j := range records[i].Body {
				records[i].Body[j] = '#' // the batch is over
			}
		}
		records = records[n:]
	}
	var got []referenceFinding
	for _, record := range sink.Records() {
		got = append(got, referenceFinding{Rule: record.Problem.Rule, Message: record.Problem.Message, Time: record.Time})
	}
	require.Empty(t, cmp.Diff(want, got), "window of %d lines over %q", size, lines)
}

func TestMatchesAsNodeProblemDetectorDoes(t *testing.T) {
	trace := []string{
		"INFO: task a:1 blocked for more than 120 seconds.", "  Tainted: G", "Call Trace:", " f+0x1/0x2", " g+0x1/0x2",
		"Oops", "BUG: x", "Oops", "", " trailing space ", "K", "ſ\u212a", "a\xffb", "a\nb", "end",
	}
	for name, patterns := range map[string][]string{
		"one line":                      {`task \S+:\w+ blocked for more than \w+ seconds\.`, `Call Trace:`},
		"in the middle of a line":       {`Tainted`, `Trace`},
		"several lines":                 {`blocked for.*\n.*Tainted: G`, `blocked for(?:.*\n)+.*g\+0x1/0x2`},
		"a newline first":               {`\nOops`, `\n\n?Oops`},
		"any character over lines":      {`(?s)BUG.*Oops`, `(?s)INFO.*end`, `(?s).+end`},
		"classes that hold newlines":    {`Trace[^x]*g\+`, `\sOops`, `[\s\S]{5}Oops`},
		"branches, all up to the end":   {`Oops|BUG`, `Trace|end`, `B|Oops`},
		"anchors of the text":           {`^Oops`, `\AOops$`, `^\n*INFO.*`, `^\s*INFO.*`, `\s*^Oops$`},
		"anchors of lines":              {`(?m)^Oops$`, `(?m)^Oops$\n^$`, `(?m)Oops$`},
		"borders of words":              {`\bOops\b`, `\BOops`, `end\b`, `\b\w+\b`},
		"folded case, outside ASCII":    {`(?i)k`, `(?i)SK`, `(?i)oops`, `(?i)CALL TRACE:`},
		"bytes that are no text":        {`a.b`, "a\uFFFDb", `a[^z]b`},
		"a newline within a line":       {`a\nb`, `b`, `(?m)^b`},
		"white space at the ends":       {`trailing space`, `^trailing space$`, `\n\ntrailing space`},
		"leftmost, not longest":         {`(?s)Oops.*`, `(?s)O.*?s`, `(?U)(?s)Oops.*`},
		"without literal":               {`\w+`, `..`, `.+\n.+`, `[A-Z].*`},
		"optional parts over the lines": {`(?:BUG: x\n)?Oops`, `(?:Call Trace:\n)* f.*`},
	} {
		for _, size := range []int{1, 2, 3, 10} {
			t.Run(fmt.Sprint(name, "/", size), func(t *testing.T) {
				requireSame(t, pipelinetest.Settings(t, "rules"), size, windowRules(size, patterns...), trace)
			})
		}
	}
}

// FuzzWindow draws patterns, window and lines.
func FuzzWindow(f *testing.F) {
	f.Add(`Oops|BUG`, `(?s)BUG.*Oops`, "a\nBUG\nx\nOops", uint8(3))
	f.Add(`\bfoo\b`, `(?m)^foo$\nbar`, "foo\nbar\nfoo bar", uint8(2))
	f.Add(`(?i)\u212aernel`, `[^a]b\n`, "kernel\nab\nKERNEL", uint8(10))
	f.Add(`^x`, `\nx`, "x\nx\nx\nx", uint8(1))
	f.Add(`(a|b\n)+c`, `é+`, "a\nb\nb\nc\néé", uint8(4))
	f.Add(`\s*x`, `x\s*`, " x \n\n x\t\n", uint8(5))
	f.Fuzz(func(t *testing.T, first, second, text string, size uint8) {
		if !accepts(first) || !accepts(second) || size == 0 || len(text) > 2000 {
			return
		}
		lines := strings.Split(text, "\n")
		requireSame(t, pipelinetest.Settings(t, "rules"), int(size), windowRules(int(size), first, second, first), lines)
	})
}

func TestMatchesAsNodeProblemDetectorDoesWhateverTheRules(t *testing.T) {
	settings := pipelinetest.Settings(t, "rules")
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{
			"Oops", "BUG", "abc", "a", "[ab]", "[^a]", ".", `\n`, `\s`, `\w+`, "^", "$", `\b`, "(?m:^)", "(?m:$)", "(?s:.*)", ".*", "(?i:oops)", "é", "(?:abc\n)?", "(?:BUG|abc)", "(?:a|b\n)*", "|",
		})
		pattern := rapid.Map(rapid.SliceOfN(piece, 1, 5), func(pieces []string) string { return strings.Join(pieces, "") }).
			Filter(accepts)
		word := rapid.SampledFrom([]string{"Oops", "OOPS", "BUG", "abc", "a", "b", " ", "é", "\n", "\xff", ""})
		line := rapid.Map(rapid.SliceOfN(word, 0, 4), func(words []string) string { return strings.Join(words, "") })
		size := rapid.IntRange(1, 6).Draw(t, "size")
		patterns := rapid.SliceOfN(pattern, 1, 5).Draw(t, "patterns")
		lines := rapid.SliceOfN(line, 1, 30).Draw(t, "lines")
		requireSame(t, settings, size, windowRules(size, patterns...), lines)
	})
}

// TestWindowsOfDifferentSizes runs rules over one ring that each see less of it.
func TestWindowsOfDifferentSizes(t *testing.T) {
	lines := []string{"x", "Oops", "a", "b", "Oops", "c", "BUG", "d", "Oops"}
	config := DefaultConfig(nil)
	for size := 1; size <= 7; size++ {
		rules := windowRules(size, `(?s)Oops.*Oops`, `^\w+\n(?s).*Oops`, `(?s)BUG.*s`)
		for i := range rules {
			rules[i].ID = fmt.Sprint(size, "/", i)
		}
		config.Rules = append(config.Rules, rules...)
	}
	sink := &pipelinetest.Sink{}
	require.NoError(t, config.Validate())
	processor, err := create(pipelinetest.Settings(t, "rules"), config, sink)
	require.NoError(t, err)
	records := pipelinetest.Lines("kmsg", 1, lines...)
	require.NoError(t, processor.Consume(context.Background(), records))
	var got []string
	for _, record := range sink.Records() {
		got = append(got, fmt.Sprint(record.Problem.Rule, "@", record.Place.Position))
	}
	var want []string
	references := map[int]*reference{}
	for size := 1; size <= 7; size++ {
		references[size] = newReference(size, config.Rules[3*(size-1):3*size])
	}
	for _, record := range records {
		for size := 1; size <= 7; size++ {
			for _, found := range references[size].push(string(record.Body), time.Time{}) {
				want = append(want, fmt.Sprint(found.Rule, "@", record.Place.Position))
			}
		}
	}
	require.Equal(t, want, got)
	require.NotEmpty(t, got)
}

// TestALongRun goes on until a ring has moved its memory many times.
func TestALongRun(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	words := []string{"Oops", "BUG", "end", "Call Trace:", strings.Repeat("x", 150), "", " "}
	var lines []string
	for range 1000 {
		line := ""
		for range random.IntN(4) {
			line += words[random.IntN(len(words))]
		}
		lines = append(lines, line)
	}
	for _, size := range []int{2, 50} {
		list := windowRules(size, `Oops\n.*\n.*end`, `(?s)BUGOops.*endend`, `^end`, `(?m)^Oops$\n(?s).*^BUG`, `Call Trace:\n+Oops`)
		requireSame(t, pipelinetest.Settings(t, "rules"), size, list, lines)
	}
}
