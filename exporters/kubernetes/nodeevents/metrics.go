package nodeevents

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/outbox"
)

// metrics publishes what the ledger counts.
type metrics struct {
	events metric.Int64Counter
	// byOutcome has the attributes of each outcome.
	byOutcome [outcomes]metric.MeasurementOption
	queue     *outbox.Gauge

	// What has been published. An exporter and its successors in a process have the
	// same counters: inherits tells that what is resumed is in them already.
	inherits bool
	counted  [outcomes]int64
	pending  int64
	bytes    int
}

func newMetrics(id pipeline.ID, meter metric.Meter) (*metrics, error) {
	events, err := meter.Int64Counter("otelnpd.kubernetes.events", metric.WithUnit("{occurrence}"),
		metric.WithDescription("Occurrences that were to become Kubernetes Events, by what became of them."))
	queue, queueErr := outbox.NewGauge(id, meter)
	if err := errors.Join(err, queueErr); err != nil {
		return nil, fmt.Errorf("make the metrics of the Events of %s: %w", id, err)
	}
	m := &metrics{events: events, queue: queue}
	for o := range outcomes {
		m.byOutcome[o] = metric.WithAttributeSet(attribute.NewSet(
			attribute.String("exporter", id.String()), attribute.String("outcome", o.String())))
		m.events.Add(context.Background(), 0, m.byOutcome[o])
	}
	return m, nil
}

// resume begins to publish for a ledger that goes on.
func (m *metrics) resume(l *ledger) {
	if m.inherits {
		m.counted = l.outcomes
	}
	m.publish(l)
}

// retire takes the ledger's part out of the gauges.
func (m *metrics) retire() {
	m.queue.Add(int(-m.pending), -m.bytes)
	m.pending, m.bytes = 0, 0
}

// publish brings the metrics to where the ledger is.
func (m *metrics) publish(l *ledger) {
	for o, count := range l.outcomes {
		if count != m.counted[o] {
			m.events.Add(context.Background(), count-m.counted[o], m.byOutcome[o])
		}
	}
	if l.pending != m.pending || l.bytes != m.bytes {
		m.queue.Add(int(l.pending-m.pending), l.bytes-m.bytes)
	}
	m.counted, m.pending, m.bytes = l.outcomes, l.pending, l.bytes
}
