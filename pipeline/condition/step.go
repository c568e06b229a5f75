package condition

import (
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// step is one input on its way through the machine.
type step struct {
	s    *State
	book *Book
	now  Now
	out  Outcome
	// While holding, what is to be shown waits in held: an input that does several
	// things to a type tells of them once.
	holding bool
	held    []heldTurn
}

type heldTurn struct {
	t   *bookType
	ts  *TypeState
	why turn
}

func newStep(s *State, book *Book, now Now) *step { return &step{s: s, book: book, now: now} }

// Step judges an input and changes the state. It never fails: what makes no
// sense changes nothing. Timers that are due by now act first, except before
// what a start begins with: the Node, the boot and the backlog come before them.
func (s *State) Step(book *Book, in Input, now Now) Outcome {
	m := step{s: s, book: book, now: now}
	if now.Current.ID == s.Boot.ID {
		s.Latest = max(s.Latest, now.Boot)
	}
	if !begins(in) {
		m.timers()
	}
	switch in := in.(type) {
	case *Match:
		m.match(in)
	case *Recovery:
		m.recovery(in)
	case *Verdict:
		m.verdict(in)
	case *OperatorClear:
		m.clear(in)
	case *NewBoot:
		if m.advanceBoot() {
			m.newBoot(m.book.types, true)
		}
	case *Reload:
		m.reload()
	case *BacklogEnd:
		m.backlogEnd(in)
	case *FirstVerdicts:
		m.firstVerdicts()
	case *Receivers:
		m.expect(in)
	case *SourceState:
		m.sourceState(in)
	case *Seed:
		m.seed(in)
	case *Claim:
		m.claim(in)
	case *Patched:
		m.patched(in)
	case *Deleted:
		m.deleted(in)
	case *SilenceRule:
		m.silence(in)
	case *UnsilenceRule:
		m.unsilence(in)
	case *Restart:
		s.Begin(book, now)
		m.out.trace = traceChange
	case *Tick:
	}
	return m.out
}

func begins(in Input) bool {
	switch in.(type) {
	case *Receivers, *Seed, *NewBoot, *Reload, *Restart:
		return true
	default:
		return false
	}
}

// NextTimer returns the boot clock at which a [Tick] may have something to do.
func (s *State) NextTimer() (at time.Duration, ok bool) { return s.due, s.due != 0 }

// arm notes that a timer is due at an instant of the boot clock.
func (m *step) arm(at time.Duration) {
	if m.s.due == 0 || at < m.s.due {
		m.s.due = max(at, 1)
	}
}

// timers lets all timers act that are due by now.
func (m *step) timers() {
	if m.s.due == 0 || m.now.Boot < m.s.due {
		return
	}
	if !m.s.VerdictsIn && m.now.Boot >= m.s.VerdictsBy {
		m.firstVerdicts()
	}
	for _, t := range m.book.types {
		ts := m.s.Types[t.Name]
		if m.s.backlogOver() {
			m.expire(t, ts, m.now.Boot, Key{})
		}
		m.updateMessage(t, ts)
	}
	m.rearm()
}

// rearm finds out anew when the next timer is due.
func (m *step) rearm() {
	m.s.due = 0
	if !m.s.VerdictsIn {
		m.arm(m.s.VerdictsBy)
	}
	for _, t := range m.book.types {
		ts := m.s.Types[t.Name]
		if ts.Update != nil {
			m.arm(ts.UpdatedAt + updateInterval)
		}
		if !t.hasTTL || !m.s.backlogOver() {
			continue
		}
		for _, c := range ts.Causes {
			if due, runs := m.runsOutAt(c); runs {
				m.arm(due)
			}
		}
	}
}

// orderOf fills in the current boot where a source does not know it.
func (m *step) orderOf(in *Occurrence) pipeline.Order {
	order := in.Order
	if order.Boot.ID == "" {
		order.Boot.ID = m.s.Boot.ID
	}
	return order
}

// end makes a cause inactive. What it had gathered is forgotten, and nothing up
// to the tombstone activates it again.
func (m *step) end(c *Cause, tombstone pipeline.Order) {
	c.State, c.Restored = pipeline.StateOK, false
	c.Hits = c.Hits[:0]
	c.Standing, c.Paused = false, 0
	m.s.freed++
	m.out.trace = traceChange
	if tombstone != (pipeline.Order{}) {
		m.s.raise(&c.Cleared, tombstone)
	}
}

// hold lets what follows be told once for each type, at the release.
func (m *step) hold() { m.holding = true }

func (m *step) release() {
	m.holding = false
	for _, h := range m.held {
		m.show(h.t, h.ts, h.why)
	}
	m.held = nil
}

// keepTurn notes why a type is to be shown. An activation is told before all
// else.
func (m *step) keepTurn(t *bookType, ts *TypeState, why turn) {
	for i := range m.held {
		if m.held[i].t == t {
			if why.activated {
				m.held[i].why = why
			}
			return
		}
	}
	m.held = append(m.held, heldTurn{t, ts, why})
}

// told returns what a transition says of a cause.
func (c *Cause) told() pipeline.Cause {
	return pipeline.Cause{Rule: c.Rule, Instance: c.Instance, Reason: c.Reason, Message: c.Message}
}
