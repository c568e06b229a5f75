package pipeline_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

func TestNamingChoosesTheMeters(t *testing.T) {
	for naming, want := range map[pipeline.Naming][2]bool{
		pipeline.NamingSemConv: {true, false}, pipeline.NamingNPD: {false, true}, pipeline.NamingBoth: {true, true}, "": {},
	} {
		var got pipeline.NodeMeters
		factories := pipeline.Factories{
			Receivers: map[string]pipeline.ReceiverFactory{"in": {Create: func(s pipeline.Settings, _ pipeline.Config, _ pipeline.Consumer) (pipeline.Component, error) {
				got = s.NodeMeters
				return noted{}, nil
			}}},
			Exporters: map[string]pipeline.ExporterFactory{"out": {Create: func(pipeline.Settings, pipeline.Config) (pipeline.Exporter, error) {
				return noted{}, nil
			}}},
		}
		settings := pipelinetest.Settings(t, "agent")
		settings.Naming = naming
		_, err := pipeline.BuildGraph(factories, pipeline.GraphConfig{Pipelines: []pipeline.PipelineConfig{wired("metrics", ids("in"), nil, ids("out"))}},
			pipeline.GraphSettings{
				Settings: settings, Board: pipeline.NewStatusBoard(pipeline.SystemClock{}),
				Meters: meters{name: "semconv "}, NPDMeters: meters{name: "npd "},
			})
		require.NoError(t, err)
		const scope = "github.com/otelnpd/otelnpd/receivers/in"
		require.Equal(t, want[0], got.SemConv == metric.Meter(named{scope: "semconv " + scope}), naming)
		require.Equal(t, want[1], got.NPD == metric.Meter(named{scope: "npd " + scope}), naming)
	}
}

// named are meters that can be told apart.
type named struct {
	noop.Meter
	scope string
}

// meters makes them.
type meters struct {
	noop.MeterProvider
	name string
}

func (m meters) Meter(scope string, _ ...metric.MeterOption) metric.Meter {
	return named{scope: m.name + scope}
}

func TestSignals(t *testing.T) {
	require.True(t, pipeline.Signals(0).Has("logs"))
	require.False(t, pipeline.Signals(0).Has("metrics"))
	require.False(t, pipeline.Metrics.Has("logs"))
	require.True(t, pipeline.Metrics.Has("metrics"))
	require.True(t, (pipeline.Logs | pipeline.Metrics).Has("logs"))
	require.False(t, pipeline.Metrics.Has("traces"))
}

// Receivers of metrics change hands with the processors, while nobody looks, and no
// record comes from them.
func TestReceiversOfMetricsStartAtTheBorder(t *testing.T) {
	r := newReload(t)
	before := r.started("a: in | mid | out", "metrics: in/m=1 in/gone | | out")
	after := r.build(before, "a: in | mid | out", "metrics: in/m=2 in/new | | out")
	var atTheBorder []string
	require.NoError(t, after.TakeOver(t.Context(), before, time.Second, func(succeed, observe func()) {
		succeed()
		require.Equal(t, []string{"start mid="}, r.taken())
		observe()
		atTheBorder = r.taken()
	}))
	require.Equal(t, []string{"stop in/gone= at once", "stop in/m=1 at once", "start in/m=2", "start in/new="}, atTheBorder)
	require.Equal(t, "in/m=1", r.made["in/m"].inherited)
	require.NoError(t, r.made["in/m"].next.Consume(t.Context(), pipelinetest.Lines("in/m", 1, "a line")))
	require.Empty(t, r.made["out"].sink.Records())
	require.NoError(t, after.Shutdown(context.Background()))
}

func TestExportersKnowThatTheyExportMetrics(t *testing.T) {
	r := newReload(t)
	before := r.started("a: in | mid | out out/m", "metrics: | | out/m")
	require.False(t, r.made["out"].metrics)
	require.True(t, r.made["out/m"].metrics)

	after := r.build(before, "a: in | mid | out out/m", "metrics: | | out")
	require.NoError(t, after.TakeOver(t.Context(), before, time.Second, func(succeed, observe func()) { succeed(); observe() }))
	require.True(t, r.made["out"].metrics, "it was made anew, with the same configuration")
	require.False(t, r.made["out/m"].metrics)
	require.NoError(t, after.Shutdown(context.Background()))
}
