package condition

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// AwaitsSeed tells whether what the Node says is still waited for.
func (s *Store) AwaitsSeed() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.journal != nil
}

// ErrUnknownRule is returned for a rule that is not in the configuration.
var ErrUnknownRule = errors.New("no such rule")

// Silence keeps a rule from conditions and Events for a while, counted from now.
// What it holds already stays. Again, it takes the place of the silence before.
func (s *Store) Silence(rule string, lasting time.Duration, requestID string) (SilenceView, error) {
	if lasting < MinSilenceFor || lasting > MaxSilenceFor {
		return SilenceView{}, fmt.Errorf("silence rule %q: %s is out of range: write %s to %s", rule, lasting, MinSilenceFor, MaxSilenceFor)
	}
	_, now, err := s.order(rule, &SilenceRule{Rule: rule, For: lasting, RequestID: requestID})
	if err == nil && now == nil {
		err = ErrTooManySilences
	}
	if err != nil {
		return SilenceView{}, fmt.Errorf("silence rule %q: %w", rule, err)
	}
	return *now, nil
}

// Unsilence ends the silence of a rule, and tells whether there was one.
func (s *Store) Unsilence(rule string) (silenced bool, err error) {
	before, _, err := s.order(rule, &UnsilenceRule{Rule: rule})
	if err != nil {
		return false, fmt.Errorf("unsilence rule %q: %w", rule, err)
	}
	return before != nil, nil
}

// order judges what an operator orders about a rule. It returns the rule's silence
// just before and just after it; nil: there was none.
func (s *Store) order(rule string, in Input) (before, after *SilenceView, err error) {
	s.input.Lock()
	defer s.input.Unlock()
	if err := s.ready(); err != nil {
		return nil, nil, err
	}
	if s.book.byRule[rule] == nil {
		return nil, nil, ErrUnknownRule
	}
	now := s.now()
	before = s.silenceOf(rule, now)
	_, err = s.step(context.Background(), in, s.book, now)
	return before, s.silenceOf(rule, now), err
}

func (s *Store) silenceOf(rule string, now Now) *SilenceView {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, view := range s.state.silences(now) {
		if view.Rule == rule {
			return &view
		}
	}
	return nil
}

// Silences returns the silences in force, by rule.
func (s *Store) Silences() []SilenceView {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.state == nil {
		return nil
	}
	return s.state.silences(s.now())
}

// RuleView is a rule or check, for the operator.
type RuleView struct {
	ID        string `json:"id"`
	Condition string `json:"condition,omitempty"`
	Reason    string `json:"reason"`
	// Observe is set for rules that act on no condition and make no Event.
	Observe bool `json:"observe,omitempty"`
	// Silence is set while it is silenced.
	Silence *SilenceView `json:"silence,omitempty"`
}

// Rules returns all rules and checks, in file order.
func (s *Store) Rules() []RuleView {
	silences := map[string]SilenceView{}
	for _, silence := range s.Silences() {
		silences[silence.Rule] = silence
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.book == nil {
		return nil
	}
	views := make([]RuleView, 0, len(s.book.rules))
	for _, rule := range s.book.rules {
		view := RuleView{ID: rule.ID, Condition: rule.Condition, Reason: rule.Reason, Observe: rule.Observe}
		if silence, silenced := silences[rule.ID]; silenced {
			view.Silence = &silence
		}
		views = append(views, view)
	}
	return views
}

// RegisterSilenceMetrics makes otelnpd.rules.silenced, 1 for each rule while it is
// silenced, and otelnpd.rules.silenced_problems, what silences have kept from
// conditions and Events.
func (s *Store) RegisterSilenceMetrics(meter metric.Meter) error {
	_, errSilenced := meter.Int64ObservableGauge("otelnpd.rules.silenced",
		metric.WithDescription("1 while an operator has silenced the rule."),
		metric.WithInt64Callback(func(_ context.Context, observer metric.Int64Observer) error {
			for _, silence := range s.Silences() {
				observer.Observe(1, metric.WithAttributes(attribute.String("rule", silence.Rule)))
			}
			return nil
		}))
	_, errProblems := meter.Int64ObservableCounter("otelnpd.rules.silenced_problems", metric.WithUnit("{problem}"),
		metric.WithDescription("Problems that silences have kept from conditions and Events, by rule."),
		metric.WithInt64Callback(func(_ context.Context, observer metric.Int64Observer) error {
			s.mu.RLock()
			defer s.mu.RUnlock()
			for rule, n := range s.problems.silenced {
				observer.Observe(n, metric.WithAttributes(attribute.String("rule", rule)))
			}
			return nil
		}))
	if err := errors.Join(errSilenced, errProblems); err != nil {
		return fmt.Errorf("make the metrics of silences: %w", err)
	}
	return nil
}
