package check

import (
	"cmp"
	"slices"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// maxFindings is how many findings of one run are heard: as many as the condition
// store has places for instances.
const maxFindings = condition.MaxInstances

// verdicts are the findings of a run, one for each instance of each rule.
type verdicts struct {
	all []verdict
	// at are the indexes in all.
	at map[place]int
	// result of the run as a whole.
	result pipeline.State
}

type place struct {
	rule     int
	instance string
}

type verdict struct {
	Finding
	rule     *condition.Rule
	complete bool
}

// judge makes verdicts of a report: what cannot be passed on as it is is mended, and
// told to mended.
func (r *run) judge(report Report, mended func(reason string)) *verdicts {
	v := &verdicts{at: make(map[place]int, len(report.Findings)+len(r.Rules)), result: pipeline.StateOK}
	named := make([]bool, len(r.Rules))
	complete := report.Complete
	for i := range report.Findings {
		if i == maxFindings {
			mended(mendedTooMany)
			complete = false
			break
		}
		rule, known := r.byID[report.Findings[i].Rule]
		if !known {
			mended(mendedUnknownRule)
			complete = false
			continue
		}
		named[rule] = true
		v.add(rule, verdict{Finding: clean(report.Findings[i], mended), rule: &r.Rules[rule]}, mended)
	}
	for i := range r.Rules {
		switch {
		case complete:
			v.sum(i, &r.Rules[i])
		case named[i] && !r.Rules[i].HasInstances:
			v.whole(i)
		case !named[i]:
			v.add(i, verdict{Finding: Finding{State: pipeline.StateUnknown, Message: "check " + r.ID + " has not answered"}, rule: &r.Rules[i]}, mended)
		}
	}
	for i := range v.all {
		v.result = worse(v.result, v.all[i].State)
	}
	slices.SortStableFunc(v.all, func(x, y verdict) int { return cmp.Compare(x.rank(), y.rank()) })
	return v
}

// rank orders the verdicts of a run: what is worst comes first, so that a condition does
// not get well for a moment where one problem takes the place of another, and the ok of
// the whole comes last.
func (v *verdict) rank() int {
	switch {
	case v.complete:
		return 4
	case v.Between:
		return 1
	case v.State == pipeline.StateProblem:
		return 0
	case v.State == pipeline.StateUnknown:
		return 2
	default:
		return 3
	}
}

// add adds a verdict; of two on the same thing the worse one counts.
func (v *verdicts) add(rule int, one verdict, mended func(reason string)) {
	key := place{rule, one.Instance}
	at, twice := v.at[key]
	if !twice {
		v.at[key] = len(v.all)
		v.all = append(v.all, one)
		return
	}
	mended(mendedTwice)
	if held := v.all[at].State; worse(held, one.State) != held {
		v.all[at] = one
	}
}

// whole makes what a rule has said of the node as a whole, where that is ok, the ok of
// all there is: an instance that is not named, or that the rule has inherited from one
// before it, is over. It tells whether the rule has said anything of the whole.
func (v *verdicts) whole(rule int) (said bool) {
	at, said := v.at[place{rule, ""}]
	if said && v.all[at].State == pipeline.StateOK && !v.all[at].Between {
		v.all[at].complete = true
	}
	return said
}

// sum adds to a complete run the ok of the node as a whole, unless the check itself has
// said how that stands.
func (v *verdicts) sum(rule int, is *condition.Rule) {
	if !v.whole(rule) {
		v.all = append(v.all, verdict{Finding: Finding{State: pipeline.StateOK}, rule: is, complete: true})
	}
}

// worse returns the worse of two states: problem before unknown before ok.
func worse(x, y pipeline.State) pipeline.State {
	for _, state := range []pipeline.State{pipeline.StateProblem, pipeline.StateUnknown} {
		if x == state || y == state {
			return state
		}
	}
	return pipeline.StateOK
}

// clean makes the texts of a finding such as every consumer takes.
func clean(finding Finding, mended func(reason string)) Finding {
	instance, cut := condition.CleanInstance([]byte(finding.Instance))
	text, cutText := condition.CleanMessage(nil, []byte(finding.Message))
	message := string(text)
	if cut {
		mended(mendedInstance)
	}
	if cutText {
		mended(mendedMessage)
	}
	if (!cut && instance != finding.Instance) || (!cutText && message != finding.Message) {
		mended(mendedCharacters)
	}
	if instance == "" && finding.Instance != "" {
		instance = "(none)" // not the node as a whole
	}
	finding.Instance, finding.Message = instance, message
	if finding.State > pipeline.StateProblem {
		finding.State = pipeline.StateUnknown
	}
	return finding
}

// records makes records of all verdicts of a run.
func (r *run) records(v *verdicts) []pipeline.Record {
	records := make([]pipeline.Record, 0, len(v.all))
	for i := range v.all {
		records = append(records, r.record(&v.all[i]))
	}
	return records
}

func (r *run) record(v *verdict) pipeline.Record {
	rule := v.rule
	reason, severity := cmp.Or(v.Reason, rule.Reason), cmp.Or(v.Severity, rule.Severity)
	return pipeline.Record{
		Time: r.ended.Wall, ObservedTime: r.ended.Wall,
		Boot:      pipeline.BootTime{ID: r.boot, At: r.ended.Boot},
		Severity:  severity,
		EventName: pipeline.EventProblem,
		Receiver:  r.receiver,
		Problem: &pipeline.Problem{
			UID:  pipeline.VerdictUID(r.node, r.boot, rule.ID, v.Instance, r.started.Boot),
			Rule: rule.ID, Class: rule.Class, Condition: rule.Condition, Reason: reason,
			Message: v.Message, Severity: severity, Instance: v.Instance, Source: rule.Source,
			State: v.State, Count: 1, Observe: rule.Observe,
			Verdict: &pipeline.Verdict{Boot: r.boot, Start: r.started.Boot, Between: v.Between, Complete: v.complete},
		},
	}
}
