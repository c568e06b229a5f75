package plugin

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Why a run has told less than it should.
const (
	failedTimeout   = "timeout"
	failedStart     = "not_started"
	failedStuck     = "stuck"
	failedSignal    = "signal"
	failedMemory    = "out_of_memory"
	failedUnlimited = "unlimited" // it ran, without its limits
	failedJSON      = "bad_json"
)

// Why a part of an output is not told.
const (
	cutOutput = "output"  // there is more of it than is read
	cutSeries = "metrics" // there are more metrics than are kept
)

// maxSeries is how many metrics a check has.
const maxSeries = 64

// series names a metric of a check.
type series struct{ name, instance string }

// metrics are those of a receiver and those that its commands tell.
type metrics struct {
	meter        metric.Meter
	receiver     attribute.KeyValue
	failed, cuts pipeline.ReasonCounter
	stuck        metric.Int64ObservableGauge
	told         metric.Float64ObservableGauge

	mu           sync.Mutex
	checks       map[string]map[series]float64
	registration metric.Registration
}

func newMetrics(settings pipeline.Settings) (*metrics, error) {
	m := &metrics{
		meter: settings.Meter, receiver: attribute.String("receiver", settings.ID.String()),
		checks: map[string]map[series]float64{},
	}
	var errs [4]error
	m.failed, errs[0] = pipeline.NewReasonCounter(settings, "otelnpd.plugin.failed_runs", "{run}",
		"Runs of commands that could not do what they should, by reason.",
		failedTimeout, failedStart, failedStuck, failedSignal, failedMemory, failedUnlimited, failedJSON)
	m.cuts, errs[1] = pipeline.NewReasonCounter(settings, "otelnpd.plugin.cut_outputs", "{output}",
		"Outputs of commands of which a part was left out, by reason.", cutOutput, cutSeries)
	m.stuck, errs[2] = settings.Meter.Int64ObservableGauge("otelnpd.plugin.stuck", metric.WithUnit("{process}"),
		metric.WithDescription("Commands whose process has outlived SIGKILL and is there still."))
	m.told, errs[3] = settings.Meter.Float64ObservableGauge("otelnpd.plugin.metric",
		metric.WithDescription("Figures that commands have told in their newest run."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("make the metrics: %w", err)
	}
	return m, nil
}

// observe begins to serve what is known at each reading.
func (m *metrics) observe(stuck func() int) error {
	own := metric.WithAttributeSet(attribute.NewSet(m.receiver))
	registration, err := m.meter.RegisterCallback(func(_ context.Context, observer metric.Observer) error {
		observer.ObserveInt64(m.stuck, int64(stuck()), own)
		m.mu.Lock()
		defer m.mu.Unlock()
		for id, told := range m.checks {
			for is, value := range told {
				observer.ObserveFloat64(m.told, value, m.attributes(id, is))
			}
		}
		return nil
	}, m.stuck, m.told)
	if err != nil {
		return fmt.Errorf("register the metrics: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.registration = registration
	return nil
}

func (m *metrics) attributes(id string, is series) metric.MeasurementOption {
	list := []attribute.KeyValue{m.receiver, attribute.String("check", id), attribute.String("name", is.name)}
	if is.instance != "" {
		list = append(list, attribute.String("instance", is.instance))
	}
	return metric.WithAttributeSet(attribute.NewSet(list...))
}

// forget ends the serving.
func (m *metrics) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.registration != nil {
		_ = m.registration.Unregister() // its error is for the MeterProvider that is no more
	}
}

// tell notes what the newest run of a check told; what it did not tell is forgotten.
func (m *metrics) tell(id string, told map[series]float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checks[id] = told
}

// fail counts a run, cut an output.
func (m *metrics) fail(ctx context.Context, reason string) { m.failed.Add(ctx, reason, 1) }

func (m *metrics) cut(ctx context.Context, reason string) { m.cuts.Add(ctx, reason, 1) }
