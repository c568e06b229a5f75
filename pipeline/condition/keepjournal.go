package condition

import (
	"errors"
	"fmt"
	"slices"

	"github.com/otelnpd/otelnpd/pipeline"
)

// keptJournal is a [Journal] as JSON.
type keptJournal struct {
	Start     *State      `json:"start"`
	Now       Now         `json:"now"`
	Begun     bool        `json:"begun,omitempty"`
	Entries   []keptEntry `json:"entries"`
	Overflows int         `json:"overflows,omitempty"`
}

// keptEntry is an input and when it was judged. One of the inputs is set.
type keptEntry struct {
	Now           Now            `json:"now"`
	Match         *Match         `json:"match,omitempty"`
	Recovery      *Recovery      `json:"recovery,omitempty"`
	Verdict       *Verdict       `json:"verdict,omitempty"`
	OperatorClear *OperatorClear `json:"operator_clear,omitempty"`
	SilenceRule   *SilenceRule   `json:"silence,omitempty"`
	UnsilenceRule *UnsilenceRule `json:"unsilence,omitempty"`
	NewBoot       *NewBoot       `json:"new_boot,omitempty"`
	Reload        *Reload        `json:"reload,omitempty"`
	Restart       *Restart       `json:"restart,omitempty"`
	Receivers     *Receivers     `json:"receivers,omitempty"`
	BacklogEnd    *BacklogEnd    `json:"backlog_end,omitempty"`
	FirstVerdicts *FirstVerdicts `json:"first_verdicts,omitempty"`
	SourceState   *SourceState   `json:"source_state,omitempty"`
	Claim         *Claim         `json:"claim,omitempty"`
	Patched       *Patched       `json:"patched,omitempty"`
	Deleted       *Deleted       `json:"deleted,omitempty"`
	Tick          *Tick          `json:"tick,omitempty"`
}

// keep returns the journal as it stands. Its inputs do not change any more.
func (j *Journal) keep() *keptJournal {
	k := &keptJournal{Start: j.start.Clone(), Now: j.now, Begun: j.begun, Overflows: j.Overflows}
	for _, e := range j.entries {
		if e.in != nil {
			k.Entries = append(k.Entries, newKeptEntry(e.in, e.now))
		}
	}
	return k
}

func newKeptEntry(in Input, now Now) keptEntry {
	k := keptEntry{Now: now}
	switch in := in.(type) {
	case *Match:
		k.Match = in
	case *Recovery:
		k.Recovery = in
	case *Verdict:
		k.Verdict = in
	case *OperatorClear:
		k.OperatorClear = in
	case *SilenceRule:
		k.SilenceRule = in
	case *UnsilenceRule:
		k.UnsilenceRule = in
	case *NewBoot:
		k.NewBoot = in
	case *Reload:
		k.Reload = in
	case *Restart:
		k.Restart = in
	case *Receivers:
		k.Receivers = in
	case *BacklogEnd:
		k.BacklogEnd = in
	case *FirstVerdicts:
		k.FirstVerdicts = in
	case *SourceState:
		k.SourceState = in
	case *Claim:
		k.Claim = in
	case *Patched:
		k.Patched = in
	case *Deleted:
		k.Deleted = in
	case *Tick:
		k.Tick = in
	default: // a seed ends the journal
	}
	return k
}

// input returns what was kept; nil: nothing.
func (k *keptEntry) input() Input {
	for _, in := range []struct {
		is bool
		in Input
	}{
		{k.Match != nil, k.Match}, {k.Recovery != nil, k.Recovery}, {k.Verdict != nil, k.Verdict},
		{k.OperatorClear != nil, k.OperatorClear}, {k.SilenceRule != nil, k.SilenceRule}, {k.UnsilenceRule != nil, k.UnsilenceRule},
		{k.NewBoot != nil, k.NewBoot}, {k.Reload != nil, k.Reload}, {k.Restart != nil, k.Restart}, {k.Receivers != nil, k.Receivers},
		{k.BacklogEnd != nil, k.BacklogEnd}, {k.FirstVerdicts != nil, k.FirstVerdicts}, {k.SourceState != nil, k.SourceState},
		{k.Claim != nil, k.Claim}, {k.Patched != nil, k.Patched}, {k.Deleted != nil, k.Deleted}, {k.Tick != nil, k.Tick},
	} {
		if in.is {
			return in.in
		}
	}
	return nil
}

// mend checks what was read of a journal.
func (k *keptJournal) mend() error {
	if k == nil {
		return nil
	}
	if k.Start == nil || len(k.Entries) > 2*maxJournal {
		return errors.New("there is no start, or too much since")
	}
	for i := range k.Entries {
		e := &k.Entries[i]
		switch in := e.input().(type) {
		case nil:
			return fmt.Errorf("entry %d holds nothing", i)
		case *Match:
			if in.Problem == nil {
				return fmt.Errorf("entry %d is a match of nothing", i)
			}
		case *Recovery:
			if in.Problem == nil {
				return fmt.Errorf("entry %d is a recovery from nothing", i)
			}
		case *Verdict:
			if in.Problem == nil || in.Problem.Verdict == nil {
				return fmt.Errorf("entry %d is a verdict on nothing", i)
			}
		default:
		}
	}
	return k.Start.mend()
}

// journal lets what was kept go on under the book in hand. It began under another
// one perhaps, of which nothing is left: what renamed rules have seen and held is
// their heirs' from the beginning, and what removed ones have seen is forgotten.
func (k *keptJournal) journal(book *Book) *Journal {
	newStep(k.Start, book, k.Now).fit()
	j := &Journal{
		start: k.Start, book: book, now: k.Now, life: k.Now, begun: k.Begun, last: map[journalKey]int{}, sums: map[string]summary{}, Overflows: k.Overflows,
	}
	for i := range k.Entries {
		in := k.Entries[i].input()
		if problem := problemOf(in); problem != nil && !book.adopt(problem) {
			continue
		}
		if _, restarted := in.(*Restart); restarted {
			j.life = k.Entries[i].Now
		}
		j.append(in, book, k.Entries[i].Now)
	}
	j.entries = slices.Clip(j.entries)
	return j
}

// problemOf returns what a match, a recovery or a verdict is about.
func problemOf(in Input) *pipeline.Problem {
	switch in := in.(type) {
	case *Match:
		return in.Problem
	case *Recovery:
		return in.Problem
	case *Verdict:
		return in.Problem
	default:
		return nil
	}
}

// adopt gives what was seen under another configuration to the rule that has it now.
// As at a reload, a rule that acts on another condition, or on none any more, is
// another rule.
func (b *Book) adopt(problem *pipeline.Problem) (adopted bool) {
	rule := b.byRule[problem.Rule]
	if rule != nil && (problem.Condition == "" || problem.Observe || (rule.on != nil && rule.on.Name == problem.Condition)) {
		return true
	}
	t := b.byType[problem.Condition]
	if t == nil {
		return false
	}
	heir := t.heir(&Cause{Key: Key{Rule: problem.Rule}, Reason: problem.Reason})
	if heir != nil {
		problem.Rule = heir.ID
	}
	return heir != nil
}
