package condition

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
)

// standing is what holds a condition: the state, the cause shown and how many
// causes of that state there are.
type standing struct {
	state pipeline.State
	shown *Cause // nil while healthy, or if silent is all there is
	count int
	// silent is the check that has never spoken, where nothing else holds.
	silent *bookRule
}

// assess finds the state of a condition: a problem if any cause is one, else
// unknown if any is, else ok.
func (m *step) assess(t *bookType, ts *TypeState) standing {
	problem, unknown := standing{state: pipeline.StateProblem}, standing{state: pipeline.StateUnknown}
	for key, c := range ts.Causes {
		if !c.active() || m.s.isPast(ts, c) {
			continue
		}
		held := &problem
		if c.State == pipeline.StateUnknown {
			held = &unknown
		}
		if held.shown == nil || m.s.later(c, held.shown) {
			held.shown = c
		}
		if !key.FromNode || !ts.holds(Key{Rule: key.Rule, Instance: key.Instance}) {
			held.count++
		}
	}
	if problem.shown != nil {
		return problem
	}
	m.addSilent(t, ts, &unknown)
	if unknown.count > 0 {
		return unknown
	}
	return standing{state: pipeline.StateOK}
}

// addSilent counts the checks that have never said problem or ok: they are
// unknown, unless the condition starts healthy.
func (m *step) addSilent(t *bookType, ts *TypeState, unknown *standing) {
	if t.InitiallyHealthy {
		return
	}
	for _, level := range t.levels {
		if m.s.silent(ts, level) {
			unknown.count++
			unknown.silent = level
		}
	}
}

// silent tells whether a check has never said problem or ok, and nothing else
// stands for that.
func (s *State) silent(ts *TypeState, level *bookRule) bool {
	rs := s.Rules[level.ID]
	return (rs == nil || !rs.Spoken) && !ts.anyActive(level.ID)
}

func (r *bookRule) notYetChecked() pipeline.Cause {
	return pipeline.Cause{Rule: r.ID, Reason: ReasonNotYetChecked, Message: "check " + r.ID + " has not given a verdict yet"}
}

func (ts *TypeState) holds(key Key) bool {
	c := ts.Causes[key]
	return c != nil && c.active()
}

func (ts *TypeState) anyActive(rule string) bool {
	for key, c := range ts.Causes {
		if key.Rule == rule && c.active() {
			return true
		}
	}
	return false
}

// condition renders a condition, with the transition time it had.
func (m *step) condition(t *bookType, ts *TypeState) pipeline.Condition {
	held := m.assess(t, ts)
	c := pipeline.Condition{
		Type: t.Name, State: held.state, Status: t.status(held.state), LastTransitionTime: ts.Shown.LastTransitionTime,
	}
	switch {
	case held.shown != nil:
		c.Reason, c.Message = held.shown.Reason, held.shown.Message
	case held.silent != nil:
		silent := held.silent.notYetChecked()
		c.Reason, c.Message = silent.Reason, silent.Message
	case ts.Removed != "":
		c.Reason = ReasonRuleRemoved
		c.Message = "rule " + ts.Removed + ", which held the condition, was removed from the configuration"
	default:
		c.Reason, c.Message = t.HealthyReason, t.HealthyMessage
	}
	if held.count > 1 {
		c.Message += " (and " + strconv.Itoa(held.count-1) + " more)"
	}
	return c
}

// withoutMore takes the count of further causes off a message.
func withoutMore(message string) (text string, more int) {
	rest, closed := strings.CutSuffix(message, " more)")
	at := strings.LastIndex(rest, " (and ")
	if !closed || at < 0 {
		return message, 0
	}
	n, err := strconv.Atoi(rest[at+len(" (and "):])
	if err != nil || n < 1 {
		return message, 0
	}
	return rest[:at], n
}

// status renames a state by the type's polarity.
func (t *bookType) status(state pipeline.State) pipeline.ConditionStatus {
	switch {
	case state == pipeline.StateUnknown:
		return pipeline.ConditionUnknown
	case (state == pipeline.StateProblem) == t.ProblemIsFalse:
		return pipeline.ConditionFalse
	default:
		return pipeline.ConditionTrue
	}
}

// state is the reverse of status.
func (t *bookType) state(status pipeline.ConditionStatus) (pipeline.State, bool) {
	for _, state := range []pipeline.State{pipeline.StateUnknown, pipeline.StateOK, pipeline.StateProblem} {
		if t.status(state) == status {
			return state, true
		}
	}
	return pipeline.StateUnknown, false
}

// turn is why a condition may have changed.
type turn struct {
	// uid, time and order are the input's own.
	uid   pipeline.UID
	time  time.Time
	order pipeline.Order
	// cause became active, or is the one that ended; nil: no single one.
	cause *Cause
	// activated is set where cause makes an Event whatever the status does.
	activated bool
	// silent: no Event, even if the status changes.
	silent bool
}

// show works out a condition anew and tells what has changed.
func (m *step) show(t *bookType, ts *TypeState, why turn) {
	if m.holding {
		m.keepTurn(t, ts, why)
		return
	}
	if ts.Healed != nil {
		why.activated = !m.showPast(t, ts, why) && why.activated
	}
	old := ts.Shown
	if why.activated {
		ts.Removed = ""
	}
	shown := m.condition(t, ts)
	if shown.State != pipeline.StateOK {
		ts.Removed = ""
	}
	statusChanged := shown.Status != old.Status
	shown.LastTransitionTime = m.transitionTime(ts, shown.Status, why)
	ts.Shown = shown
	if statusChanged {
		ts.Previous = old.LastTransitionTime
	}
	if shown == old && !why.activated {
		return
	}
	if why.cause != nil && why.cause.Source != "" {
		ts.Source = why.cause.Source
	}
	tr := pipeline.Transition{
		UID:           pipeline.TransitionUID(why.uid, t.Name, shown.Status),
		Kind:          kindOf(why.activated, statusChanged),
		Condition:     shown,
		StatusChanged: statusChanged,
		MakesEvent:    why.activated || (statusChanged && !why.silent),
		Source:        ts.sourceOf(t),
	}
	if why.cause != nil {
		tr.Cause = why.cause.told()
	}
	m.addEvent(t, &tr, why)
	m.out.trace = traceChange
	m.out.Changes = append(m.out.Changes, Change{Transition: tr, Time: why.time, problem: why.cause != nil && why.cause.State == pipeline.StateProblem})
}

func kindOf(activated, statusChanged bool) pipeline.TransitionKind {
	switch {
	case activated:
		return pipeline.TransitionActivation
	case statusChanged:
		return pipeline.TransitionStatus
	default:
		return pipeline.TransitionMessage
	}
}

// addEvent adds severity and text. An activation's Event tells of its own cause,
// shown or not.
func (m *step) addEvent(t *bookType, tr *pipeline.Transition, why turn) {
	tr.Severity = log.SeverityInfo
	reason, message := tr.Condition.Reason, tr.Condition.Message
	isProblem := tr.Condition.State == pipeline.StateProblem
	if why.activated {
		reason, message = why.cause.Reason, why.cause.Message
		isProblem = why.cause.State == pipeline.StateProblem
	}
	if isProblem {
		tr.Severity = log.SeverityWarn
		if why.cause != nil {
			tr.Severity = max(tr.Severity, why.cause.Severity)
		}
	}
	if tr.MakesEvent {
		tr.EventMessage = eventMessage(t.Name, tr.Condition.Status, reason, message)
	}
}

// eventMessage is the text of an Event, in the words of node-problem-detector.
func eventMessage(conditionType string, status pipeline.ConditionStatus, reason, message string) string {
	return fmt.Sprintf("Node condition %s is now: %s, reason: %s, message: %q", conditionType, status, reason, message)
}

// sourceOf returns what Events of the type name: the source of its newest cause,
// else of its first rule.
func (ts *TypeState) sourceOf(t *bookType) string {
	switch {
	case ts.Source != "":
		return ts.Source
	case len(t.rules) > 0 && t.rules[0].Source != "":
		return t.rules[0].Source
	default:
		return "otelnpd"
	}
}

// transitionTime moves with the status alone: to the input's time, not before
// the previous one and not after now. If the wall clock was stepped back behind
// the previous one, it is now. While the lines are re-read that the Node's
// status already stands for, the time of that status stays the Node's.
func (m *step) transitionTime(ts *TypeState, status pipeline.ConditionStatus, why turn) time.Time {
	previous := ts.Shown.LastTransitionTime
	if status == ts.Shown.Status {
		return previous
	}
	if pin := ts.Pin; pin != nil {
		if why.order == (pipeline.Order{}) || m.s.compare(why.order, pin.UpTo) > 0 {
			ts.Pin = nil
		} else if status == pin.Status {
			return pin.Moved
		}
	}
	return clampTime(why.time, previous, m.now.Wall)
}

func clampTime(t, from, now time.Time) time.Time {
	t, now = wholeSecond(t), wholeSecond(now)
	switch {
	case from.After(now), t.After(now):
		return now
	case t.Before(from):
		return from
	default:
		return t
	}
}
