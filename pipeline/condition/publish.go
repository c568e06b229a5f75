package condition

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Publish sets the sinks, in place of those before. Each that was not there before
// is told first how all conditions stand. The first time, all are then told what
// has become different while the agent was away.
func (s *Store) Publish(ctx context.Context, sinks []pipeline.Consumer) {
	s.input.Lock()
	defer s.input.Unlock()
	before := s.sinks
	s.sinks = slices.Clone(sinks)
	if s.book == nil {
		return
	}
	added := slices.DeleteFunc(slices.Clone(sinks), func(sink pipeline.Consumer) bool {
		return slices.ContainsFunc(before, func(old pipeline.Consumer) bool { return same(old, sink) })
	})
	errs := []error{s.snapshot(ctx, s.now(), added), s.releaseSinks(ctx)}
	if !s.wentOn {
		s.wentOn = true
		for _, in := range s.goOn(s.now()) {
			_, err := s.step(ctx, in, s.book, s.now())
			errs = append(errs, err)
		}
		s.starting = false
		s.timer.poke()
	}
	if err := errors.Join(errs...); err != nil {
		s.options.Logger.Debug("an exporter refused how the conditions stand", "error", err)
	}
}

// certain tells whether the Node and the backlog are known: before that a snapshot
// tells how things stood, and what has happened since may still come.
func (s *Store) certain() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.journal == nil && s.state.Settled()
}

// HoldSinks lets transitions wait until the sinks are set anew by [Store.Publish]:
// those of before are about to end. What is not told by a batch (a timer, an
// operator) would be told to nobody.
func (s *Store) HoldSinks() {
	s.input.Lock()
	defer s.input.Unlock()
	s.holding = true
}

// releaseSinks tells what has waited. The caller holds s.input.
func (s *Store) releaseSinks(ctx context.Context) error {
	held := s.held
	s.holding, s.held = false, nil
	return publish(ctx, held, s.now(), s.sinks)
}

// tellSinks brings transitions to the sinks, or lets them wait. The caller holds s.input.
func (s *Store) tellSinks(ctx context.Context, changes []Change, now Now) error {
	if s.holding {
		s.held = append(s.held, changes...)
		return nil
	}
	return publish(ctx, changes, now, s.sinks)
}

// same tells whether two consumers are one. Functions are never known again.
func same(x, y pipeline.Consumer) bool {
	return reflect.TypeOf(x) == reflect.TypeOf(y) && reflect.TypeOf(x).Comparable() && x == y
}

// snapshot tells sinks how every condition stands.
func (s *Store) snapshot(ctx context.Context, now Now, sinks []pipeline.Consumer) error {
	conditions := s.Conditions()
	changes := make([]Change, 0, len(conditions))
	for _, c := range conditions {
		uid := pipeline.CauseUID("snapshot", s.options.Node, c.Reason, c.Message, strconv.FormatInt(c.LastTransitionTime.Unix(), 10))
		changes = append(changes, Change{Time: now.Wall, Transition: pipeline.Transition{
			UID: pipeline.TransitionUID(uid, c.Type, c.Status), Kind: pipeline.TransitionSnapshot,
			Condition: c, Severity: log.SeverityInfo, Provisional: !s.certain(),
		}})
	}
	return publish(ctx, changes, now, sinks)
}

// publish brings transitions to sinks, in one batch.
func publish(ctx context.Context, changes []Change, now Now, sinks []pipeline.Consumer) error {
	if len(changes) == 0 || len(sinks) == 0 {
		return nil
	}
	batch := make([]pipeline.Record, 0, len(changes))
	for i := range changes {
		batch = append(batch, pipeline.Record{
			Time:         changes[i].Time,
			ObservedTime: now.Wall,
			Boot:         pipeline.BootTime{ID: now.Current.ID, At: now.Boot},
			Severity:     changes[i].Severity,
			EventName:    pipeline.EventTransition,
			Transition:   &changes[i].Transition,
		})
	}
	var errs []error
	for _, sink := range sinks {
		errs = append(errs, sink.Consume(ctx, batch))
	}
	return errors.Join(errs...)
}

// Conditions returns all conditions, in the order of their declaration.
func (s *Store) Conditions() []pipeline.Condition {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.book == nil {
		return nil
	}
	conditions := make([]pipeline.Condition, 0, len(s.book.types))
	for _, t := range s.book.types {
		conditions = append(conditions, s.state.Types[t.Name].Shown)
	}
	return conditions
}

// Views returns all conditions with what holds them, the newest cause first.
func (s *Store) Views() []pipeline.ConditionView {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.book == nil {
		return nil
	}
	views := make([]pipeline.ConditionView, 0, len(s.book.types))
	for _, t := range s.book.types {
		ts := s.state.Types[t.Name]
		views = append(views, pipeline.ConditionView{Condition: ts.Shown, Causes: s.state.activeCauses(t, ts)})
	}
	return views
}

func (s *State) activeCauses(t *bookType, ts *TypeState) []pipeline.ActiveCause {
	var active []*Cause
	for _, c := range ts.Causes {
		if c.active() && !s.isPast(ts, c) {
			active = append(active, c)
		}
	}
	slices.SortFunc(active, func(x, y *Cause) int {
		if s.later(x, y) {
			return -1
		}
		return 1
	})
	views := make([]pipeline.ActiveCause, 0, len(active))
	for _, c := range active {
		views = append(views, pipeline.ActiveCause{
			Cause: c.told(), UID: c.UID, State: c.State, Since: c.Since, Last: c.LastTime, Restored: c.Restored,
		})
	}
	for _, level := range t.levels {
		if !t.InitiallyHealthy && s.silent(ts, level) {
			views = append(views, pipeline.ActiveCause{Cause: level.notYetChecked(), Since: s.Started.Wall, Last: s.Started.Wall})
		}
	}
	return views
}

// Deletions returns the types that are no longer declared and still stand on the
// Node because the agent put them there.
func (s *Store) Deletions() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.state == nil {
		return nil
	}
	return slices.Clone(s.state.Delete)
}
