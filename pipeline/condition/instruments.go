package condition

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
)

// problemCut is what the problem metrics tell, in both families, of one moment.
type problemCut struct {
	counts     map[string]int64
	gauges     map[gaugeSeries]int64
	conditions []pipeline.Condition
	semconv    bool
}

// CutMetrics fixes what the problem metrics tell until it is called again. Without it
// each family tells of the moment at which it is read.
func (s *Store) CutMetrics() { s.cut.Store(s.cutNow()) }

// TellSemConv says whether the problem metrics are told by OpenTelemetry's names too;
// they are not to begin with.
func (s *Store) TellSemConv(wanted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.semconv = wanted
}

func (s *Store) cutNow() *problemCut {
	s.mu.RLock()
	defer s.mu.RUnlock()
	cut := &problemCut{counts: maps.Clone(s.problems.byReason), gauges: s.gauges(), semconv: s.semconv}
	if s.book == nil || !s.semconv {
		return cut
	}
	for _, t := range s.book.types {
		cut.conditions = append(cut.conditions, s.state.Types[t.Name].Shown)
	}
	return cut
}

func (s *Store) lastCut() *problemCut {
	if cut := s.cut.Load(); cut != nil {
		return cut
	}
	return s.cutNow()
}

// RegisterMetrics makes problem_counter and problem_gauge, under the names and
// with the labels that node-problem-detector gave them. They are always served,
// from the store, whatever pipelines there are.
func (s *Store) RegisterMetrics(meter metric.Meter) error {
	counter, errCounter := meter.Int64ObservableCounter("problem_counter", metric.WithUnit("1"),
		metric.WithDescription("Problems that made an Event, by reason."))
	gauge, errGauge := meter.Int64ObservableGauge("problem_gauge", metric.WithUnit("1"),
		metric.WithDescription("1 while the condition shows a problem for this reason, else 0."))
	if err := errors.Join(errCounter, errGauge); err != nil {
		return fmt.Errorf("make problem_counter and problem_gauge: %w", err)
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		cut := s.lastCut()
		for reason, count := range cut.counts {
			o.ObserveInt64(counter, count, metric.WithAttributes(attribute.String("reason", reason)))
		}
		for series, value := range cut.gauges {
			o.ObserveInt64(gauge, value, metric.WithAttributes(
				attribute.String("type", series.conditionType), attribute.String("reason", series.reason)))
		}
		return nil
	}, counter, gauge)
	if err != nil {
		return fmt.Errorf("observe the problem metrics: %w", err)
	}
	return nil
}

// statuses are those that k8s.node.condition.status knows (OpenTelemetry's semantic
// conventions, k8s metrics).
var statuses = []pipeline.ConditionStatus{pipeline.ConditionTrue, pipeline.ConditionFalse, pipeline.ConditionUnknown}

// RegisterSemConvMetrics makes the same by OpenTelemetry's names. Every declared
// condition has its three series, also one whose rules are kept out of problem_gauge:
// how the Node's conditions stand is known to whoever may read the Node.
func (s *Store) RegisterSemConvMetrics(meter metric.Meter) error {
	problems, errProblems := meter.Int64ObservableCounter("otelnpd.problems", metric.WithUnit("{problem}"),
		metric.WithDescription("Problems that made an Event, by reason, as problem_counter counts them."))
	status, errStatus := meter.Int64ObservableUpDownCounter("k8s.node.condition.status", metric.WithUnit("{node}"),
		metric.WithDescription("1 for the status that a condition of the node has, 0 for the two others."))
	if err := errors.Join(errProblems, errStatus); err != nil {
		return fmt.Errorf("make otelnpd.problems and k8s.node.condition.status: %w", err)
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		cut := s.lastCut()
		if !cut.semconv {
			return nil
		}
		for reason, count := range cut.counts {
			o.ObserveInt64(problems, count, metric.WithAttributes(attribute.String("reason", reason)))
		}
		for i := range cut.conditions {
			observeStatus(o, status, &cut.conditions[i])
		}
		return nil
	}, problems, status)
	if err != nil {
		return fmt.Errorf("observe the problem metrics by semantic conventions: %w", err)
	}
	return nil
}

func observeStatus(o metric.Observer, status metric.Int64Observable, shown *pipeline.Condition) {
	for _, one := range statuses {
		value := int64(0)
		if shown.Status == one {
			value = 1
		}
		o.ObserveInt64(status, value, metric.WithAttributes(
			attribute.String("k8s.node.condition.type", shown.Type),
			attribute.String("k8s.node.condition.status", strings.ToLower(string(one)))))
	}
}
