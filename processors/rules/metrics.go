package rules

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// instruments are the processor's own metrics.
type instruments struct {
	matches    metric.Int64Counter
	recoveries metric.Int64Counter
	cut        metric.Int64Counter
	byRule     map[*rule][]metric.AddOption
	messageCut []metric.AddOption
	windowCut  []metric.AddOption
}

// newInstruments makes the instruments and publishes each rule's zero.
func newInstruments(meter metric.Meter, rules []*rule) (*instruments, error) {
	m := &instruments{byRule: map[*rule][]metric.AddOption{}}
	for _, counter := range []struct {
		to                      *metric.Int64Counter
		name, unit, description string
	}{
		{&m.matches, "otelnpd.rules.matches", "{match}", "Matches of a rule's pattern."},
		{&m.recoveries, "otelnpd.rules.recoveries", "{match}", "Matches of a rule's recovery pattern."},
		{&m.cut, "otelnpd.rules.cut_texts", "{text}",
			"Texts that were too long: messages cut, lines of windows cut or forgotten early."},
	} {
		made, err := meter.Int64Counter(counter.name, metric.WithUnit(counter.unit), metric.WithDescription(counter.description))
		if err != nil {
			return nil, fmt.Errorf("make the counter %s: %w", counter.name, err)
		}
		*counter.to = made
	}
	m.messageCut, m.windowCut = option("text", "message"), option("text", "window")
	m.publishZero(rules)
	return m, nil
}

func (m *instruments) publishZero(rules []*rule) {
	ctx := context.Background()
	for _, rule := range rules {
		m.byRule[rule] = option("rule", rule.id)
		m.matches.Add(ctx, 0, m.byRule[rule]...)
		if rule.recovery != nil {
			m.recoveries.Add(ctx, 0, m.byRule[rule]...)
		}
	}
	m.cut.Add(ctx, 0, m.messageCut...)
	m.cut.Add(ctx, 0, m.windowCut...)
}

// option is made once: a match need not make the set of attributes anew.
func option(key, value string) []metric.AddOption {
	return []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String(key, value)))}
}

// matched counts a finding.
func (m *instruments) matched(ctx context.Context, f *finding) {
	if f.isRecovery() {
		m.recoveries.Add(ctx, 1, m.byRule[f.rule]...)
		return
	}
	m.matches.Add(ctx, 1, m.byRule[f.rule]...)
}
