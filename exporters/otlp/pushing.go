package otlp

import (
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/exporters/otlp/metricpoint"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/telemetry"
)

var _ pipeline.Heir = (*exporter)(nil)

// addPusher makes what sends metrics, over the connection of the records if both go to
// the same place.
func (e *exporter) addPusher(settings pipeline.Settings, config *Config, source telemetry.Source, measured *metrics, lookup func(string) (string, bool)) error {
	options, odd, err := resolve(config, collector.Metrics, lookup)
	if err != nil {
		return err
	}
	schedule, oddities := resolveSchedule(&config.Metrics, lookup)
	for _, one := range slices.Concat(odd, oddities) {
		if !slices.Contains(e.odd, one) {
			e.odd = append(e.odd, one)
		}
	}
	logs := e.sender.client
	options.UserAgent, options.Observe, options.Authorizer = userAgent(settings.Version), measured.observe, logs.Authorizer()
	e.status.addresses[collector.Metrics] = options.Endpoint.Address
	e.silent.Store(true)
	measured.countPoints()
	families := []telemetry.Family{telemetry.SemConv, telemetry.Process}
	if settings.Naming.NPD() {
		families = append(families, telemetry.NPD)
	}
	e.pusher = &pusher{
		producer: config.Metrics.Producer(source.Producer(families...)), client: logs.Beside(options),
		about:    e.sender.about,
		schedule: schedule, deltas: newDeltas(schedule.temporality), logger: settings.Logger, status: e.status, measured: measured,
		closing: make(chan struct{}), ended: make(chan struct{}), due: time.Now().Add(firstProbe),
	}
	return nil
}

func newDeltas(temporality Temporality) *metricpoint.Deltas {
	if temporality == Cumulative {
		return nil
	}
	return &metricpoint.Deltas{OwnOnly: temporality == LowMemory}
}

// Inherit implements [pipeline.Heir]: metrics go on at the beat of the exporter before,
// and from what that has told.
func (e *exporter) Inherit(from pipeline.Component) {
	before, ok := from.(*exporter)
	if !ok {
		return
	}
	e.silent.CompareAndSwap(true, before.silent.Load())
	if e.pusher != nil && before.pusher != nil {
		e.pusher.inherit(before.pusher)
	}
}

// close makes both goroutines come to their ends.
func (e *exporter) close(handOver bool) {
	close(e.sender.closing)
	if e.pusher != nil {
		e.pusher.leaves.Store(handOver)
		close(e.pusher.closing)
	}
}
