package condition

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Publish sets the sinks, in place of those before. Each is told first how all
// conditions stand.
func (s *Store) Publish(ctx context.Context, sinks []pipeline.Consumer) {
	s.input.Lock()
	defer s.input.Unlock()
	s.sinks = slices.Clone(sinks)
	if s.book == nil {
		return
	}
	if err := s.snapshot(ctx, s.now()); err != nil {
		s.options.Logger.Debug("an exporter refused how the conditions stand", "error", err)
	}
}

// snapshot tells the sinks how every condition stands.
func (s *Store) snapshot(ctx context.Context, now Now) error {
	conditions := s.Conditions()
	changes := make([]Change, 0, len(conditions))
	for _, c := range conditions {
		uid := pipeline.CauseUID("snapshot", s.options.Node, c.Reason, c.Message, strconv.FormatInt(c.LastTransitionTime.Unix(), 10))
		changes = append(changes, Change{Time: now.Wall, Transition: pipeline.Transition{
			UID: pipeline.TransitionUID(uid, c.Type, c.Status), Kind: pipeline.TransitionSnapshot,
			Condition: c, Severity: log.SeverityInfo, Provisional: s.journal != nil,
		}})
	}
	return s.publish(ctx, changes, now)
}

// publish brings transitions to all sinks, in one batch.
func (s *Store) publish(ctx context.Context, changes []Change, now Now) error {
	if len(changes) == 0 || len(s.sinks) == 0 {
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
	for _, sink := range s.sinks {
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
		if c.active() {
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
