package check

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// told is what a verdict says, for tables.
type told struct {
	rule, instance string
	state          pipeline.State
	message        string
	between        bool
	complete       bool
}

// runOnce returns the verdicts of one run of a check with the rules usage and inodes.
func runOnce(t *testing.T, report Report) (all []told, l *lab) {
	t.Helper()
	return runRules(t, 2, report)
}

// runRules is the same with the first of the rules usage, inodes and, which tells no
// instances apart, kernel.
func runRules(t *testing.T, rules int, report Report) (all []told, l *lab) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l = newLab(t)
		usage, inodes := rule("usage"), rule("inodes")
		usage.HasInstances, inodes.HasInstances = true, true
		c := Check{
			ID: "disk", Rules: []condition.Rule{usage, inodes, rule("kernel")}[:rules], Interval: time.Minute,
			Run: func(context.Context) Report { return report },
		}
		l.start(Schedule{}, c)
		for _, p := range l.verdicts() {
			all = append(all, told{p.Rule, p.Instance, p.State, p.Message, p.Verdict.Between, p.Verdict.Complete})
		}
	})
	return all, l
}

// What a rule without instances says of the node as a whole is all there is: what it has
// inherited from a rule with instances is over.
func TestTheOKOfARuleWithoutInstancesIsOfAll(t *testing.T) {
	for state, complete := range map[pipeline.State]bool{pipeline.StateOK: true, pipeline.StateProblem: false} {
		got, _ := runRules(t, 3, Report{Findings: []Finding{{State: pipeline.StateOK}, {Rule: "inodes", State: pipeline.StateOK}, {Rule: "kernel", State: state}}})
		require.Contains(t, got, told{rule: "kernel", state: state, complete: complete})
		require.Contains(t, got, told{rule: "usage", state: pipeline.StateOK})
	}
	got, _ := runRules(t, 3, Report{Findings: []Finding{{Rule: "kernel", State: pipeline.StateOK, Between: true}}})
	require.Contains(t, got, told{rule: "kernel", state: pipeline.StateOK, between: true})
}

func TestVerdictsOfARun(t *testing.T) {
	const good, bad, unknown = pipeline.StateOK, pipeline.StateProblem, pipeline.StateUnknown
	tests := map[string]struct {
		report Report
		told   []told
		mended string
		result string
	}{
		"one for each finding": {
			report: Report{Findings: []Finding{{Rule: "inodes", State: good, Between: true}, {State: bad, Message: "full"}}},
			told:   []told{{rule: "usage", state: bad, message: "full"}, {rule: "inodes", state: good, between: true}},
			result: "problem",
		},
		"a rule without a finding is not answered": {
			report: Report{Findings: []Finding{{State: good}}},
			told:   []told{{rule: "inodes", state: unknown, message: "check disk has not answered"}, {rule: "usage", state: good}},
			result: "unknown",
		},
		"a complete run says so of each rule, after all else": {
			report: Report{Complete: true, Findings: []Finding{{Instance: "/", State: bad}}},
			told: []told{
				{rule: "usage", instance: "/", state: bad},
				{rule: "usage", state: good, complete: true}, {rule: "inodes", state: good, complete: true},
			},
			result: "problem",
		},
		"a complete run of nothing is ok": {
			report: Report{Complete: true},
			told:   []told{{rule: "usage", state: good, complete: true}, {rule: "inodes", state: good, complete: true}},
			result: "ok",
		},
		"an ok of the whole becomes the complete one": {
			report: Report{Complete: true, Findings: []Finding{{State: good, Message: "all well"}, {Instance: "/", State: good}}},
			told: []told{
				{rule: "usage", instance: "/", state: good},
				{rule: "usage", state: good, message: "all well", complete: true}, {rule: "inodes", state: good, complete: true},
			},
			result: "ok",
		},
		"the worst comes first": {
			report: Report{Complete: true, Findings: []Finding{
				{Instance: "a", State: good}, {Instance: "b", State: unknown}, {Rule: "inodes", Instance: "a", State: good, Between: true}, {Instance: "c", State: bad},
			}},
			told: []told{
				{rule: "usage", instance: "c", state: bad}, {rule: "inodes", instance: "a", state: good, between: true},
				{rule: "usage", instance: "b", state: unknown}, {rule: "usage", instance: "a", state: good},
				{rule: "usage", state: good, complete: true}, {rule: "inodes", state: good, complete: true},
			},
			result: "problem",
		},
		"a problem of the whole is not said to be ok": {
			report: Report{Complete: true, Findings: []Finding{{State: bad}, {Rule: "inodes", State: good, Between: true}}},
			told:   []told{{rule: "usage", state: bad}, {rule: "inodes", state: good, between: true}},
			result: "problem",
		},
		"of two on the same the worse one counts": {
			report: Report{Findings: []Finding{
				{State: good}, {State: bad, Message: "first"}, {State: bad, Message: "second"}, {State: unknown},
				{Rule: "inodes", State: unknown}, {Rule: "inodes", State: good},
			}},
			told:   []told{{rule: "usage", state: bad, message: "first"}, {rule: "inodes", state: unknown}},
			mended: "twice", result: "problem",
		},
		"of a rule that is none": {
			report: Report{Complete: true, Findings: []Finding{{Rule: "load", State: bad}, {State: good}}},
			told:   []told{{rule: "inodes", state: unknown, message: "check disk has not answered"}, {rule: "usage", state: good}},
			mended: "unknown_rule", result: "unknown",
		},
		"texts that are none": {
			report: Report{Findings: []Finding{{Instance: "a\x1b[2J\n", State: bad, Message: "x\xff\x00y\nz"}, {Rule: "inodes", Instance: "\x01", State: good}}},
			told: []told{
				{rule: "usage", instance: "a[2J", state: bad, message: "x�y\nz"},
				{rule: "inodes", instance: "(none)", state: good},
			},
			mended: "characters", result: "problem",
		},
		"a state that is none": {
			report: Report{Findings: []Finding{{State: 9}, {Rule: "inodes", State: good}}},
			told:   []told{{rule: "usage", state: unknown}, {rule: "inodes", state: good}},
			result: "unknown",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, l := runOnce(t, test.report)
			require.Equal(t, test.told, got)
			require.Equal(t, test.mended != "", l.count("otelnpd.check.mended_findings", map[string]string{"reason": test.mended}) > 0)
			require.Equal(t, 1, l.count("otelnpd.check.runs", map[string]string{"check": "disk", "result": test.result}))
		})
	}
}

func TestCutsLongTexts(t *testing.T) {
	long := strings.Repeat("ä", 3000)
	got, l := runOnce(t, Report{Findings: []Finding{
		{Instance: long + "1", State: pipeline.StateProblem, Message: long}, {Instance: long + "2", State: pipeline.StateOK},
	}})
	require.Len(t, got, 3)
	require.NotEqual(t, got[0].instance, got[1].instance, "two instances stay two")
	for _, one := range got[:2] {
		require.LessOrEqual(t, len(one.instance), condition.MaxInstanceBytes)
		require.True(t, utf8.ValidString(one.instance))
	}
	require.Len(t, got[0].message, condition.MaxMessageBytes)
	require.True(t, utf8.ValidString(got[0].message))
	require.Equal(t, 2, l.count("otelnpd.check.mended_findings", map[string]string{"reason": "instance_cut"}))
	require.Equal(t, 1, l.count("otelnpd.check.mended_findings", map[string]string{"reason": "message_cut"}))
}

func TestHearsNoMoreFindingsThanThereArePlaces(t *testing.T) {
	report := Report{Complete: true}
	for i := range maxFindings + 10 {
		report.Findings = append(report.Findings, Finding{Instance: strings.Repeat("i", i%200) + string(rune('a'+i/200)), State: pipeline.StateOK})
	}
	got, l := runOnce(t, report)
	require.Len(t, got, maxFindings+1)
	require.False(t, got[len(got)-1].complete, "not all instances are named: nobody is gone")
	require.Equal(t, told{rule: "inodes", message: "check disk has not answered"}, got[0])
	require.Equal(t, 1, l.count("otelnpd.check.mended_findings", map[string]string{"reason": "too_many"}))
}

func TestWhatAVerdictCarries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		declaration := Declaration{Condition: "DiskFull", Reason: "Full", Class: "disk-full", Severity: "error", Mode: condition.ModeObserve}
		c := Check{
			ID: "disk", Rules: []condition.Rule{declaration.Rule("disk", nil)}, Interval: time.Minute,
			Run: func(context.Context) Report {
				time.Sleep(3 * time.Second)
				return Report{Findings: []Finding{{Instance: "/", State: pipeline.StateProblem, Message: "97 %", Reason: "VeryFull"}}}
			},
		}
		l.start(Schedule{}, c)
		l.sleep(3 * time.Second)
		record := l.sink.Records()[1]
		require.Equal(t, pipeline.Problem{
			UID:  pipeline.VerdictUID("node-1", l.settings.Boot.ID, "disk", "/", time.Hour),
			Rule: "disk", Class: "disk-full", Condition: "DiskFull", Reason: "VeryFull", Message: "97 %",
			Severity: condition.SeverityWord("error").Severity(), Instance: "/", Source: "otelnpd",
			State: pipeline.StateProblem, Count: 1, Observe: true,
			Verdict: &pipeline.Verdict{Boot: l.settings.Boot.ID, Start: time.Hour},
		}, *record.Problem)
		require.Equal(t, pipeline.BootTime{ID: l.settings.Boot.ID, At: time.Hour + 3*time.Second}, record.Boot)
		require.Equal(t, "checks", record.Receiver)
		require.Equal(t, l.clock.Now().Wall, record.Time)
	})
}

func TestIsWellOnceItHasStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		require.Equal(t, pipeline.ComponentStarting, l.statuses.Last().State)
		l.start(Schedule{}, Check{ID: "a", Rules: []condition.Rule{{ID: "a", Level: true}}, Interval: time.Minute, Run: func(context.Context) Report { return Report{} }})
		require.Equal(t, pipeline.ComponentOK, l.statuses.Last().State)
	})
}

func TestAFindingMayHaveASeverityOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.start(Schedule{}, Check{
			ID: "disk", Rules: []condition.Rule{{ID: "disk", Severity: log.SeverityError, Level: true}}, Interval: time.Minute,
			Run: func(context.Context) Report {
				return Report{Findings: []Finding{{Instance: "/", Severity: log.SeverityWarn}, {Instance: "/var"}}}
			},
		})
		l.sleep(time.Second)
		records := l.sink.Records()
		require.Equal(t, log.SeverityWarn, records[1].Problem.Severity)
		require.Equal(t, log.SeverityWarn, records[1].Severity)
		require.Equal(t, log.SeverityError, records[2].Problem.Severity)
	})
}
