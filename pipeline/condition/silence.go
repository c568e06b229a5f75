package condition

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// The bounds of silences.
const (
	maxSilences   = 1024
	MinSilenceFor = time.Second
	MaxSilenceFor = 31 * 24 * time.Hour
)

// ErrTooManySilences is returned where no room is left for one more.
var ErrTooManySilences = errors.New("too many rules are silenced: end one first")

// Silence keeps a rule from conditions and Events for a while, as mode observe
// does for good. What the rule holds already it goes on to hold: silence is not
// health.
type Silence struct {
	// Boot is the boot on whose clock From and Until are: what happens within
	// (From, Until] is silenced.
	Boot  string        `json:"boot"`
	From  time.Duration `json:"from"`
	Until time.Duration `json:"until"`
	// Since and End are the same by the wall clock. End counts over a reboot.
	Since time.Time `json:"since"`
	End   time.Time `json:"end"`
	// RequestID is the operator's.
	RequestID string `json:"request_id,omitempty"`
}

// SilenceRule is an operator's order to keep a rule quiet for a while, in place of
// an order before it.
type SilenceRule struct {
	Rule      string
	For       time.Duration
	RequestID string
}

// UnsilenceRule is an operator's order to end a silence.
type UnsilenceRule struct{ Rule string }

func (*SilenceRule) input()   {}
func (*UnsilenceRule) input() {}

func (m *step) silence(in *SilenceRule) {
	if m.book.byRule[in.Rule] == nil {
		return
	}
	m.endSilences()
	if len(m.s.Silences) >= maxSilences && m.s.Silences[in.Rule] == nil {
		return
	}
	m.out.trace = traceChange
	if m.s.Silences == nil {
		m.s.Silences = map[string]*Silence{}
	}
	m.s.Silences[in.Rule] = &Silence{
		Boot: m.s.Boot.ID, From: m.now.Boot, Until: m.now.Boot + in.For,
		Since: m.now.Wall, End: m.now.Wall.Add(in.For), RequestID: in.RequestID,
	}
}

// unsilence ends a silence now: what happened before stays silenced, also if it
// is read later.
func (m *step) unsilence(in *UnsilenceRule) {
	silence := m.s.Silences[in.Rule]
	if silence == nil {
		return
	}
	m.out.trace = traceChange
	silence.Until, silence.End = min(silence.Until, m.now.Boot), m.now.Wall
}

// silenced tells whether a rule is to be kept quiet about what happened then.
func (m *step) silenced(rule string, order pipeline.Order) bool {
	silence := m.s.Silences[rule]
	return silence != nil && silence.Boot == order.Boot.ID && silence.From < order.Boot.At && order.Boot.At <= silence.Until
}

// endSilences forgets the silences that no line can fall into any more: those that
// have long been over, and those of rules that are no more.
func (m *step) endSilences() {
	const late = time.Hour // lines that are read late
	maps.DeleteFunc(m.s.Silences, func(rule string, silence *Silence) bool {
		return m.book.byRule[rule] == nil || (silence.Boot == m.s.Boot.ID && silence.Until+late < m.now.Boot)
	})
}

// carrySilences lets silences go on in another boot, for what is left of them. One
// that has ended meanwhile still covers what happened before it did.
func (m *step) carrySilences() {
	maps.DeleteFunc(m.s.Silences, func(_ string, silence *Silence) bool {
		if silence.Boot == m.s.Boot.ID {
			return false
		}
		left := min(silence.End.Sub(m.now.Wall), silence.Until-silence.From)
		silence.Boot, silence.From, silence.Until = m.s.Boot.ID, 0, m.now.Boot+left
		return silence.Until <= 0
	})
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
		if silence.Boot == now.Current.ID && silence.Until > now.Boot {
			views = append(views, SilenceView{Rule: rule, Since: silence.Since, Until: now.wallAt(silence.Until)})
		}
	}
	slices.SortFunc(views, func(x, y SilenceView) int { return cmp.Compare(x.Rule, y.Rule) })
	return views
}
