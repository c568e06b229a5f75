package rules

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"pgregory.net/rapid"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// asContext returns the records as a receiver gives them that reads them again.
func asContext(records []pipeline.Record) []pipeline.Record {
	again := make([]pipeline.Record, len(records))
	for i := range records {
		again[i] = records[i].Clone()
		again[i].EventName = pipeline.EventContext
	}
	return again
}

func newTestProcessor(t require.TestingT, settings pipeline.Settings, list []Rule, next pipeline.Consumer) pipeline.Processor {
	config := DefaultConfig(nil)
	config.Rules = list
	require.NoError(t, config.Validate())
	made, err := create(settings, config, next)
	require.NoError(t, err)
	return made
}

func findings(records []pipeline.Record) (all []referenceFinding) {
	for i := range records {
		all = append(all, referenceFinding{Rule: records[i].Problem.Rule, Message: records[i].Problem.Message, Time: records[i].Time})
	}
	return all
}

// randomLog draws rules with windows of one size, and lines.
func randomLog(t *rapid.T) (list []Rule, lines []string) {
	word := rapid.SampledFrom([]string{"Oops", "OOPS", "BUG", "abc", "a", "b", " ", "\n", "Call Trace:", ""})
	line := rapid.Map(rapid.SliceOfN(word, 0, 4), func(words []string) string { return strings.Join(words, "") })
	return randomRules(t), rapid.SliceOfN(line, 1, 40).Draw(t, "lines")
}

var spanningPatterns = []string{
	`Oops\n.*\n.*abc`, `(?s)BUG.*Oops`, `(?i)oops\n+abc`, `^BUG(?s).*a`, `Call Trace:\n\n?.*Oops`, `Oops`, `\nabc`, `(?m)^abc$\n(?s).*b`, `\w+\n\w+`,
}

func randomRules(t *rapid.T) []Rule {
	size := rapid.IntRange(1, 6).Draw(t, "window")
	return windowRules(size, rapid.SliceOfNDistinct(rapid.SampledFrom(spanningPatterns), 1, 6, rapid.ID).Draw(t, "patterns")...)
}

// TestARestartChangesNoMatch kills the processor at random borders. The new one is
// given the lines before as context: it finds what node-problem-detector's way of
// matching finds without any restart.
func TestARestartChangesNoMatch(t *testing.T) {
	settings := pipelinetest.Settings(t, "rules")
	rapid.Check(t, func(t *rapid.T) {
		list, lines := randomLog(t)
		records := pipelinetest.Lines("kmsg", 1, lines...)
		reference := newReference(list[0].Window.Lines, list)
		var want []referenceFinding
		sink := &pipelinetest.Sink{}
		made := newTestProcessor(t, settings, list, sink)
		for at := 0; at < len(records); {
			if rapid.IntRange(0, 3).Draw(t, "restart") == 0 {
				made = newTestProcessor(t, settings, list, sink)
				before := asContext(records[:at])
				require.NoError(t, made.Consume(context.Background(), before))
				require.NoError(t, made.Consume(context.Background(), before[at/2:]), "again: nothing changes")
			}
			end := min(len(records), at+rapid.IntRange(1, 5).Draw(t, "batch"))
			for i := at; i < end; i++ {
				want = append(want, reference.push(string(records[i].Body), records[i].Time)...)
			}
			require.NoError(t, made.Consume(context.Background(), records[at:end]))
			at = end
		}
		require.Equal(t, want, findings(sink.Records()))
	})
}

// TestAReloadChangesNoMatch replaces the processor at random borders by one with the
// same rules, which inherits the lines.
func TestAReloadChangesNoMatch(t *testing.T) {
	settings := pipelinetest.Settings(t, "rules")
	rapid.Check(t, func(t *rapid.T) {
		list, lines := randomLog(t)
		records := pipelinetest.Lines("kmsg", 1, lines...)
		plain, reloaded := &pipelinetest.Sink{}, &pipelinetest.Sink{}
		want, got := newTestProcessor(t, settings, list, plain), newTestProcessor(t, settings, list, reloaded)
		for i := range records {
			if rapid.IntRange(0, 4).Draw(t, "reload") == 0 {
				next := newTestProcessor(t, settings, list, reloaded)
				inherit(t, next, got)
				// A receiver that has changed too reads again what the windows hold.
				require.NoError(t, next.Consume(context.Background(), asContext(records[:i])))
				got = next
			}
			require.NoError(t, want.Consume(context.Background(), records[i:i+1]))
			require.NoError(t, got.Consume(context.Background(), records[i:i+1]))
		}
		require.Equal(t, findings(plain.Records()), findings(reloaded.Records()))
	})
}

func inherit(t require.TestingT, next, from pipeline.Processor) {
	heir, ok := next.(pipeline.Heir)
	require.True(t, ok)
	heir.Inherit(from)
}

// TestOtherRulesSeeTheLinesBefore: after a reload that changes rules, all is as in a
// processor that was given as context the lines which the old one's windows kept.
func TestOtherRulesSeeTheLinesBefore(t *testing.T) {
	settings := pipelinetest.Settings(t, "rules")
	rapid.Check(t, func(t *rapid.T) {
		before, lines := randomLog(t)
		after := randomRules(t)
		records := pipelinetest.Lines("kmsg", 1, lines...)
		border := rapid.IntRange(0, len(records)).Draw(t, "border")
		got, want := &pipelinetest.Sink{}, &pipelinetest.Sink{}

		old := newTestProcessor(t, settings, before, &pipelinetest.Sink{})
		require.NoError(t, old.Consume(context.Background(), records[:border]))
		heir := newTestProcessor(t, settings, after, got)
		inherit(t, heir, old)

		fresh := newTestProcessor(t, settings, after, want)
		kept := min(before[0].Window.Lines, border)
		require.NoError(t, fresh.Consume(context.Background(), asContext(records[border-kept:border])))
		for _, to := range []pipeline.Processor{heir, fresh} {
			require.NoError(t, to.Consume(context.Background(), records[border:]))
		}
		require.Equal(t, findings(want.Records()), findings(got.Records()))
	})
}

// TestSourcesAreInheritedEach keeps sources, receivers and the treatment of white
// space apart.
func TestSourcesAreInheritedEach(t *testing.T) {
	settings := pipelinetest.Settings(t, "rules")
	rules := func() []Rule {
		return []Rule{
			{ID: "trim", Pattern: `begin\nend`, Reason: "A", Window: &Window{Lines: 2}},
			{ID: "keep", Pattern: `begin \nend`, Reason: "A", Window: &Window{Lines: 2, KeepSpace: true}},
		}
	}
	old := newTestProcessor(t, settings, rules(), &pipelinetest.Sink{})
	for i := range 5 {
		require.NoError(t, old.Consume(t.Context(), pipelinetest.Lines(fmt.Sprint("kmsg/", i), 1, "begin ")))
	}
	sink := &pipelinetest.Sink{}
	heir := newTestProcessor(t, settings, rules(), sink)
	inherit(t, heir, old)
	inherit(t, heir, &otherProcessor{}) // of another type: nothing
	for i := range 6 {
		require.NoError(t, heir.Consume(t.Context(), pipelinetest.Lines(fmt.Sprint("kmsg/", i), 2, "end")))
	}
	require.Len(t, sink.Records(), 10, "both rules, each of the five receivers; the sixth had no line before")
}

type otherProcessor struct{ pipelinetest.Sink }

// TestContextEndsHere also without windows, and counts for nothing.
func TestContextEndsHere(t *testing.T) {
	settings := pipelinetest.Settings(t, "rules")
	lines := pipelinetest.Lines("kmsg", 1, "bad", "worse")
	for name, window := range map[string]*Window{"no window": nil, "a window": {Lines: 3}} {
		t.Run(name, func(t *testing.T) {
			sink := &pipelinetest.Sink{}
			made := newTestProcessor(t, settings, []Rule{{ID: "a", Pattern: "bad|worse", Reason: "A", Window: window}}, sink)
			require.NoError(t, made.Consume(t.Context(), asContext(lines)))
			require.Empty(t, sink.Records())
			require.NoError(t, made.Consume(t.Context(), pipelinetest.Lines("kmsg", 3, "bad")))
			require.Len(t, sink.Records(), 1)
		})
	}
}

// TestContextCostsNothingWithoutWindows.
func TestContextCostsNothingWithoutWindows(t *testing.T) {
	made := newTestProcessor(t, pipelinetest.Settings(t, "rules"), []Rule{{ID: "a", Pattern: "bad", Reason: "A"}}, &pipelinetest.Sink{})
	batch := asContext(pipelinetest.Lines("kmsg", 1, "an ordinary line", "a bad line"))
	batch[0].Attributes = pipeline.AttributeList{attribute.String("k", "v")}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if err := made.Consume(context.Background(), batch); err != nil {
			t.Error(err)
		}
	}))
}
