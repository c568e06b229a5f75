package condition

import (
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// verdict judges what one run of a check says.
func (m *step) verdict(in *Verdict) {
	p := in.Problem
	rule := m.book.byRule[p.Rule]
	switch {
	case rule == nil:
		m.out.Dropped = DropUnknownRule
		return
	case p.Verdict.Boot != "" && p.Verdict.Boot != m.s.Boot.ID:
		m.out.Dropped = DropEarlierBoot
		return
	}
	causes := m.levelCauses(rule)
	c, full := m.slot(causes, rule, Key{Rule: rule.ID, Instance: p.Instance})
	if c.Level == nil {
		c.Level = &LevelState{}
	}
	m.out.JoinedOther = full
	start := m.startOf(p)
	if !full && c.Level.Start.ID == start.ID && start.At <= c.Level.Start.At {
		m.out.Dropped = DropRepeated
		return
	}
	c.Level.Start = start
	m.beginRun(rule, start)
	said := in
	in = settleBetween(c, in)
	order := m.orderOf(&in.Occurrence)
	m.out.Silenced = in.Problem.State != pipeline.StateOK && m.silenced(rule.ID, order)
	m.hold()
	defer m.release()
	switch {
	case m.out.Silenced:
		m.silencedVerdict(rule, c, in, order)
	case in.isComplete():
		m.complete(rule, causes, c, in, order)
	default:
		m.judge(rule, c, full, in, order)
		c.Level.note(in.Problem)
	}
	if said.isBad() {
		m.noteRun(rule, c, full)
	}
	m.awaitVerdicts()
}

// levelCauses are the causes that a check's verdicts act on, or the trackers.
func (m *step) levelCauses(rule *bookRule) Causes {
	if rule.on == nil {
		return m.s.Events
	}
	return m.s.Types[rule.on.Name].Causes
}

// startOf is when the run began that a verdict is of.
func (m *step) startOf(p *pipeline.Problem) pipeline.BootTime {
	return pipeline.BootTime{ID: m.s.Boot.ID, At: p.Verdict.Start}
}

// judge lets a verdict act: on its own cause, on those that the check's ok
// clears, and on what was read from the Node.
func (m *step) judge(rule *bookRule, c *Cause, full bool, in *Verdict, order pipeline.Order) {
	rs := m.s.rule(rule.ID)
	state := in.Problem.State
	m.out.trace = traceChange
	if rs.Answered && c.Level.repeats(in.Problem) {
		m.out.trace = traceSteady
	}
	rs.Answered = true
	rs.SaidEither = rs.SaidEither || state != pipeline.StateUnknown
	turned := m.streak(rule, c.Level, full, state, order.Boot.At)
	if rule.on != nil {
		m.turnLevel(rule, c, full, turned, in, order)
	} else if turned {
		m.turnEvent(rule, c.Level, full, in.Problem)
	}
	if state == pipeline.StateOK {
		m.okToSilenced(rule, in.Problem.Instance)
		if !in.Problem.Verdict.Between {
			m.checkOK(rule, turned, in, order)
		}
	}
	if state != pipeline.StateUnknown {
		m.levelsSpoke(in, order)
	}
}

// turnEvent lets a level fire that acts on no condition, or is kept from it: then it
// fires where it would have turned that.
func (m *step) turnEvent(rule *bookRule, l *LevelState, full bool, p *pipeline.Problem) {
	if p.State == pipeline.StateOK {
		l.Holds = l.Holds && full // one instance of many
		return
	}
	if !l.Holds || (!rule.Once && rule.Condition == "") {
		m.fire(rule, p, max(p.Count, 1))
	}
	l.Holds = true
}

// streak counts verdicts in a row and tells whether the state has lasted for
// long and often enough. Unknown neither counts nor resets.
func (m *step) streak(rule *bookRule, l *LevelState, full bool, state pipeline.State, at time.Duration) bool {
	if state == pipeline.StateUnknown {
		return false
	}
	need, lasting := rule.FailureThreshold, rule.For
	if state == pipeline.StateOK {
		need, lasting = rule.SuccessThreshold, rule.Until
	}
	if full { // instances are not counted together
		l.Streak, l.Count, l.Since, l.Settled = pipeline.StateUnknown, 0, 0, false
		return need <= 1 && lasting == 0
	}
	if l.Streak != state {
		l.Streak, l.Count, l.Since, l.Settled = state, 0, at, false
	}
	l.Count = min(l.Count+1, max(need, 1))
	l.Settled = l.Settled || (l.Count >= need && at-l.Since >= lasting)
	return l.Settled
}

// turnLevel lets the cause of a check hold what the check says.
func (m *step) turnLevel(rule *bookRule, c *Cause, full, turned bool, in *Verdict, order pipeline.Order) {
	ts, rs := m.s.Types[rule.on.Name], m.s.rule(rule.ID)
	switch in.Problem.State {
	case pipeline.StateProblem:
		confirms := c.Restored && c.State == pipeline.StateProblem
		rs.Spoken = rs.Spoken || turned
		switch {
		case confirms, turned && c.State != pipeline.StateProblem:
			m.activate(rule, ts, c, &in.Occurrence, order)
		case c.State == pipeline.StateProblem:
			m.repeatVerdict(rule, ts, c, in, order)
		}
	case pipeline.StateOK:
		if turned && !full {
			m.levelOK(rule, ts, rs, c, in, order)
		}
	default:
		m.levelUnknown(rule, ts, rs, c, full, in, order)
	}
}

func (m *step) repeatVerdict(rule *bookRule, ts *TypeState, c *Cause, in *Verdict, order pipeline.Order) {
	m.s.raise(&c.Last, order)
	c.LastTime = in.Time
	if rule.updatesMessage() && in.Problem.Message != c.Message {
		m.out.trace = traceChange
		m.changeMessage(rule.on, ts, c, &in.Occurrence)
	}
}

// levelOK ends what the check's cause held.
func (m *step) levelOK(rule *bookRule, ts *TypeState, rs *RuleState, c *Cause, in *Verdict, order pipeline.Order) {
	if c.State == pipeline.StateOK && rs.Spoken {
		return
	}
	m.out.trace = traceChange
	rs.Spoken = true
	m.end(c, pipeline.Order{})
	m.show(rule.on, ts, turn{uid: in.Problem.UID, time: in.Time, order: order, cause: c})
}

// levelUnknown replaces the verdict where the type says so. A check that has
// never said problem or ok is unknown in any case.
func (m *step) levelUnknown(rule *bookRule, ts *TypeState, rs *RuleState, c *Cause, full bool, in *Verdict, order pipeline.Order) {
	replaces := rule.on.OnUnknown == OnUnknownUnknown || (!rs.Spoken && !rule.on.InitiallyHealthy)
	if full || !replaces || c.State == pipeline.StateUnknown {
		return
	}
	m.out.trace = traceChange
	m.activate(rule, ts, c, &in.Occurrence, order)
}

// checkOK lets a check's ok end the causes that it clears: those whose newest
// match was before the start of its run. What happened since, it may not have
// seen.
func (m *step) checkOK(check *bookRule, settled bool, in *Verdict, order pipeline.Order) {
	start := before(m.startOf(in.Problem))
	if settled && in.Problem.Instance == "" {
		m.s.rule(check.ID).SaidOK = true
	}
	why := turn{uid: in.Problem.UID, time: in.Time, order: order}
	if check.on != nil {
		m.okToRestored(check, in.Problem, why)
	}
	for _, rule := range m.book.clearedBy[check.ID] {
		m.okToRestored(rule, in.Problem, why)
		m.okToRule(rule, in.Problem.Instance, start, why)
	}
}

func (m *step) okToRule(rule *bookRule, instance string, start pipeline.Order, why turn) {
	ts := m.s.Types[rule.on.Name]
	if instance == "" {
		m.s.raise(&m.s.rule(rule.ID).Cleared, start)
	}
	var ended []*Cause
	for _, c := range ts.Causes.ofRule(rule.ID) {
		if c.Boot != "" || c.Instance == OtherInstance || (instance != "" && instance != c.Instance) {
			continue
		}
		m.dropHits(c, start)
		m.s.raise(&c.Cleared, start)
		if c.active() && m.s.compare(c.Last, start) <= 0 {
			m.end(c, start)
			ended = append(ended, c)
		}
	}
	m.showEnds(rule.on, ts, ended, why)
}

// okToRestored lets the ok of an instance end a cause whose instance the Node
// did not tell. One instance says nothing of the others, which the same run may
// still report: so only the ok of a later run ends it.
func (m *step) okToRestored(rule *bookRule, p *pipeline.Problem, why turn) {
	ts := m.s.Types[rule.on.Name]
	c := ts.Causes[Key{Rule: rule.ID, FromNode: !rule.Level}]
	if p.Instance == "" || c == nil || !c.Restored || !c.active() || m.s.rule(p.Rule).Run.Bad {
		return
	}
	start := m.startOf(p)
	if c.OKStart == (pipeline.BootTime{}) || m.s.compare(c.Last, before(c.OKStart)) > 0 {
		c.OKStart = start
		m.out.trace = traceChange
		return
	}
	if start.At > c.OKStart.At {
		m.end(c, pipeline.Order{})
		m.showEnds(rule.on, ts, []*Cause{c}, why)
	}
}

// levelsSpoke ends what was read from the Node and waited for the checks of its
// type.
func (m *step) levelsSpoke(in *Verdict, order pipeline.Order) {
	why := turn{uid: in.Problem.UID, time: in.Time, order: order}
	for _, t := range m.book.types {
		ts := m.s.Types[t.Name]
		c := ts.Causes[Key{Rule: RestoredRule, FromNode: true}]
		if c != nil && m.allOK(t) {
			m.end(c, pipeline.Order{})
			m.showEnds(t, ts, []*Cause{c}, why)
		}
		m.endOthers(t, ts, why)
	}
}

func (m *step) allOK(t *bookType) bool {
	for _, check := range t.checks {
		if !m.s.rule(check).SaidOK {
			return false
		}
	}
	return len(t.checks) > 0
}

// awaitVerdicts notes when every check of a condition has given its first
// verdict.
func (m *step) awaitVerdicts() {
	if m.s.VerdictsIn {
		return
	}
	for _, t := range m.book.types {
		for _, level := range t.levels {
			if !m.s.rule(level.ID).Answered {
				return
			}
		}
	}
	m.s.VerdictsIn = true
}

// firstVerdicts ends the waiting for first verdicts.
func (m *step) firstVerdicts() {
	m.out.trace = traceChange
	m.s.VerdictsIn = true
}
