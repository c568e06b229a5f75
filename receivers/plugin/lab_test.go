package plugin_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/receivers/plugin"
	"github.com/otelnpd/otelnpd/receivers/plugin/command"
)

// lab runs a receiver on scripts of the test.
type lab struct {
	t        *testing.T
	dir      string
	config   *plugin.Config
	settings pipeline.Settings
	launcher *command.Launcher
	statuses pipelinetest.Statuses
	sink     pipelinetest.Sink
	reader   *sdkmetric.ManualReader
	receiver pipeline.Component
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), config: plugin.DefaultConfig(), reader: sdkmetric.NewManualReader()}
	l.config.Spread, l.config.Interval = false, time.Hour
	l.settings = pipelinetest.Settings(t, "plugin/test")
	l.settings.Report = l.statuses.Report
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(l.reader))
	t.Cleanup(func() { require.NoError(t, provider.Shutdown(context.Background())) })
	l.settings.Meter = provider.Meter("test")
	l.launcher = command.NewLauncher(command.Options{Logger: l.settings.Logger})
	return l
}

// check adds a check that runs a script.
func (l *lab) check(id string, lines ...string) *plugin.Check {
	l.t.Helper()
	path := l.script(id, lines...)
	l.config.Checks = append(l.config.Checks, plugin.Check{
		ID: id, Path: path, Declaration: check.Declaration{Reason: "Broken", Severity: "error"},
		Environment: map[string]string{"DIR": l.dir},
	})
	return &l.config.Checks[len(l.config.Checks)-1]
}

func (l *lab) script(name string, lines ...string) string {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	require.NoError(l.t, os.WriteFile(path, []byte("#!/bin/sh\n"+strings.Join(lines, "\n")+"\n"), 0o755))
	return path
}

func (l *lab) start() {
	l.t.Helper()
	require.NoError(l.t, l.config.Validate())
	var err error
	l.receiver, err = plugin.NewFactory(l.launcher).Create(l.settings, l.config, &l.sink)
	require.NoError(l.t, err)
	require.NoError(l.t, l.receiver.Start(l.t.Context()))
	l.t.Cleanup(func() { l.stop() })
}

func (l *lab) stop() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	require.NoError(l.t, l.receiver.Shutdown(ctx))
}

// verdicts waits for n verdicts.
func (l *lab) verdicts(n int) []pipeline.Problem {
	l.t.Helper()
	var found []pipeline.Problem
	l.sink.WaitFor(l.t, "the verdicts", func(records []pipeline.Record) bool {
		found = nil
		for _, record := range records {
			if record.Problem != nil {
				found = append(found, *record.Problem)
			}
		}
		return len(found) >= n
	})
	return found
}

// value returns a metric's value with these attributes, or false.
func (l *lab) value(name string, attributes map[string]string) (value float64, ok bool) {
	l.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(l.t, l.reader.Collect(l.t.Context(), &all))
	for _, scope := range all.ScopeMetrics {
		for _, one := range scope.Metrics {
			if one.Name != name {
				continue
			}
			switch data := one.Data.(type) {
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					value, ok = pick(point, attributes, value, ok)
				}
			case metricdata.Gauge[int64]:
				for _, point := range data.DataPoints {
					value, ok = pick(point, attributes, value, ok)
				}
			case metricdata.Gauge[float64]:
				for _, point := range data.DataPoints {
					value, ok = pick(point, attributes, value, ok)
				}
			}
		}
	}
	return value, ok
}

func pick[N int64 | float64](point metricdata.DataPoint[N], want map[string]string, value float64, ok bool) (float64, bool) {
	for key, text := range want {
		found := false
		for _, one := range point.Attributes.ToSlice() {
			found = found || string(one.Key) == key && one.Value.AsString() == text
		}
		if !found {
			return value, ok
		}
	}
	return value + float64(point.Value), true
}

func (l *lab) requireValue(want float64, name string, attributes map[string]string) {
	l.t.Helper()
	got, ok := l.value(name, attributes)
	require.True(l.t, ok, "no %s %v", name, attributes)
	require.InDelta(l.t, want, got, 1e-9, "%s %v", name, attributes)
}
