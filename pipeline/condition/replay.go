package condition

import (
	"time"
)

// trace says what a late seed needs to know of an input.
type trace uint8

const (
	// traceNothing: the input changed nothing, whatever the Node may say.
	traceNothing trace = iota
	// traceChange: it changed something.
	traceChange
	// traceRepeat: one more match of an active cause.
	traceRepeat
	// traceSteady: one more verdict like the one before.
	traceSteady
)

// The bounds of what waits for a late seed: inputs, and their bytes.
const (
	maxJournal      = 16384
	maxJournalBytes = 4 << 20
)

// bookBytes is what a configuration is reckoned to take that the journal holds on to.
const bookBytes = 64 << 10

// entryOverhead is what an entry is reckoned to take beside its texts.
const entryOverhead = 512

// Journal keeps what has come since the start, until the Node's conditions are
// known: then the start is gone through again with them, so that a late seed
// gives what an early one would have.
type Journal struct {
	start *State
	book  *Book
	now   Now
	// life is when the agent was started last.
	life Now

	entries []entry
	bytes   int
	// last finds, in the run of repeats at the end, the entry that a further
	// repeat takes the place of.
	last map[journalKey]int
	// sums finds, in that run of repeats, the verdicts that say that their runs were
	// complete.
	sums map[string]summary
	// begun is set once the start is complete: what comes then is an entry.
	begun bool
	// Overflows counts how often the oldest half had to be given up.
	Overflows int
}

type entry struct {
	in   Input // nil: another one has taken its place
	book *Book // the book in hand from this input on
	now  Now
}

// summary is where the complete verdicts of a check are among the entries, one more
// than the index each: the first of the run of repeats, and the newest. named are the
// verdicts that go with the newest.
type summary struct {
	first, newest int
	named         []int
}

type journalKey struct {
	rule, instance    string
	verdict, silenced bool
}

// NewJournal begins with a state that has just begun: no [NewBoot] has reached
// it yet.
func NewJournal(start *State, book *Book, now Now) *Journal {
	j := &Journal{start: start.Clone(), book: book, now: now, life: now, last: map[journalKey]int{}, sums: map[string]summary{}}
	if !j.start.ReceiversKnown {
		j.start.AwaitsReceivers = true
	}
	return j
}

// Expect notes the receivers that feed the conditions. The first ones belong to the
// start.
func (j *Journal) Expect(in *Receivers, book *Book, now Now) {
	if j.begun {
		j.endRepeats()
		j.append(in, book, now)
		return
	}
	j.begun = true
	j.start.Step(j.book, in, j.now)
}

// Note keeps an input that the state has judged, if it can matter.
func (j *Journal) Note(in Input, book *Book, now Now, out *Outcome) {
	if _, restarted := in.(*Restart); restarted {
		j.life, j.begun = now, true
	}
	switch out.trace {
	case traceNothing:
		return
	case traceRepeat, traceSteady:
		if key, folds := j.folds(in, book, out); folds {
			j.fold(key, in, book, now)
			return
		}
	default:
	}
	j.endRepeats()
	j.append(in, book, now)
}

// endRepeats lets no further repeat take the place of one before.
func (j *Journal) endRepeats() {
	clear(j.last)
	clear(j.sums)
}

// folds tells whether an input may take the place of an earlier repeat like it.
// The first of a run stays: with the Node's conditions it may be the one that
// activates. In the backlog nothing is folded, since nobody knows yet which of
// its lines come after the Node's status; and where matches are counted or
// timed, each of them matters.
func (j *Journal) folds(in Input, book *Book, out *Outcome) (journalKey, bool) {
	switch in := in.(type) {
	case *Verdict:
		return journalKey{in.Problem.Rule, in.Problem.Instance, true, out.Silenced}, out.trace == traceSteady
	case *Match:
		rule := book.byRule[in.Problem.Rule]
		live := in.Order.Boot.ID == j.life.Current.ID && in.Order.Boot.At > j.life.Boot+time.Minute
		folds := live && rule.Threshold.MinOccurrences <= 1 && rule.on != nil && !rule.on.hasTTL
		return journalKey{in.Problem.Rule, in.Problem.Instance, false, out.Silenced}, folds
	default:
		return journalKey{}, false
	}
}

func (j *Journal) fold(key journalKey, in Input, book *Book, now Now) {
	at, again := j.last[key]
	if again && at > 0 && !j.stays(at) {
		j.remove(at)
	}
	n := len(j.entries)
	j.append(in, book, now)
	if len(j.entries) != n+1 { // halved meanwhile
		return
	}
	j.noteSummary(in, n+1)
	if again {
		j.last[key] = n + 1
	} else {
		j.last[key] = 0 // the first of its run stays
	}
}

// remove takes out an entry.
func (j *Journal) remove(at int) {
	j.bytes -= sizeOf(j.entries[at-1].in)
	j.entries[at-1].in = nil
}

// stays tells whether a verdict must stay although a later one like it is there: the
// complete verdict of its run stays, for which it counts as named.
func (j *Journal) stays(at int) bool {
	v, is := j.entries[at-1].in.(*Verdict)
	if !is {
		return false
	}
	sum := j.sums[v.Problem.Rule]
	switch {
	case sum.first != 0 && j.isOfRun(sum.first, v):
		return true
	case sum.newest != 0 && sum.newest != at && j.isOfRun(sum.newest, v):
		sum.named = append(sum.named, at)
		j.sums[v.Problem.Rule] = sum
		return true
	default: // of a run without end what is bad counts: it keeps what is ok from ending more
		return v.Problem.Instance != "" && v.isBad()
	}
}

// noteSummary notes a complete verdict, which has taken the place of the newest one
// before: what that one had named may go with it.
func (j *Journal) noteSummary(in Input, at int) {
	v, is := in.(*Verdict)
	if !is || !v.isComplete() {
		return
	}
	sum := j.sums[v.Problem.Rule]
	if sum.first == 0 {
		sum.first = at
	} else {
		sum.newest = at
	}
	for _, named := range sum.named {
		j.remove(named)
	}
	sum.named = sum.named[:0]
	j.sums[v.Problem.Rule] = sum
}

// isOfRun tells whether a complete verdict that was kept is of the same run as another.
func (j *Journal) isOfRun(at int, v *Verdict) bool {
	kept, is := j.entries[at-1].in.(*Verdict)
	return is && kept.Problem.Verdict.Start == v.Problem.Verdict.Start && kept.Problem.Verdict.Boot == v.Problem.Verdict.Boot
}

func (j *Journal) append(in Input, book *Book, now Now) {
	size := sizeOf(in)
	if len(j.entries) == maxJournal || j.bytes+size > maxJournalBytes {
		j.compact()
	}
	j.bytes += size
	j.entries = append(j.entries, entry{in: in, book: book, now: now})
}

// compact takes out what has been folded. If that does not help, the oldest half
// becomes part of the start: it is then judged without the Node's conditions.
func (j *Journal) compact() {
	j.endRepeats()
	kept := j.entries[:0]
	for _, e := range j.entries {
		if e.in != nil {
			kept = append(kept, e)
		}
	}
	clear(j.entries[len(kept):])
	j.entries = kept
	if len(kept) < maxJournal/2 && j.bytes < maxJournalBytes/2 {
		return
	}
	half := len(kept) / 2
	j.start = j.start.Clone() // it may be being written down
	for _, e := range kept[:half] {
		j.start.Step(e.book, e.in, e.now)
		j.book = e.book
		if _, restarted := e.in.(*Restart); restarted {
			j.now = e.now // the Node is judged as of this start
		}
		j.bytes -= sizeOf(e.in)
	}
	j.entries = append([]entry(nil), kept[half:]...)
	j.Overflows++
}

// sizeOf is what an input takes in the journal, in bytes.
func sizeOf(in Input) int {
	if _, brings := in.(*Reload); brings {
		return entryOverhead + bookBytes
	}
	problem := problemOf(in)
	if problem == nil {
		return entryOverhead
	}
	return entryOverhead + len(problem.Message) + len(problem.Instance)
}

// Seed goes through the start again with what the Node says. It returns the
// state as it would be now and all that an early seed would have brought about.
func (j *Journal) Seed(seed *Seed, book *Book, now Now) (*State, Outcome) {
	s := j.start.Clone()
	all := s.Step(j.book, seed.asOf(j.now.Current.ID, now.Current.ID), j.now)
	for _, e := range j.entries {
		if e.in != nil {
			all.add(s.Step(e.book, e.in, e.now))
		}
	}
	all.add(s.Step(book, &Tick{}, now))
	return s, all
}

// asOf is the seed as it would have been read at the start, if the node has
// rebooted since: nobody had told of that boot then.
func (in *Seed) asOf(start, current string) *Seed {
	if start == current {
		return in
	}
	then := *in
	if then.Marker == current {
		then.Marker = ""
	}
	if then.NodeBootID == current {
		then.NodeBootID = ""
	}
	return &then
}

// told returns what all this has told so far, without the Node.
func (j *Journal) told() (all told) {
	s := j.start.Clone()
	for _, e := range j.entries {
		if e.in == nil {
			continue
		}
		out := s.Step(e.book, e.in, e.now)
		for i := range out.Changes {
			all.add(out.Changes[i].UID)
		}
	}
	return all
}

func (o *Outcome) add(more Outcome) {
	o.Changes = append(o.Changes, more.Changes...)
	o.Unexplained = append(o.Unexplained, more.Unexplained...)
}

// keepEvents takes over what the Node's conditions have no part in: rules that
// act on no condition are in no journal.
func (s *State) keepEvents(from *State, book *Book) {
	s.Events, s.Fired = from.Events, from.Fired
	for _, rule := range book.rules {
		if rs := from.Rules[rule.ID]; rule.on == nil && rs != nil {
			s.Rules[rule.ID] = rs
		}
	}
	s.recount()
}
