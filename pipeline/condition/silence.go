package condition

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// The bounds of silences: how many there are, and how long each is.
const (
	MaxSilences   = 1024
	MinSilenceFor = time.Second
	MaxSilenceFor = 31 * 24 * time.Hour
)

// ErrTooManySilences is returned where no room is left for one more.
var ErrTooManySilences = errors.New("too many rules are silenced: end one first")

// Silence keeps a rule from conditions and Events for a while, as mode observe
// does for good. What the rule holds already it goes on to hold: silence is not
// health. It is kept for a while after its end, for what is read late.
type Silence struct {
	// From and Until are on the boot clock, perhaps of two boots: what happens
	// between them is silenced, whenever it is read.
	From  pipeline.BootTime `json:"from"`
	Until pipeline.BootTime `json:"until"`
	// Since and End are the same by the wall clock. End counts over a reboot.
	Since time.Time `json:"since"`
	End   time.Time `json:"end"`
	// RequestID is the operator's.
	RequestID string `json:"request_id,omitempty"`
}

// active tells whether a silence has not ended yet.
func (q *Silence) active(now Now) bool {
	return q != nil && q.Until.ID == now.Current.ID && now.Boot < q.Until.At
}

// SilenceRule is an operator's order to keep a rule quiet for a while. It moves
// the end of a silence that there is.
type SilenceRule struct {
	Rule      string        `json:"rule"`
	For       time.Duration `json:"for"`
	RequestID string        `json:"request_id,omitempty"`
}

// UnsilenceRule is an operator's order to end a silence.
type UnsilenceRule struct {
	Rule string `json:"rule"`
}

func (*SilenceRule) input()   {}
func (*UnsilenceRule) input() {}

// silence begins a silence, or moves the end of the one there is.
func (m *step) silence(in *SilenceRule) {
	if m.book.byRule[in.Rule] == nil || in.For < MinSilenceFor || in.For > MaxSilenceFor {
		return
	}
	old := m.s.Silences[in.Rule]
	if old == nil && !m.roomForSilence() {
		return
	}
	q := &Silence{
		From: m.nowInBoot(), Until: m.nowInBoot(), Since: m.now.Wall, End: m.now.Wall.Add(in.For), RequestID: in.RequestID,
	}
	q.Until.At += in.For
	if old.active(m.now) {
		q.From, q.Since = old.From, old.Since
	}
	m.s.Silences[in.Rule] = q
	m.out.trace = traceChange
}

func (m *step) nowInBoot() pipeline.BootTime {
	return pipeline.BootTime{ID: m.s.Boot.ID, At: m.now.Boot}
}

// roomForSilence makes room by what has ended.
func (m *step) roomForSilence() bool {
	if m.s.Silences == nil {
		m.s.Silences = map[string]*Silence{}
	}
	if len(m.s.Silences) >= MaxSilences {
		maps.DeleteFunc(m.s.Silences, func(_ string, q *Silence) bool { return !q.active(m.now) })
	}
	return len(m.s.Silences) < MaxSilences
}

// unsilence ends a silence now: what happened before stays silenced, also if it
// is read later.
func (m *step) unsilence(in *UnsilenceRule) {
	q := m.s.Silences[in.Rule]
	if !q.active(m.now) {
		return
	}
	q.Until, q.End = m.nowInBoot(), m.now.Wall
	m.out.trace = traceChange
}

// silenced tells whether a rule is to be kept quiet about what happened then.
func (m *step) silenced(rule string, order pipeline.Order) bool {
	q := m.s.Silences[rule]
	if q == nil {
		return false
	}
	at := pipeline.Order{Boot: order.Boot}
	return m.s.compare(at, pipeline.Order{Boot: q.From}) > 0 && m.s.compare(at, pipeline.Order{Boot: q.Until}) < 0
}

// carrySilences lets silences go on in a boot that has just become the state's own,
// until the time on the wall that was meant. They are never longer than what was
// left when the boot before was last heard of: the wall clock may have been set
// back, and what had ended does not begin again. What ended in the boot before is
// kept for its lines.
func (m *step) carrySilences() {
	before := m.s.Boots[len(m.s.Boots)-1]
	maps.DeleteFunc(m.s.Silences, func(_ string, q *Silence) bool { return q.Until.ID != before.ID })
	for _, q := range m.s.Silences {
		left := q.Until.At - m.s.Latest
		if left <= 0 {
			continue
		}
		left = min(left, q.End.Sub(m.now.Wall))
		if at := m.now.Boot + left; at > 0 { // perhaps before now: lines of then may still come
			q.Until = pipeline.BootTime{ID: m.s.Boot.ID, At: at}
			q.End = m.now.Wall.Add(left)
		}
	}
}

// silencedVerdict judges what a silenced check says, unless that is ok: it is
// counted on its own and turns nothing. The check has answered all the same, and what
// its cause waits for on its way down begins anew.
func (m *step) silencedVerdict(rule *bookRule, c *Cause, in *Verdict, order pipeline.Order) {
	state := in.Problem.State
	tracker, full := m.slot(m.s.Events, rule, Key{Rule: rule.ID, Instance: in.Problem.Instance, Silenced: true})
	if tracker.Level == nil {
		tracker.Level = &LevelState{}
	}
	rs, l := m.s.rule(rule.ID), tracker.Level
	m.out.trace = traceChange
	if rs.Answered && l.repeats(in.Problem) {
		m.out.trace = traceSteady
	}
	if state == pipeline.StateProblem && c.Level.Streak == pipeline.StateOK && c.active() {
		*c.Level = LevelState{Start: c.Level.Start}
		m.out.trace = traceChange
	}
	rs.Answered = true
	l.Start = m.startOf(in.Problem)
	l.note(in.Problem)
	if l.Between && !l.Holds {
		return // what it goes on from was not silenced
	}
	if m.streak(rule, l, full, state, order.Boot.At) {
		m.turnEvent(rule, l, full, in.Problem)
	}
}

// okToSilenced lets what a check has said while silenced begin anew.
func (m *step) okToSilenced(rule *bookRule, instance string) {
	if c := m.s.Events[Key{Rule: rule.ID, Instance: instance, Silenced: true}]; c != nil && c.Level != nil {
		*c.Level = LevelState{Start: c.Level.Start}
	}
}

// dropSilenced forgets what was gathered, while a rule was silenced, up to a recovery.
func (m *step) dropSilenced(rule *bookRule, in *Recovery, order pipeline.Order, boot string) {
	for _, c := range m.s.Events.ofRule(rule.ID) {
		if c.Silenced && c.Boot == boot && (in.Problem.Instance == "" || in.Problem.Instance == c.Instance) {
			m.dropHits(c, order)
			m.s.raise(&c.Cleared, order)
		}
	}
}

// SilenceView is a silence that is in force.
type SilenceView struct {
	Rule  string    `json:"rule"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
}

// silences returns those in force, by rule.
func (s *State) silences(now Now) []SilenceView {
	var views []SilenceView
	for rule, silence := range s.Silences {
		if silence.active(now) {
			views = append(views, SilenceView{Rule: rule, Since: silence.Since, Until: now.wallAt(silence.Until.At)})
		}
	}
	slices.SortFunc(views, func(x, y SilenceView) int { return cmp.Compare(x.Rule, y.Rule) })
	return views
}
