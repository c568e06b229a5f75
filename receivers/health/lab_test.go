package health

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/source/probe/probetest"
)

// The units of tests have been up for longer than the shortest cooldown, and for less
// than any machine.
const (
	cooldown = 10 * time.Second
	up       = 20 * time.Second
	interval = 10 * time.Second
)

// lab asks a kubelet that stands in for one, on a node with a systemd that does.
type lab struct {
	*testing.T
	settings pipeline.Settings
	config   *Config
	clock    *pipelinetest.Clock
	metrics  *sdkmetric.ManualReader
	kubelet  *probetest.Server
	bus      *probetest.Bus
	systemd  *probetest.Systemd

	receiver *Receiver
	check    check.Check
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{T: t, metrics: sdkmetric.NewManualReader(), kubelet: probetest.StartServer(t), bus: probetest.StartBus(t, "")}
	l.systemd = probetest.StartSystemd(t, l.bus)
	l.systemd.Set("kubelet.service", "active", "running", up)
	l.clock = pipelinetest.NewClock(pipeline.Instant{Wall: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Boot: 24 * time.Hour})
	l.settings = pipelinetest.Settings(t, "health")
	l.settings.Clock, l.settings.Host.Run = l.clock, l.bus.Run
	l.settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(l.metrics)).Meter("test")
	l.config = DefaultConfig()
	l.config.ContainerRuntime.Enabled = false
	l.config.Timeout, l.config.StartGrace = 5*time.Second, 0
	l.config.Kubelet.URL = l.kubelet.URL
	l.config.Repair.Cooldown = cooldown
	return l
}

// start makes the receiver, as the one before has kept; nil: there was none.
func (l *lab) start(kept []byte) {
	l.Helper()
	require.NoError(l, l.config.Validate())
	var err error
	l.receiver, err = New(l.settings, l.config, &pipelinetest.Sink{})
	require.NoError(l, err)
	if kept != nil {
		require.NoError(l, l.receiver.Resume(kept))
	}
	l.check = l.receiver.checkOf(l.config.targets()[0])
}

// kept is what the receiver keeps.
func (l *lab) kept() []byte {
	l.Helper()
	encode := l.receiver.Keep()
	if encode == nil {
		return nil
	}
	text, err := encode()
	require.NoError(l, err)
	return text
}

// run runs the check once, an interval after the last time.
func (l *lab) run() check.Report {
	l.Helper()
	l.clock.Advance(interval)
	ctx, cancel := context.WithTimeout(l.Context(), l.check.Timeout)
	defer cancel()
	return l.check.Run(ctx)
}

// states are those of the next verdicts.
func (l *lab) states(n int) (states []string) {
	l.Helper()
	for range n {
		report := l.run()
		states = append(states, report.Findings[0].State.String())
	}
	return states
}

// told are the messages of the repairs of the next runs.
func (l *lab) told(n int) (messages []string) {
	l.Helper()
	for range n {
		report := l.run()
		require.Len(l, report.Findings, 2)
		if told := report.Findings[1]; told.State == pipeline.StateProblem {
			messages = append(messages, told.Message)
		} else {
			require.Equal(l, pipeline.StateOK, told.State)
		}
	}
	return messages
}

// results are how many repairs had which result.
func (l *lab) results() map[string]int64 {
	l.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(l, l.metrics.Collect(l.Context(), &all))
	counts := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, one := range scope.Metrics {
			sum, ok := one.Data.(metricdata.Sum[int64])
			if one.Name != "otelnpd.health.repairs" || !ok {
				continue
			}
			for _, point := range sum.DataPoints {
				if result, _ := point.Attributes.Value(attribute.Key("result")); point.Value > 0 {
					counts[result.AsString()] += point.Value
				}
			}
		}
	}
	return counts
}
