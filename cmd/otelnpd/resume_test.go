package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric/noop"
	"pgregory.net/rapid"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	source "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
	"github.com/otelnpd/otelnpd/processors/dedupe"
	"github.com/otelnpd/otelnpd/processors/rules"
	"github.com/otelnpd/otelnpd/receivers/kmsg"
)

// killer is the first stage of a pipeline: it takes so many batches, then its agent
// is being killed.
type killer struct {
	pipelinetest.Sink
	next pipeline.Consumer
	left int
	dead chan struct{}
}

func (k *killer) Consume(ctx context.Context, batch []pipeline.Record) error {
	if k.left--; k.left < 0 {
		if k.left == -1 {
			close(k.dead)
		}
		return pipelinetest.ErrShutDown
	}
	return k.next.Consume(ctx, batch)
}

// lasting is where all agents of a test report to.
type lasting struct{ *pipelinetest.Sink }

// Shutdown ends nothing.
func (lasting) Shutdown(context.Context) error { return nil }

// chain is the line of components from /dev/kmsg to an exporter.
type chain struct {
	settings pipeline.Settings
	rules    []rules.Rule
	sink     *pipelinetest.Sink
	killer   *killer
}

func (c *chain) graph(t require.TestingT, batches int) *pipeline.Graph {
	id := func(kind string) pipeline.ID { return pipeline.ID{Type: kind} }
	c.killer = &killer{left: batches, dead: make(chan struct{})}
	shared := source.NewShared(source.Options{Logger: c.settings.Logger, Clock: c.settings.Clock})
	ruleConfig := rules.DefaultConfig(nil)
	ruleConfig.Rules = c.rules
	graph, err := pipeline.BuildGraph(pipeline.Factories{
		Receivers: map[string]pipeline.ReceiverFactory{"kmsg": kmsg.NewFactory(shared)},
		Processors: map[string]pipeline.ProcessorFactory{
			"killer": {Type: "killer", Create: func(_ pipeline.Settings, _ pipeline.Config, next pipeline.Consumer) (pipeline.Processor, error) {
				c.killer.next = next
				return c.killer, nil
			}},
			"dedupe": dedupe.NewFactory(), "rules": rules.NewFactory(nil),
		},
		Exporters: map[string]pipeline.ExporterFactory{"sink": {Type: "sink", Create: func(pipeline.Settings, pipeline.Config) (pipeline.Exporter, error) {
			return lasting{c.sink}, nil
		}}},
	}, pipeline.GraphConfig{
		Receivers:  map[pipeline.ID]pipeline.Config{id("kmsg"): kmsg.DefaultConfig()},
		Processors: map[pipeline.ID]pipeline.Config{id("dedupe"): dedupe.DefaultConfig(), id("rules"): ruleConfig},
		Exporters:  map[pipeline.ID]pipeline.Config{},
		Pipelines: []pipeline.PipelineConfig{{
			ID: pipeline.ID{Type: "logs"}, Receivers: []pipeline.ID{id("kmsg")},
			Processors: []pipeline.ID{id("killer"), id("dedupe"), id("rules")}, Exporters: []pipeline.ID{id("sink")},
		}},
	}, pipeline.GraphSettings{Settings: c.settings, Meters: noop.NewMeterProvider(), Board: pipeline.NewStatusBoard(c.settings.Clock)})
	require.NoError(t, err)
	return graph
}

// live runs the chain over so many batches, kills it, and returns what was kept.
func (c *chain) live(t require.TestingT, batches int, kept map[string][]byte) map[string][]byte {
	graph := c.graph(t, batches)
	require.NoError(t, graph.Resume(kept))
	require.NoError(t, graph.Start(context.Background()))
	<-c.killer.dead
	kept = map[string][]byte{}
	require.NoError(t, graph.Hold(20*time.Second, func() {
		for name, encode := range graph.Keep() {
			text, err := encode()
			require.NoError(t, err)
			kept[name] = text
		}
	}))
	require.NoError(t, graph.Shutdown(context.Background()))
	return kept
}

// finish runs the chain to the end of the log.
func (c *chain) finish(t *testing.T, rt require.TestingT, kept map[string][]byte) []string {
	t.Helper()
	graph := c.graph(rt, 1<<30)
	require.NoError(rt, graph.Resume(kept))
	require.NoError(rt, graph.Start(context.Background()))
	c.sink.WaitFor(t, "the end of the backlog", func(records []pipeline.Record) bool {
		return len(records) > 0 && records[len(records)-1].EventName == pipeline.EventBacklogEnd
	})
	require.NoError(rt, graph.Shutdown(context.Background()))
	var found []string
	for _, record := range c.sink.Records() {
		if p := record.Problem; p != nil {
			found = append(found, fmt.Sprintf("%d %s %s %q %s", record.Place.Position, p.UID, p.Rule, p.Message, record.Time))
		}
	}
	return found
}

// TestKilledAgentsFindWhatOneFinds kills the agent at random batches of random logs,
// again and again: all of them together find, once each, what one finds that is
// never killed, over windows of several lines too.
func TestKilledAgentsFindWhatOneFinds(t *testing.T) {
	settings := pipelinetest.Settings(t, "agent")
	settings.Host.Root = t.TempDir()
	settings.Clock = pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(1_700_000_000, 0), Boot: 1 << 40})
	settings.Keeping.IsDurable = func() bool { return true }
	require.NoError(t, os.Mkdir(settings.Host.Path("/dev"), 0o700))
	rapid.Check(t, func(rt *rapid.T) {
		words := []string{"Oops", "BUG", "abc", "Call Trace:", "x"}
		var log strings.Builder
		for i := range rapid.IntRange(1, 1200).Draw(rt, "lines") {
			// Any two neighbours of a short list: windows match now and then.
			word := rapid.SampledFrom(words).Draw(rt, "word")
			fmt.Fprintf(&log, "6,%d,%d,-;%s\n", i, i, word)
		}
		require.NoError(rt, os.WriteFile(filepath.Join(settings.Host.Root, "dev/kmsg"), []byte(log.String()), 0o600))
		window := &rules.Window{Lines: rapid.IntRange(1, 300).Draw(rt, "window")}
		list := []rules.Rule{
			{ID: "two", Pattern: `BUG\n.*Oops`, Reason: "A", Window: window},
			{ID: "far", Pattern: `BUG(?:\nx)+\nCall Trace:`, Reason: "A", Window: window},
			{ID: "many", Pattern: `(?s)Call Trace:.{20,60}abc`, Reason: "A", Window: &rules.Window{Lines: 20}},
			{ID: "one", Pattern: `BUG`, Reason: "A"},
		}
		plain := &chain{settings: settings, rules: list, sink: &pipelinetest.Sink{}}
		want := plain.finish(t, rt, nil)

		killed := &chain{settings: settings, rules: list, sink: &pipelinetest.Sink{}}
		var kept map[string][]byte
		for left := strings.Count(log.String(), "\n")/256 + 1; left > 0; {
			batches := rapid.IntRange(0, left-1).Draw(rt, "batches")
			kept = killed.live(rt, batches, kept)
			if left -= max(batches, 1); rapid.Bool().Draw(rt, "enough") {
				break
			}
		}
		require.Equal(rt, want, killed.finish(t, rt, kept))
	})
}
