package condition

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/otelnpd/otelnpd/pipeline"
)

// op is one thing that happens in a simulated node's life.
type op struct {
	do       string
	rule     string
	instance string
	state    pipeline.State
	s        float64
	from     string // the receiver; empty: kmsg
}

// world is a node, its log, the agent on it and what the API holds of it.
type world struct {
	book      *Book
	other     *Book // the configuration that a reload brings, and back
	judge     *Book // what the oracle goes by, if another than book
	instances []string
	receivers []string // in the order in which their backlogs come
	eager     bool     // the agent patches and sends Events after each op

	// The node.
	abs       float64 // seconds since boot A began
	bootAt    float64
	boots     int
	stepped   float64 // of the wall clock, in all
	log       []logged
	finds     map[string]map[string]finding // what a check finds when it runs, by instance
	facts     []fact
	start     float64
	cleared   map[string]bool // types that an operator cleared in this boot
	wallMoved bool            // in this boot, or since the Node was told
	movedIn   int
	rebooted  bool  // since the agent ran
	degraded  bool  // the source kmsg
	troubled  bool  // it was degraded in this boot
	reloaded  bool  // in this boot
	stopAt    int   // the line of the backlog before which the agent is killed
	hushed    bool  // a line was silenced in this boot
	renamed   bool  // rules were, in this boot
	broken    error // of writing the state
	story     story

	// The agent.
	s        *State
	shadow   shadow
	read     int                // lines of the log
	timeFrom map[string]float64 // since when transition times can be known
	journal  *Journal
	outbox   []pipeline.UID
	saved    *cut
	twin     *State // has had the seed early while the agent waits for it
	twinSent []pipeline.UID
	// twinDiffers is set where the twin has known other configurations than the agent.
	twinDiffers bool
	quiet       map[string]float64 // until when a rule is silenced
	unsure      map[string]bool    // types of which the agent cannot know everything
	blind       map[string]bool    // of these, those whose problems nobody can know any more

	// The API.
	node      map[string]NodeCondition
	marker    string
	nodeBoot  string
	delivered map[pipeline.UID]bool
}

type logged struct {
	in   Input
	boot int
	from string
	rule string
}

// cut is what was written down, as it was: the state is text.
type cut struct {
	text   []byte
	read   int
	outbox []pipeline.UID
	// twin is the reference of an agent that waits for the Node.
	twin     *State
	twinSent []pipeline.UID
}

func (c *cut) resume(node string) *kept {
	store := NewStore(Options{Node: node})
	if err := store.Resume(c.text); err != nil {
		return nil
	}
	return store.resumed
}

func newWorld(book, other *Book, instances []string, eager bool, receivers ...string) *world {
	if len(receivers) == 0 {
		receivers = []string{"kmsg"}
	}
	w := &world{
		book: book, other: other, instances: instances, eager: eager, receivers: receivers, abs: 100, start: 100,
		finds: map[string]map[string]finding{}, quiet: map[string]float64{}, cleared: map[string]bool{}, unsure: map[string]bool{}, timeFrom: map[string]float64{}, blind: map[string]bool{},
		node: map[string]NodeCondition{}, delivered: map[pipeline.UID]bool{},
	}
	w.s = NewState("node-1", book, w.now())
	w.s.Step(book, &Receivers{IDs: receivers}, w.now())
	for _, id := range receivers {
		w.s.Step(book, &BacklogEnd{Receiver: id, Complete: true}, w.now())
	}
	w.nodeBoot = w.bootID()
	return w
}

func (w *world) bootID() string { return "boot-" + strconv.Itoa(w.boots) }

func (w *world) now() Now {
	return Now{
		Instant: pipeline.Instant{Wall: wall(w.abs + w.stepped), Boot: seconds(w.abs - w.bootAt)},
		Current: pipeline.Boot{ID: w.bootID(), Start: wall(w.bootAt + w.stepped)},
	}
}

// run lets all of ops happen and checks the world after each.
func (w *world) run(ops []op) error {
	if err := w.tellEagerly(); err != nil {
		return err
	}
	for i, o := range ops {
		w.abs++
		if err := w.input(&Tick{}); err != nil {
			return fmt.Errorf("timer before op %d: %w", i, err)
		}
		if err := w.apply(o); err != nil {
			return fmt.Errorf("op %d (%s): %w", i, printOp(o), err)
		}
		if err := w.check(); err != nil {
			return fmt.Errorf("after op %d (%s): %w", i, printOp(o), err)
		}
	}
	if err := w.lateSeed(); err != nil {
		return fmt.Errorf("late seed at the end: %w", err)
	}
	return w.check()
}

func (w *world) apply(o op) error {
	switch o.do {
	case "match":
		return w.line(o, true)
	case "recovery":
		return w.line(o, false)
	case "verdict", "between", "gone":
		w.find(o)
		return w.verdict(o.rule)
	case "clear":
		w.facts = append(w.facts, fact{kind: "clear", conditionType: o.rule, at: w.abs})
		w.cleared[o.rule] = true
		if err := w.input(&OperatorClear{Type: o.rule, RequestID: fmt.Sprint(w.abs)}); err != nil {
			return err
		}
		if w.unsure[o.rule] {
			w.timeFrom[o.rule] = w.abs + 0.5
		}
		w.unsure[o.rule], w.blind[o.rule] = false, false
		w.save() // answered after its state write
	case "clear unanswered":
		w.facts = append(w.facts, fact{kind: "clear", conditionType: o.rule, at: w.abs, unanswered: true})
		w.cleared[o.rule] = true
		if err := w.input(&OperatorClear{Type: o.rule, RequestID: fmt.Sprint(w.abs)}); err != nil {
			return err
		}
	case "pass":
		w.abs += o.s
		return w.input(&Tick{})
	case "wall":
		w.stepped += o.s
		w.wallMoved, w.movedIn = true, w.boots
	case "save":
		w.save()
	case "degrade", "heal":
		w.degraded = o.do == "degrade"
		w.troubled = true
		w.facts = append(w.facts, fact{kind: map[bool]string{true: "degraded", false: "well"}[w.degraded], at: w.abs})
		if err := w.input(&SourceState{Receiver: "kmsg", Degraded: w.degraded}); err != nil {
			return err
		}
	case "reload":
		w.swapBooks()
		if err := w.input(&Reload{}); err != nil {
			return err
		}
		w.save() // a reload forces a state write
	case "silence":
		w.quiet[o.rule] = w.abs + o.s
		if err := w.input(&SilenceRule{Rule: o.rule, For: seconds(o.s)}); err != nil {
			return err
		}
		w.save() // answered after its state write
	case "unsilence":
		w.quiet[o.rule] = min(w.quiet[o.rule], w.abs)
		if err := w.input(&UnsilenceRule{Rule: o.rule}); err != nil {
			return err
		}
		w.save()
	case "patch":
		return w.patch(true)
	case "patch unanswered":
		return w.patch(false)
	case "deliver":
		w.deliver()
	case "upgrade", "upgrade late":
		w.swapBooks()
		return w.restart(true, o.do == "upgrade late")
	case "reboot upgrade", "reboot upgrade late":
		w.reboot()
		w.swapBooks()
		return w.restart(true, o.do == "reboot upgrade late")
	case "crash", "lose", "lose late", "crash late":
		return w.restart(o.do == "crash" || o.do == "crash late", o.do == "lose late" || o.do == "crash late")
	case "lose twice":
		if w.stopAt = len(w.log) / 2; w.stopAt == 0 {
			return w.restart(false, false)
		}
		if err := w.restart(false, false); err != nil {
			return err
		}
		w.save()
		return w.restart(true, false)
	case "reboot", "reboot lose", "reboot late":
		w.reboot()
		return w.restart(o.do == "reboot", o.do == "reboot late")
	default:
		return fmt.Errorf("no such op: %q", o.do)
	}
	if w.eager {
		return w.tellNode()
	}
	return nil
}

// swapBooks brings the other configuration.
func (w *world) swapBooks() {
	before := ruleNames(w.book)
	w.book, w.other = w.other, w.book
	rules := ruleNames(w.book)
	if maps.Equal(before, rules) {
		w.renamed = true
		return
	}
	w.reloaded = true
	w.facts = append(w.facts, fact{kind: "reload", at: w.abs, rules: rules})
}

func (w *world) line(o op, match bool) error {
	rule := w.called(o.rule)
	if rule == nil {
		return nil // gone with a reload: nothing matches
	}
	if o.from == "" {
		o.from = "kmsg"
	}
	state, kind := pipeline.StateProblem, "match"
	if !match {
		state, kind = pipeline.StateOK, "recovery"
	}
	order := pipeline.Order{
		Boot:  pipeline.BootTime{ID: w.bootID(), At: seconds(w.abs - w.bootAt)},
		Place: pipeline.Place{Scope: w.bootID(), Source: o.from, Position: uint64(len(w.log))},
	}
	uid := pipeline.ProblemUID("node-1", order.Place, rule.ID)
	occurrence := Occurrence{Order: order, Time: w.now().Wall, Receiver: o.from, Problem: &pipeline.Problem{
		UID: uid, Rule: rule.ID, Condition: rule.Condition, Reason: rule.Reason, Message: "on " + o.instance, Instance: o.instance, State: state, Count: 1,
	}}
	if match && w.abs < w.quiet[o.rule] {
		w.hushed = true
	} else {
		w.facts = append(w.facts, fact{kind: kind, rule: o.rule, instance: o.instance, at: w.abs, uid: uid})
	}
	in := Input(&Match{occurrence})
	if !match {
		in = &Recovery{occurrence}
	}
	w.log = append(w.log, logged{in, w.boots, o.from, o.rule})
	w.read = len(w.log)
	if err := w.input(in); err != nil {
		return err
	}
	return w.tellEagerly()
}

func (w *world) tellEagerly() error {
	if !w.eager {
		return nil
	}
	return w.tellNode()
}

func (w *world) tellNode() error {
	if err := w.patch(true); err != nil {
		return err
	}
	w.deliver()
	return nil
}

// input gives the agent an input and checks the step.
func (w *world) input(in Input) error {
	before := snapshotOf(w.s)
	now := w.now()
	w.shadow.follow(w.s)
	out := w.s.Step(w.book, in, now)
	if err := errors.Join(invariants(w.book, before, w.s, out, now), w.shadow.check(w.book, in, now, w.s, out)); err != nil {
		return err
	}
	w.remember()
	if w.journal != nil {
		w.journal.Note(in, w.book, now, &out)
		w.twinSent = append(w.twinSent, eventsOf(w.twin.Step(w.book, in, now))...)
		return nil
	}
	w.outbox = append(w.outbox, eventsOf(out)...)
	return w.checkTold(w.s, &out)
}

func eventsOf(out Outcome) []pipeline.UID {
	var uids []pipeline.UID
	for i := range out.Changes {
		if out.Changes[i].MakesEvent {
			uids = append(uids, out.Changes[i].UID)
		}
	}
	return uids
}

func (w *world) save() {
	w.answer()
	now := kept{State: w.s.Clone()}
	w.saved = &cut{read: w.read, outbox: append([]pipeline.UID(nil), w.outbox...)}
	if w.journal != nil {
		now.Journal = w.journal.keep()
		w.saved.twin, w.saved.twinSent = w.twin.Clone(), slices.Clone(w.twinSent)
	}
	text, err := now.encode()
	if err != nil {
		w.broken = err
	}
	w.saved.text = text
}

// patch tells the Node, if that is allowed yet. The agent may not hear that it has.
func (w *world) patch(answered bool) error {
	if w.journal != nil || !w.s.Settled() {
		return nil
	}
	w.answer()
	for _, t := range w.book.types {
		c := w.s.Types[t.Name].Shown
		w.node[t.Name] = NodeCondition{
			Type: c.Type, Status: c.Status, Reason: c.Reason, Message: c.Message,
			LastTransitionTime: c.LastTransitionTime, LastHeartbeatTime: wholeSecond(w.now().Wall),
		}
		if !answered {
			continue
		}
		if err := w.input(&Patched{
			Type: c.Type, Status: c.Status, Reason: c.Reason, Message: c.Message, LastTransitionTime: c.LastTransitionTime,
		}); err != nil {
			return err
		}
	}
	if answered {
		w.marker = w.bootID()
	}
	w.wallMoved = w.wallMoved && w.movedIn == w.boots
	return nil
}

func (w *world) deliver() {
	for _, uid := range w.outbox {
		w.delivered[uid] = true
	}
	w.outbox = nil
}

func (w *world) reboot() {
	down := w.abs
	w.abs += 30
	w.bootAt = w.abs
	w.boots++
	w.facts = append(w.facts, fact{kind: "boot", at: w.abs, down: down})
	w.abs += 5
	w.rebooted = true
	w.marker, w.nodeBoot = "", w.bootID()
}

// restart kills the agent and starts it again, with the state saved last or
// without any: state, Node, backlog, checks, in that order.
func (w *world) restart(withState, late bool) error {
	w.judgeLoss(withState)
	w.forgetOrders()
	w.journal = nil
	if withState && w.saved != nil {
		resumed := w.saved.resume("node-1")
		if resumed == nil || w.broken != nil {
			return fmt.Errorf("the state that was written cannot be read: %s (%w)", w.saved.text, w.broken)
		}
		w.s, w.read = resumed.State, w.saved.read
		w.outbox = append([]pipeline.UID(nil), w.saved.outbox...)
		if resumed.Journal != nil {
			return w.waitOn(resumed, late)
		}
		w.s.Begin(w.book, w.now())
	} else {
		w.s, w.read, w.outbox, w.saved = NewState("node-1", w.book, w.now()), 0, nil, nil
		clear(w.quiet)
	}
	w.s.Step(w.book, &Receivers{IDs: w.receivers}, w.now())
	w.twinDiffers = false
	if late {
		w.journal, w.twin = NewJournal(w.s, w.book, w.now()), w.s.Clone()
		w.twinSent = eventsOf(w.twin.Step(w.book, w.seed(), w.now()))
	} else if err := w.input(w.seed()); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	return w.goOn()
}

// waitOn lets an agent go on that had waited for the Node when it was killed.
func (w *world) waitOn(resumed *kept, late bool) error {
	w.journal = resumed.Journal.journal(w.book)
	w.twin, w.twinSent = w.saved.twin.Clone(), slices.Clone(w.saved.twinSent)
	// The journal is judged anew by one configuration alone.
	w.twinDiffers = resumed.Journal.Start.ConfigHash != w.book.hash ||
		slices.ContainsFunc(resumed.Journal.Entries, func(e keptEntry) bool { return e.Reload != nil })
	newStep(w.twin, w.book, w.now()).fit()
	if err := w.input(&Restart{}); err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	if err := w.input(&Receivers{IDs: w.receivers}); err != nil {
		return fmt.Errorf("receivers: %w", err)
	}
	if late {
		return w.goOn()
	}
	return errors.Join(w.goOn(), w.lateSeed())
}

// goOn judges what has become different while the agent was away, as a store does
// once it has sinks, and then the backlog.
func (w *world) goOn() error {
	if w.s.Boot.ID != w.bootID() {
		if err := w.input(&NewBoot{}); err != nil {
			return fmt.Errorf("new boot: %w", err)
		}
	}
	if w.s.ConfigHash != w.book.hash {
		if err := w.input(&Reload{}); err != nil {
			return fmt.Errorf("new configuration: %w", err)
		}
		w.save() // a reload forces a state write
	}
	return w.catchUp()
}

func (w *world) seed() *Seed {
	seed := &Seed{Marker: w.marker, NodeBootID: w.nodeBoot}
	for _, t := range w.book.types {
		if c, known := w.node[t.Name]; known {
			seed.Conditions = append(seed.Conditions, c)
		}
	}
	return seed
}

func (w *world) catchUp() error {
	if w.degraded {
		if err := w.input(&SourceState{Receiver: "kmsg", Degraded: true}); err != nil {
			return err
		}
	}
	backlog := w.log[w.read:]
	if w.stopAt != 0 {
		backlog = backlog[:w.stopAt]
	}
	if stopped, err := w.tellBacklog(backlog); stopped || err != nil {
		return err
	}
	for _, rule := range w.book.rules {
		if rule.Level {
			w.abs += 0.25
			if err := w.verdict(rule.name()); err != nil {
				return fmt.Errorf("first verdict: %w", err)
			}
		}
	}
	if err := w.input(&FirstVerdicts{}); err != nil {
		return err
	}
	return w.tellEagerly()
}

// tellBacklog reads the lines of each receiver in turn, as they may come.
func (w *world) tellBacklog(backlog []logged) (stopped bool, err error) {
	for _, receiver := range w.receivers {
		for _, l := range backlog {
			rule := w.called(l.rule)
			if l.boot != w.boots || l.from != receiver || rule == nil {
				continue // its ring is gone, or its rule
			}
			if err := w.input(matchedBy(l.in, rule)); err != nil {
				return false, fmt.Errorf("backlog: %w", err)
			}
		}
		if w.stopAt != 0 {
			continue
		}
		if err := w.input(&BacklogEnd{Receiver: receiver, Complete: true}); err != nil {
			return false, fmt.Errorf("end of backlog: %w", err)
		}
	}
	if w.stopAt != 0 {
		w.read += len(backlog)
		w.stopAt = 0
		return true, nil
	}
	w.read = len(w.log)
	return false, nil
}

// lateSeed brings a seed that was late, and compares with one that was early.
func (w *world) lateSeed() error {
	if w.journal == nil {
		return nil
	}
	s, out := w.journal.Seed(w.seed(), w.book, w.now())
	w.twinSent = append(w.twinSent, eventsOf(w.twin.Step(w.book, &Tick{}, w.now()))...)
	if got := eventsOf(out); !w.twinDiffers && !slices.Equal(got, w.twinSent) {
		return fmt.Errorf("late: Events %v, early: %v", got, w.twinSent)
	}
	if late, early := essence(s), essence(w.twin); !w.twinDiffers && late != early {
		return fmt.Errorf("late and early differ:\n%s\n%s", late, early)
	}
	w.s, w.journal = s, nil
	if err := w.checkTold(s, &out); err != nil {
		return fmt.Errorf("told late: %w", err)
	}
	w.outbox = append(w.outbox, eventsOf(out)...)
	if w.saved != nil && w.saved.twin != nil {
		w.save() // before the Node is told anything: it would be another then
	}
	return w.tellEagerly()
}

// essence is a state but for what only orders uses.
func essence(s *State) string {
	s = s.Clone()
	s.Uses = 0
	for _, ts := range s.Types {
		for _, c := range ts.Causes {
			c.Used = 0
		}
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// judgeLoss notes of which types the agent cannot know everything after this.
func (w *world) judgeLoss(withState bool) {
	lost := !withState || w.saved == nil
	for _, t := range w.book.types {
		node, shown := w.node[t.Name], w.s.Types[t.Name].Shown
		upToDate := !w.wallMoved && w.journal == nil && node.Status == shown.Status && node.Reason == shown.Reason &&
			node.Message == shown.Message && node.LastTransitionTime.Equal(shown.LastTransitionTime)
		missing := lost || w.saved.read < w.read // lines that only this boot's log has
		// Sources that are read one after the other may end a ttl that the second
		// had kept alive: the time moves, the status is right.
		inTurn := t.hasTTL && len(w.receivers) > 1
		if inTurn || !upToDate || w.unsure[t.Name] || (w.rebooted && len(t.levels) > 0) {
			w.timeFrom[t.Name] = w.abs
		}
		if w.rebooted && !t.latched && len(t.levels) == 0 {
			w.unsure[t.Name], w.blind[t.Name] = false, false
		}
		switch {
		case w.hangsBetween(t, upToDate):
			w.unsure[t.Name], w.blind[t.Name] = true, true
		case w.troubled && t.hasTTL && !w.rebooted, (missing || w.journal != nil) && w.reloaded && !w.rebooted:
			w.unsure[t.Name], w.blind[t.Name] = true, true
		case lost && w.hushed && !w.rebooted: // what was silenced comes again
			w.unsure[t.Name], w.blind[t.Name] = true, true
		case w.wallMoved:
			w.unsure[t.Name], w.blind[t.Name] = true, true
		case t.latched && missing && w.boots > 0:
			w.unsure[t.Name] = true // the Node names one of several causes
			w.blind[t.Name] = w.blind[t.Name] || !upToDate
		case (lost || w.journal != nil) && w.cleared[t.Name]:
			w.unsure[t.Name] = true // match A, clear, match B, state lost
		case lost && len(t.levels) > 0 && !upToDate:
			w.unsure[t.Name] = true
		}
	}
	if w.rebooted {
		w.rebooted, w.reloaded, w.renamed, w.troubled, w.hushed = false, false, false, w.degraded, false
		clear(w.cleared)
	}
}

func (w *world) truth(t *bookType) truth {
	known := t.rules
	if w.judge != nil {
		known = w.judge.byType[t.Name].rules
	}
	var rules []*bookRule
	for _, rule := range known {
		named := *rule
		named.ID = rule.name()
		rules = append(rules, &named)
	}
	for _, rule := range w.other.rules {
		if w.called(rule.name()) == nil {
			rules = append(rules, rule)
		}
	}
	return truthOf(rules, w.instances, w.facts, w.start, w.abs)
}

// check holds what the agent shows against what is true.
func (w *world) check() error {
	if w.journal != nil || !w.s.Settled() {
		return nil
	}
	for _, t := range w.book.types {
		is, shown := w.truth(t), w.s.Types[t.Name].Shown
		if w.unsure[t.Name] {
			if is.state == pipeline.StateProblem && shown.State == pipeline.StateOK && !w.blind[t.Name] {
				return fmt.Errorf("%s is a problem and shown as healthy", t.Name)
			}
			continue
		}
		if shown.State != is.state {
			return fmt.Errorf("%s is %s, shown as %s", t.Name, is.state, shown.State)
		}
		since := wholeSecond(wall(math.Floor(is.since)))
		if w.eager && w.stepped == 0 && is.since >= w.timeFrom[t.Name] && !shown.LastTransitionTime.Equal(since) {
			return fmt.Errorf("%s is %s since %s, shown since %s", t.Name, is.state, offset(since), offset(shown.LastTransitionTime))
		}
		if err := w.checkEvents(t, is); err != nil {
			return err
		}
	}
	return nil
}

// checkEvents demands the Event of each activation of this boot whose line can
// be read, and of the one that holds the condition now.
func (w *world) checkEvents(t *bookType, is truth) error {
	known := map[pipeline.UID]bool{}
	for _, uid := range w.outbox {
		known[uid] = true
	}
	for _, a := range is.activations {
		uid := pipeline.TransitionUID(a.uid, t.Name, t.status(pipeline.StateProblem))
		if a.from >= w.bootAt && len(t.levels) == 0 && len(w.receivers) == 1 && !w.reloaded && !w.renamed && !w.cleared[t.Name] && !known[uid] && !w.delivered[uid] {
			return fmt.Errorf("%s: the Event of the activation at %v is lost", t.Name, a.from)
		}
	}
	return nil
}
