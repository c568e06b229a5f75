package condition

import (
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// earlierBoot stands for a boot whose id is not known.
const earlierBoot = "(earlier)"

// seed takes over what the Node says. It comes before everything else of this
// start: a seed that is late runs in a [Journal], which sees to that.
func (m *step) seed(in *Seed) {
	m.out.seeded = true
	m.out.trace = traceChange
	advanced := m.advanceBoot()
	var earlier []*bookType // the Node's status of them is of an earlier boot
	for i := range in.Conditions {
		node := &in.Conditions[i]
		if t := m.book.byType[node.Type]; t != nil && !t.Reserved && !m.seedType(t, m.s.Types[t.Name], node, in) {
			earlier = append(earlier, t)
		}
	}
	if advanced {
		m.newBoot(m.book.types, true)
	} else {
		m.newBoot(earlier, false)
	}
	if m.s.backlogOver() {
		m.finishBacklog(pipeline.CauseUID("backlog", m.s.Boot.ID))
	}
	for _, t := range m.book.types {
		for _, c := range m.s.Types[t.Name].Causes.sorted() {
			if c.active() && (c.Rule == RestoredRule || c.Rule == OthersRule) {
				m.out.Unexplained = append(m.out.Unexplained, Unexplained{Type: t.Name, Cause: c.told()})
			}
		}
	}
	m.rearm()
}

// ofThisBoot tells whether the Node's condition was written in the current boot:
// the agent's own marker decides; without it, the Node's boot id and the
// heartbeat do. One that is still to come was written before the wall clock was set
// back: as a rule by a reboot.
func (in *Seed) ofThisBoot(node *NodeCondition, now Now) bool {
	if in.Marker != "" {
		return in.Marker == now.Current.ID
	}
	const slack = 5 * time.Second
	return (in.NodeBootID == "" || in.NodeBootID == now.Current.ID) &&
		!node.heartbeat().Before(now.Current.Start.Add(-slack)) && !node.heartbeat().After(now.Wall.Add(slack))
}

// earlier maps a time of the Node to the newest boot before this one that had
// begun by then. Without the state of such a boot it is before all that is known.
func (m *step) earlier(wall time.Time) pipeline.Order {
	for _, boot := range slices.Backward(m.s.Boots) {
		if !wall.Before(boot.Start) {
			return pipeline.Order{Boot: pipeline.BootTime{ID: boot.ID, At: wall.Sub(boot.Start)}}
		}
	}
	return pipeline.Order{Boot: pipeline.BootTime{ID: earlierBoot}}
}

func (c *NodeCondition) heartbeat() time.Time {
	if c.LastHeartbeatTime.IsZero() {
		return c.LastTransitionTime
	}
	return c.LastHeartbeatTime
}

// known tells whether the Node says what the state knows that it was told last,
// or what the state took from it before: then the state, which knows more, is
// right.
func (ts *TypeState) known(node *NodeCondition) bool {
	return ts.Patched.says(node) || ts.Taken.says(node)
}

func (p *Patched) equals(other *Patched) bool {
	return p != nil && p.Status == other.Status && p.Reason == other.Reason && p.Message == other.Message &&
		p.LastTransitionTime.Equal(other.LastTransitionTime)
}

func (p *Patched) says(node *NodeCondition) bool {
	return p != nil && p.Status == node.Status && p.Reason == node.Reason && p.Message == node.Message &&
		p.LastTransitionTime.Equal(node.LastTransitionTime)
}

// seedType takes over one condition. It tells whether that is done: if the status is
// of an earlier boot, the new boot comes next, and is shown with it.
func (m *step) seedType(t *bookType, ts *TypeState, node *NodeCondition, in *Seed) (done bool) {
	state, valid := t.state(node.Status)
	if !valid || ts.known(node) || !writable(node.LastTransitionTime) {
		return true
	}
	current := in.ofThisBoot(node, m.now)
	at, upTo := m.earlier(node.LastTransitionTime), m.earlier(node.heartbeat())
	if current {
		at, upTo = m.past(node.LastTransitionTime), m.past(node.heartbeat())
	}
	switch state {
	case pipeline.StateProblem:
		m.seedProblem(t, ts, node, at)
	case pipeline.StateUnknown:
		m.seedUnknown(t, ts, node, at)
	case pipeline.StateOK:
		if current && !node.LastTransitionTime.After(m.now.Wall) {
			m.seedHealthy(t, ts, node, at)
		}
	}
	before := ts.Shown
	m.pin(t, ts, node, upTo)
	if current {
		m.showNode(t, ts, before, upTo)
	}
	return current
}

// past maps a time of the Node to the boot clock; it is never in the future.
func (m *step) past(wall time.Time) pipeline.Order {
	order := m.now.orderOf(wall)
	order.Boot.At = max(0, min(order.Boot.At, m.now.Boot))
	return order
}

// pin takes the Node's transition time. While lines are re-read that the Node's
// status stands for already, that status has no other time.
func (m *step) pin(t *bookType, ts *TypeState, node *NodeCondition, upTo pipeline.Order) {
	since := wholeSecond(node.LastTransitionTime)
	ts.Taken = &Patched{
		Type: t.Name, Status: node.Status, Reason: node.Reason, Message: node.Message, LastTransitionTime: node.LastTransitionTime,
	}
	ts.Pin = &Pin{Status: node.Status, UpTo: upTo, Moved: since}
	state, _ := t.state(node.Status)
	ts.Shown = pipeline.Condition{
		Type: t.Name, State: state, Status: node.Status, Reason: node.Reason, Message: node.Message, LastTransitionTime: since,
	}
}

// showNode shows where the state says something else than the Node. Where that was
// so before, and since a later time than the Node tells, it still is.
func (m *step) showNode(t *bookType, ts *TypeState, before pipeline.Condition, upTo pipeline.Order) {
	since := m.s.Started.Wall
	if before.Status == m.condition(t, ts).Status && !before.LastTransitionTime.Before(ts.Pin.Moved) {
		since = before.LastTransitionTime
	}
	m.show(t, ts, turn{
		uid:  pipeline.CauseUID("node", m.s.Boot.ID, ts.Pin.Moved.Format(time.RFC3339)),
		time: since, order: upTo, silent: true,
	})
}

// seedProblem makes a cause of the problem that the Node shows, and one of those
// that it counts.
func (m *step) seedProblem(t *bookType, ts *TypeState, node *NodeCondition, at pipeline.Order) {
	message, more := withoutMore(node.Message)
	sameTime := ts.Shown.State == pipeline.StateProblem && ts.Shown.LastTransitionTime.Equal(node.LastTransitionTime)
	if !sameTime {
		m.endOlder(ts, at)
	}
	key, rule := m.explain(t, ts, node.Reason, message)
	unnamed := rule == nil && node.Reason == ReasonEarlierCauses
	if held := ts.Causes[Key{Rule: key.Rule, Instance: key.Instance}]; !unnamed && (held == nil || held.State != pipeline.StateProblem) {
		m.restore(ts, rule, key, node, message, at, pipeline.StateProblem)
	}
	if unnamed || more > ts.problemsBeside(key) {
		earlier := *node
		earlier.Reason = ReasonEarlierCauses
		m.restore(ts, nil, Key{Rule: OthersRule, FromNode: true}, &earlier,
			"causes from before the agent lost its state", at, pipeline.StateProblem)
	}
}

// problemsBeside counts the causes that are known beside one.
func (ts *TypeState) problemsBeside(named Key) int {
	n := 0
	for key, c := range ts.Causes {
		same := key.Rule == named.Rule && key.Instance == named.Instance
		if !same && key.Rule != OthersRule && c.active() && c.State == pipeline.StateProblem {
			n++
		}
	}
	return n
}

// endOlder silently ends the state's causes that are older than the Node's
// transition: in between the status was another.
func (m *step) endOlder(ts *TypeState, at pipeline.Order) {
	for _, c := range ts.Causes.sorted() {
		if !c.active() || m.s.compare(c.T, at) >= 0 {
			continue
		}
		m.end(c, pipeline.Order{})
		if c.FromNode {
			m.remove(ts.Causes, c)
		}
	}
}

// restore adds a cause that the Node tells of.
func (m *step) restore(ts *TypeState, rule *bookRule, key Key, node *NodeCondition, message string, at pipeline.Order, state pipeline.State) {
	if m.buried(ts, key, at) {
		return
	}
	c, known := ts.Causes[key]
	if !known {
		c = m.add(ts.Causes, key)
	}
	c.State, c.Restored = state, true
	c.Reason, c.Message = node.Reason, message
	c.UID = pipeline.CauseUID("node", m.s.Node, node.Type, key.Rule, key.Instance, node.LastTransitionTime.UTC().Format(time.RFC3339))
	c.T, c.Last, c.Since, c.LastTime = at, at, node.LastTransitionTime, node.LastTransitionTime
	if rule == nil {
		return
	}
	c.Source, c.Severity = rule.Source, rule.Severity
	if rule.Level {
		c.Level = &LevelState{}
		m.s.rule(rule.ID).Spoken = m.s.rule(rule.ID).Spoken || state == pipeline.StateProblem
	}
	if rule.ttl() > 0 {
		m.runTTL(rule, c, m.s.Started.Boot)
	}
}

// buried tells whether the state knows of a clearing since what the Node shows:
// the Node was not told of it any more. The Node's time is in whole seconds: of a
// clearing within that second only the state can tell, which remembers when the
// cause that it ended had become active.
func (m *step) buried(ts *TypeState, key Key, at pipeline.Order) bool {
	latest := at
	latest.Boot.At += time.Second - 1
	c := ts.Causes[Key{Rule: key.Rule, Instance: key.Instance}]
	ended := c != nil && m.s.within(at, c.T) && m.s.within(c.T, latest)
	covers := func(cleared pipeline.Order) bool {
		return m.s.within(at, cleared) && (ended || m.s.within(latest, cleared))
	}
	rs := m.s.Rules[key.Rule]
	wasOK := c != nil && c.Level != nil && c.State == pipeline.StateOK && covers(pipeline.Order{Boot: c.Level.Start})
	return wasOK || covers(ts.ClearedUpTo) || (rs != nil && covers(rs.Cleared)) || (c != nil && covers(c.Cleared))
}

// seedUnknown makes an unknown cause, but not of a check that had never spoken:
// those that there are say so themselves.
func (m *step) seedUnknown(t *bookType, ts *TypeState, node *NodeCondition, at pipeline.Order) {
	if node.Reason == ReasonNotYetChecked {
		return
	}
	message, _ := withoutMore(node.Message)
	key, rule := m.explain(t, ts, node.Reason, message)
	if rule != nil && !rule.Level {
		key, rule = Key{Rule: RestoredRule, FromNode: true}, nil
	}
	if !ts.holds(key) {
		m.restore(ts, rule, key, node, message, at, pipeline.StateUnknown)
	}
}

// seedHealthy takes a healthy status of this boot for an ok of all checks, and
// lets the lines up to it be told again before it ends what they activate.
func (m *step) seedHealthy(t *bookType, ts *TypeState, node *NodeCondition, at pipeline.Order) {
	for _, level := range t.levels {
		m.s.rule(level.ID).Spoken = true
		for _, c := range ts.Causes.ofRule(level.ID) {
			if c.active() && m.s.compare(c.T, at) <= 0 {
				m.end(c, pipeline.Order{})
			}
		}
	}
	if !ts.Previous.Equal(wholeSecond(node.LastTransitionTime)) {
		m.agePast(ts, at)
	}
	ts.Healed = &Healed{UpTo: at}
	ts.Healed.Problem = m.s.wasProblem(ts)
}

// explain finds the rule that has the Node's reason, and the instance whose
// message it is. Of several rules the first one in file order whose message it
// is, else the first one. Where no rule has it any more, a cause that a rule left
// behind may be it, until the reload that follows ends it.
func (m *step) explain(t *bookType, ts *TypeState, reason, message string) (Key, *bookRule) {
	var found *bookRule
	for _, rule := range t.havingReason(reason) {
		if found == nil {
			found = rule
		}
		if rule.InstanceOf == nil {
			continue
		}
		if instance, ok := rule.InstanceOf(message); ok {
			return Key{Rule: rule.ID, Instance: instance, FromNode: !rule.Level}, rule
		}
	}
	if found == nil {
		return ts.leftBehind(reason, message), nil
	}
	return Key{Rule: found.ID, FromNode: !found.Level}, found
}

// leftBehind returns the cause that shows a reason and a message, or else the key
// of one that nothing explains.
func (ts *TypeState) leftBehind(reason, message string) Key {
	for _, c := range ts.Causes.sorted() {
		if c.active() && c.Reason == reason && c.Message == message {
			return c.Key
		}
	}
	return Key{Rule: RestoredRule, FromNode: true}
}

// havingReason returns the rules that give a reason, then those that gave it
// formerly.
func (t *bookType) havingReason(reason string) []*bookRule {
	var now, formerly []*bookRule
	for _, rule := range t.rules {
		if rule.Reason == reason {
			now = append(now, rule)
			continue
		}
		for _, former := range rule.Formerly {
			if former.Reason == reason {
				formerly = append(formerly, rule)
				break
			}
		}
	}
	return append(now, formerly...)
}

// endOthers ends the causes that the Node only counted, once all that could have
// been one of them has had its say.
func (m *step) endOthers(t *bookType, ts *TypeState, why turn) {
	c := ts.Causes[Key{Rule: OthersRule, FromNode: true}]
	if c == nil || t.latched || !m.readComplete(t) {
		return
	}
	for _, level := range t.levels {
		if !m.s.rule(level.ID).SaidEither {
			return
		}
	}
	m.end(c, pipeline.Order{})
	m.showEnds(t, ts, []*Cause{c}, why)
}

// readComplete tells whether all lines of this boot have been read again
// that the type's rules could match.
func (m *step) readComplete(t *bookType) bool {
	lines := len(t.rules) > len(t.levels)
	for _, r := range m.s.Receivers {
		if r.Backlog != BacklogEnded || !r.Complete {
			return false
		}
	}
	return !lines || len(m.s.Receivers) > 0
}

// patched notes what the Node has accepted.
func (m *step) patched(in *Patched) {
	ts := m.s.Types[in.Type]
	if ts == nil { // a reload has dropped it while the patch was under way
		if !slices.Contains(m.s.Delete, in.Type) {
			m.s.Delete = append(m.s.Delete, in.Type)
			m.out.trace = traceChange
		}
		return
	}
	if ts.Taken == nil && ts.Patched.equals(in) {
		return
	}
	copied := *in
	ts.Patched, ts.Taken, ts.Claimed = &copied, nil, false
	m.out.trace = traceChange
}
