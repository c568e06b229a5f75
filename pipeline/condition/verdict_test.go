package condition

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Rules 8 to 10: levels.

const (
	ok      = pipeline.StateOK
	problem = pipeline.StateProblem
	unknown = pipeline.StateUnknown
)

// said is a verdict and the status after it.
type said struct {
	at    float64
	state pipeline.State
	want  pipeline.ConditionStatus
}

func checked(typ Type, rule Rule) *Config {
	typ.Name, rule.ID, rule.Condition, rule.Reason, rule.Level = "Clock", "ntp", "Clock", "NtpDown", true
	return &Config{Types: []Type{typ}, Rules: []Rule{rule}}
}

func TestRule8And10Levels(t *testing.T) {
	hold := Type{OnUnknown: OnUnknownHold}
	replace := Type{OnUnknown: OnUnknownUnknown}
	npd := Type{OnUnknown: OnUnknownUnknown, InitiallyHealthy: true}
	npdHold := Type{OnUnknown: OnUnknownHold, InitiallyHealthy: true}
	for name, tt := range map[string]struct {
		typ   Type
		rule  Rule
		first pipeline.ConditionStatus
		said  []said
	}{
		"problem and ok": {hold, Rule{}, "Unknown", []said{{1, ok, "False"}, {2, problem, "True"}, {3, ok, "False"}}},
		"hold leaves the previous one": {hold, Rule{}, "Unknown", []said{
			{1, problem, "True"}, {2, unknown, "True"}, {3, ok, "False"}, {4, unknown, "False"},
		}},
		"unknown replaces it":                     {replace, Rule{}, "Unknown", []said{{1, problem, "True"}, {2, unknown, "Unknown"}, {3, ok, "False"}, {4, unknown, "Unknown"}}},
		"a level that never spoke under hold":     {hold, Rule{}, "Unknown", []said{{1, unknown, "Unknown"}, {2, ok, "False"}}},
		"a level that never spoke, as NPD":        {npd, Rule{}, "False", []said{{1, unknown, "Unknown"}, {2, problem, "True"}, {3, ok, "False"}}},
		"a level that never spoke, healthy, hold": {npdHold, Rule{}, "False", []said{{1, unknown, "False"}, {2, problem, "True"}}},
		"for: judged at verdicts": {hold, Rule{For: seconds(10)}, "Unknown", []said{
			{0, ok, "False"}, {1, problem, "False"}, {10.9, problem, "False"}, {11, problem, "True"},
		}},
		"for: pending leaves the previous status": {hold, Rule{For: seconds(10)}, "Unknown", []said{{1, problem, "Unknown"}, {11, problem, "True"}}},
		"for: an ok starts it anew": {hold, Rule{For: seconds(10)}, "Unknown", []said{
			{1, problem, "Unknown"}, {5, ok, "False"}, {6, problem, "False"}, {15, problem, "False"}, {16, problem, "True"},
		}},
		"for: unknown neither counts nor resets": {hold, Rule{For: seconds(10)}, "Unknown", []said{
			{0, ok, "False"}, {1, problem, "False"}, {5, unknown, "False"}, {12, unknown, "False"}, {13, problem, "True"},
		}},
		"until: likewise on the way down": {hold, Rule{Until: seconds(10)}, "Unknown", []said{
			{1, problem, "True"}, {2, ok, "True"}, {11, ok, "True"}, {12, ok, "False"},
		}},
		"until: a problem starts it anew": {hold, Rule{Until: seconds(10)}, "Unknown", []said{
			{1, problem, "True"}, {2, ok, "True"}, {11, problem, "True"}, {12, ok, "True"}, {21, ok, "True"}, {22, ok, "False"},
		}},
		"failure threshold": {hold, Rule{FailureThreshold: 3}, "Unknown", []said{
			{0, ok, "False"}, {1, problem, "False"}, {2, problem, "False"}, {3, unknown, "False"}, {4, problem, "True"},
		}},
		"success threshold": {hold, Rule{SuccessThreshold: 2}, "Unknown", []said{
			{1, problem, "True"}, {2, ok, "True"}, {3, problem, "True"}, {4, ok, "True"}, {5, ok, "False"},
		}},
		"threshold and for": {hold, Rule{FailureThreshold: 3, For: seconds(10)}, "Unknown", []said{
			{0, ok, "False"}, {1, problem, "False"}, {12, problem, "False"}, {13, problem, "True"},
		}},
		"settled survives an unknown that replaces": {replace, Rule{FailureThreshold: 2}, "Unknown", []said{
			{1, problem, "Unknown"}, {2, problem, "True"}, {3, unknown, "Unknown"}, {4, problem, "True"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, checked(tt.typ, tt.rule))
			require.Equal(t, tt.first, l.status("Clock"))
			for _, s := range tt.said {
				l.at(1000 + s.at)
				l.says("ntp", s.state)
				require.Equal(t, s.want, l.status("Clock"), "after %s at %v", s.state, s.at)
			}
		})
	}
}

func TestRule8AnUnknownThatReplacesMakesItsEvent(t *testing.T) {
	l := newLab(t, checked(Type{OnUnknown: OnUnknownUnknown}, Rule{}))
	l.says("ntp", ok)
	l.at(1001)
	l.verdict(line{rule: "ntp", state: unknown, message: "timed out"})
	l.at(1002)
	l.verdict(line{rule: "ntp", state: unknown, message: "timed out again"})
	require.Equal(t, []string{
		`status Clock=False AllWell "all is well" @16m40s changed Normal `,
		`activation Clock=Unknown NtpDown "timed out" @16m41s changed Normal NtpDown`,
	}, l.seen())
}

func TestRule8ACheckThatNeverSpokeSaysSo(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{}))
	require.Equal(t, `Unknown NotYetChecked "check ntp has not given a verdict yet" @16m40s`, l.stands("Clock"))
	l.verdict(line{rule: "ntp", state: unknown, message: "timed out"})
	require.Equal(t, `Unknown NtpDown "timed out" @16m40s`, l.stands("Clock"))
}

func TestRule9UnchangedVerdictsMakeNothing(t *testing.T) {
	for _, state := range []pipeline.State{ok, problem, unknown} {
		l := newLab(t, checked(Type{OnUnknown: OnUnknownUnknown}, Rule{}))
		l.says("ntp", state)
		l.seen()
		for at := 1001.0; at < 1005; at++ {
			l.at(at)
			l.verdict(line{rule: "ntp", state: state, message: "another text"})
		}
		require.Empty(t, l.seen(), state)
	}
}

func TestRule9AnUnchangedOKClearsWhatItClears(t *testing.T) {
	l := newLab(t, &Config{
		Types: []Type{{Name: "Disk"}},
		Rules: []Rule{
			{ID: "io", Condition: "Disk", Reason: "IOError", Clear: Clear{By: ClearByCheck, Check: "smart"}},
			{ID: "smart", Condition: "Disk", Reason: "SmartBad", Level: true},
		},
	})
	l.says("smart", ok)
	l.at(1001)
	l.matches("io")
	l.seen()
	l.at(1002)
	l.says("smart", ok)
	require.Equal(t, []string{`status Disk=False AllWell "all is well" @16m42s changed Normal IOError`}, l.seen())
}

func TestRule10ActivationHasTheVerdictsTime(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{For: seconds(10)}))
	l.says("ntp", problem)
	l.at(1015)
	l.verdict(line{rule: "ntp", state: problem, at: 1012, start: 1011})
	require.Equal(t, `True NtpDown "message of ntp" @16m52s`, l.stands("Clock"))
}

func TestRule10ForRunsOnTheBootClock(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{For: seconds(10)}))
	l.says("ntp", problem)
	l.at(1005)
	l.stepWall(3600)
	l.says("ntp", problem)
	require.Equal(t, pipeline.ConditionUnknown, l.status("Clock"), "a wall step moves no timer")
	l.at(1010)
	l.stepWall(3600)
	l.says("ntp", problem)
	require.Equal(t, pipeline.ConditionTrue, l.status("Clock"))
}

func TestVerdictsReadAgainAreDropped(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{FailureThreshold: 2}))
	l.verdict(line{rule: "ntp", state: problem, start: 999})
	require.Equal(t, DropRepeated, l.verdict(line{rule: "ntp", state: problem, start: 999}).Dropped)
	require.Equal(t, DropRepeated, l.verdict(line{rule: "ntp", state: problem, start: 998}).Dropped)
	require.Equal(t, pipeline.ConditionUnknown, l.status("Clock"), "a run counts once")
	require.Equal(t, DropEarlierBoot, l.verdict(line{rule: "ntp", state: problem, boot: bootB}).Dropped)
}

func TestInstancesOfALevelStandApart(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{HasInstances: true}))
	l.verdict(line{rule: "ntp", instance: "a", state: problem})
	l.verdict(line{rule: "ntp", instance: "b", state: problem})
	l.at(1001)
	l.verdict(line{rule: "ntp", instance: "a", state: ok})
	require.Equal(t, `True NtpDown "message of ntpb" @16m40s`, l.stands("Clock"))
	l.verdict(line{rule: "ntp", instance: "b", state: ok})
	require.Equal(t, pipeline.ConditionFalse, l.status("Clock"))
}

func TestSurplusInstancesOfALevelAreNotCountedTogether(t *testing.T) {
	for need, want := range map[int]pipeline.ConditionStatus{1: "True", 2: "False"} {
		l := newLab(t, checked(Type{}, Rule{HasInstances: true, FailureThreshold: need}))
		name := func(i int) string { return string(rune('a'+i%26)) + string(rune('a'+i/26)) }
		for range 2 {
			l.at(l.now.Boot.Seconds() + 1)
			for i := range MaxInstancesPerRule {
				l.verdict(line{rule: "ntp", instance: name(i), state: problem})
			}
		}
		for i := range MaxInstancesPerRule {
			l.at(l.now.Boot.Seconds() + 1)
			l.verdict(line{rule: "ntp", instance: name(i), state: ok})
			l.at(l.now.Boot.Seconds() + 1)
			l.verdict(line{rule: "ntp", instance: name(i), state: problem})
		}
		l.at(l.now.Boot.Seconds() + 1)
		for i := range 3 {
			require.True(t, l.verdict(line{rule: "ntp", instance: "surplus" + name(i), state: problem}).JoinedOther)
		}
		held := l.s.Types["Clock"].Causes[Key{Rule: "ntp", Instance: OtherInstance}]
		require.NotNil(t, held)
		require.Equal(t, want == "True", held.State == problem)
		l.at(l.now.Boot.Seconds() + 1)
		l.verdict(line{rule: "ntp", instance: "surplusaa", state: ok})
		require.Equal(t, want == "True", held.State == problem, "one instance's ok says nothing of the others")
	}
}

func TestAnEventsCheckFiresOnEachProblem(t *testing.T) {
	l := newLab(t, &Config{Rules: []Rule{
		{ID: "ntp", Reason: "NtpDown", Level: true, FailureThreshold: 2},
		{ID: "seen", Reason: "Seen", Level: true, Observe: true},
	}})
	for i, state := range []pipeline.State{problem, problem, problem, ok, unknown, problem} {
		l.at(1001 + float64(i))
		l.says("ntp", state)
	}
	require.Len(t, l.fired, 2)
	l.says("seen", problem)
	require.True(t, l.fired[2].Observe)
}
