package condition

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Rules 1 to 4: status, what is shown, lastTransitionTime, update_message.

// deadlock is a condition with two plain rules.
func deadlock() *Config {
	return &Config{
		Types: []Type{{Name: "Deadlock"}},
		Rules: []Rule{
			{ID: "a", Condition: "Deadlock", Reason: "TaskHung", Source: "kernel-monitor"},
			{ID: "b", Condition: "Deadlock", Reason: "LockUp"},
			{ID: "r", Condition: "Deadlock", Reason: "Stuck", Clear: Clear{By: ClearByRecovery}},
		},
	}
}

func TestRule1AProblemWinsOverUnknownOverHealthy(t *testing.T) {
	l := newLab(t, &Config{
		Types: []Type{{Name: "Clock", OnUnknown: OnUnknownUnknown, InitiallyHealthy: true}},
		Rules: []Rule{
			{ID: "x", Condition: "Clock", Reason: "XBad", Level: true},
			{ID: "y", Condition: "Clock", Reason: "YBad", Level: true},
		},
	})
	require.Equal(t, pipeline.ConditionFalse, l.status("Clock"))
	l.says("x", pipeline.StateUnknown)
	require.Equal(t, pipeline.ConditionUnknown, l.status("Clock"))
	l.says("y", pipeline.StateProblem)
	require.Equal(t, pipeline.ConditionTrue, l.status("Clock"))
	l.at(1001)
	l.says("y", pipeline.StateOK)
	require.Equal(t, pipeline.ConditionUnknown, l.status("Clock"))
	l.says("x", pipeline.StateOK)
	require.Equal(t, pipeline.ConditionFalse, l.status("Clock"))
}

func TestRule1PolarityRenamesOnly(t *testing.T) {
	config := deadlock()
	config.Types[0].ProblemIsFalse = true
	l := newLab(t, config)
	require.Equal(t, `True AllWell "all is well" @16m40s`, l.stands("Deadlock"))
	l.at(1001)
	l.matches("r")
	l.at(1002)
	l.recover(line{rule: "r"})
	require.Equal(t, []string{
		`activation Deadlock=False Stuck "message of r" @16m41s changed Warning Stuck`,
		`status Deadlock=True AllWell "all is well" @16m42s changed Normal Stuck`,
	}, l.seen())
}

func TestRule1SimultaneousInputsGiveOneStatus(t *testing.T) {
	type input struct {
		name string
		give func(*lab)
	}
	all := []input{
		{"match", func(l *lab) { l.match(line{rule: "r", receiver: "kmsg"}) }},
		{"recovery", func(l *lab) { l.recover(line{rule: "r", receiver: "journal"}) }},
		{"other match", func(l *lab) { l.match(line{rule: "c", receiver: "file"}) }},
		{"ok", func(l *lab) { l.says("check", pipeline.StateOK) }},
		{"recovery of all", func(l *lab) { l.recover(line{rule: "p", receiver: "file/2"}) }},
		{"plain match", func(l *lab) { l.match(line{rule: "p", receiver: "pstore"}) }},
	}
	want := map[string]pipeline.ConditionStatus{"Link": "False", "Disk": "True", "Plain": "False"}
	permutations(len(all), func(order []int) {
		l := newLab(t, &Config{
			Types: []Type{{Name: "Link"}, {Name: "Disk"}, {Name: "Plain"}},
			Rules: []Rule{
				{ID: "r", Condition: "Link", Reason: "Down", Clear: Clear{By: ClearByRecovery}},
				{ID: "c", Condition: "Disk", Reason: "Bad", Clear: Clear{By: ClearByCheck, Check: "check"}},
				{ID: "p", Condition: "Plain", Reason: "Oops", Clear: Clear{By: ClearByRecovery}},
				{ID: "check", Reason: "CheckFailed", Level: true},
			},
		})
		var names []string
		for _, i := range order {
			names = append(names, all[i].name)
			all[i].give(l)
		}
		for conditionType, status := range want {
			require.Equal(t, status, l.status(conditionType), "%s after %v", conditionType, names)
		}
	})
}

func TestRule1SimultaneousHitsAndRecoveriesGiveOneStatus(t *testing.T) {
	hit := func(rule, receiver string) func(*lab) {
		return func(l *lab) { l.match(line{rule: rule, receiver: receiver}) }
	}
	all := []func(*lab){
		hit("r", "kmsg"), hit("r", "journal"), func(l *lab) { l.recover(line{rule: "r", receiver: "file"}) },
		hit("c", "kmsg"), hit("c", "journal"), func(l *lab) { l.says("check", pipeline.StateOK) },
	}
	twice := Threshold{2, seconds(60)}
	permutations(len(all), func(order []int) {
		l := newLab(t, &Config{Types: []Type{{Name: "Link"}, {Name: "Disk"}}, Rules: []Rule{
			{ID: "r", Condition: "Link", Reason: "Down", Threshold: twice, Clear: Clear{By: ClearByRecovery}},
			{ID: "c", Condition: "Disk", Reason: "Bad", Threshold: twice, Clear: Clear{By: ClearByCheck, Check: "check"}},
			{ID: "check", Reason: "CheckFailed", Level: true},
		}})
		for _, i := range order {
			all[i](l)
		}
		require.Equal(t, pipeline.ConditionFalse, l.status("Link"), "order %v", order)
		require.Equal(t, pipeline.ConditionTrue, l.status("Disk"), "order %v", order)
	})
}

func permutations(n int, visit func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var permute func(int)
	permute = func(k int) {
		if k == n {
			visit(order)
			return
		}
		for i := k; i < n; i++ {
			order[k], order[i] = order[i], order[k]
			permute(k + 1)
			order[k], order[i] = order[i], order[k]
		}
	}
	permute(0)
}

func TestRule2ShowsTheCauseActivatedLastAndCountsTheRest(t *testing.T) {
	l := newLab(t, deadlock())
	l.at(1001)
	l.matches("a")
	l.at(1002)
	l.matches("r")
	l.at(1003)
	l.matches("b")
	l.at(1004)
	l.recover(line{rule: "r"})
	require.Equal(t, []string{
		`activation Deadlock=True TaskHung "message of a" @16m41s changed Warning TaskHung`,
		`activation Deadlock=True Stuck "message of r (and 1 more)" @16m41s Warning Stuck`,
		`activation Deadlock=True LockUp "message of b (and 2 more)" @16m41s Warning LockUp`,
		`message Deadlock=True LockUp "message of b (and 1 more)" @16m41s`,
	}, l.seen())
}

func TestRule2FallsBackWithoutEvent(t *testing.T) {
	l := newLab(t, deadlock())
	l.matches("a")
	l.at(1001)
	l.matches("r")
	l.seen()
	l.at(1002)
	l.recover(line{rule: "r"})
	require.Equal(t, []string{`message Deadlock=True TaskHung "message of a" @16m40s`}, l.seen())
}

func TestRule2TiesGoByRuleAndInstance(t *testing.T) {
	permutations(3, func(order []int) {
		l := newLab(t, &Config{Types: []Type{{Name: "Disk"}}, Rules: []Rule{
			{ID: "a", Condition: "Disk", Reason: "A", HasInstances: true},
			{ID: "b", Condition: "Disk", Reason: "B", HasInstances: true},
		}})
		lines := []line{
			{rule: "a", instance: "sdz", receiver: "s", place: 1},
			{rule: "b", instance: "sda", receiver: "s", place: 1},
			{rule: "b", instance: "sdb", receiver: "s", place: 1},
		}
		for _, i := range order {
			in := lines[i]
			o := l.read(in, pipeline.StateProblem)
			o.Order.Place = pipeline.Place{}
			l.step(&Match{o})
		}
		require.Equal(t, `True B "message of bsdb (and 2 more)" @16m40s`, l.stands("Disk"))
	})
}

func TestRule2ActivationTellsOfItsOwnCauseThoughAnotherIsShown(t *testing.T) {
	l := newLab(t, deadlock())
	l.at(1010)
	l.matches("a")
	l.match(line{rule: "b", at: 1005, receiver: "journal"})
	require.Equal(t, []string{
		`activation Deadlock=True TaskHung "message of a" @16m50s changed Warning TaskHung`,
		`activation Deadlock=True TaskHung "message of a (and 1 more)" @16m50s Warning LockUp`,
	}, l.seen())
	require.Equal(t, `Node condition Deadlock is now: True, reason: LockUp, message: "message of b"`, l.all[1].EventMessage)
}

func TestEventTextsAreThoseOfNodeProblemDetector(t *testing.T) {
	l := newLab(t, deadlock())
	l.match(line{rule: "r", message: "task \"x\" hung\nstack", severity: log.SeverityFatal})
	l.at(1001)
	l.recover(line{rule: "r"})
	require.Equal(t, `Node condition Deadlock is now: True, reason: Stuck, message: "task \"x\" hung\nstack"`, l.all[0].EventMessage)
	require.Equal(t, log.SeverityFatal, l.all[0].Severity)
	require.Equal(t, `Node condition Deadlock is now: False, reason: AllWell, message: "all is well"`, l.all[1].EventMessage)
	require.Equal(t, log.SeverityInfo, l.all[1].Severity)
}

func TestEventsNameTheCausesSource(t *testing.T) {
	l := newLab(t, deadlock())
	require.Equal(t, "kernel-monitor", l.match(line{rule: "a"}).Changes[0].Source)
	require.Equal(t, "kernel-monitor", l.clear("Deadlock").Changes[0].Source)
	fresh := newLab(t, &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{{ID: "x", Condition: "T", Reason: "X"}}})
	require.Equal(t, "otelnpd", fresh.match(line{rule: "x"}).Changes[0].Source)
}

func TestRule3TimeMovesWithTheStatusAlone(t *testing.T) {
	l := newLab(t, deadlock())
	require.Equal(t, `False AllWell "all is well" @16m40s`, l.stands("Deadlock"), "the first status has the agent's start")
	l.at(1010.9)
	l.match(line{rule: "r", at: 1005.7})
	require.Equal(t, `True Stuck "message of r" @16m45s`, l.stands("Deadlock"), "the input's time, whole seconds")
	l.at(1020)
	l.matches("a", "b", "r")
	require.Equal(t, `True LockUp "message of b (and 2 more)" @16m45s`, l.stands("Deadlock"))
}

func TestRule3TimeIsClamped(t *testing.T) {
	l := newLab(t, deadlock())
	l.match(line{rule: "r", at: 500})
	require.Equal(t, `True Stuck "message of r" @16m40s`, l.stands("Deadlock"), "not before the previous one")
	l.at(1001)
	l.recover(line{rule: "r", at: 1100})
	require.Equal(t, `False AllWell "all is well" @16m41s`, l.stands("Deadlock"), "not after now")
}

func TestRule3AWallClockStepBackTakesNow(t *testing.T) {
	l := newLab(t, deadlock())
	l.at(1010)
	l.matches("r")
	l.at(1020)
	l.stepWall(-600)
	l.recover(line{rule: "r"})
	require.Equal(t, `False AllWell "all is well" @7m0s`, l.stands("Deadlock"))
}

func TestRule3AStatusTooShortToBeSeenMovesTheTime(t *testing.T) {
	l := newLab(t, deadlock())
	l.matches("r")
	l.at(1005)
	l.recover(line{rule: "r"})
	l.matches("r")
	require.Equal(t, `True Stuck "message of r" @16m45s`, l.stands("Deadlock"))
}

func TestRule3SubSecondChangesKeepTheSecond(t *testing.T) {
	l := newLab(t, deadlock())
	for _, at := range []float64{1001.1, 1001.3, 1001.5} {
		l.at(at)
		l.matches("r")
		l.at(at + 0.1)
		l.recover(line{rule: "r"})
	}
	require.Equal(t, `False AllWell "all is well" @16m41s`, l.stands("Deadlock"))
	require.Len(t, l.all, 6)
}

func updating() *Config {
	config := deadlock()
	config.Rules[0].UpdateMessage = true
	return config
}

func TestRule4AChangedMessageWaitsForItsMinute(t *testing.T) {
	l := newLab(t, updating())
	l.match(line{rule: "a", message: "one"})
	l.at(1030)
	l.match(line{rule: "a", message: "two"})
	l.at(1040)
	l.match(line{rule: "a", message: "three"})
	l.tick(1059.9)
	require.Equal(t, []string{`activation Deadlock=True TaskHung "one" @16m40s changed Warning TaskHung`}, l.seen())
	at, ok := l.s.NextTimer()
	require.True(t, ok)
	require.Equal(t, seconds(1060), at)
	l.tick(1060)
	require.Equal(t, []string{`message Deadlock=True TaskHung "three" @16m40s Warning TaskHung`}, l.seen(), "the newest")
	l.at(1300)
	l.match(line{rule: "a", message: "four"})
	require.Equal(t, []string{`message Deadlock=True TaskHung "four" @16m40s Warning TaskHung`}, l.seen(), "at once after a quiet minute")
	require.Equal(t, l.all[1].UID, l.all[2].UID, "one series of Events")
}

func TestRule4OnlyTheShownCauseUpdates(t *testing.T) {
	l := newLab(t, updating())
	l.match(line{rule: "a", message: "one"})
	l.at(1200)
	l.matches("b")
	l.seen()
	l.at(1300)
	l.match(line{rule: "a", message: "two"})
	l.tick(1400)
	require.Empty(t, l.seen())
}

func TestRule4AWaitingMessageDiesWithItsCause(t *testing.T) {
	for name, end := range map[string]func(*lab){
		"cleared":     func(l *lab) { l.clear("Deadlock") },
		"rule is off": func(l *lab) { l.reload(&Config{Types: []Type{{Name: "Deadlock"}}}) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, updating())
			l.match(line{rule: "a", message: "one"})
			l.at(1010)
			l.match(line{rule: "a", message: "two"})
			end(l)
			l.seen()
			l.tick(1200)
			require.Empty(t, l.seen())
			require.Equal(t, pipeline.ConditionFalse, l.status("Deadlock"))
		})
	}
}

func TestRule4WithoutUpdateMessageTheTextIsFrozen(t *testing.T) {
	l := newLab(t, deadlock())
	l.match(line{rule: "a", message: "one"})
	l.seen()
	l.at(1500)
	l.match(line{rule: "a", message: "two"})
	require.Empty(t, l.seen())
	require.Equal(t, `True TaskHung "one" @16m40s`, l.stands("Deadlock"))
}

func TestRule4VerdictsUpdateToo(t *testing.T) {
	l := newLab(t, &Config{
		Types: []Type{{Name: "Ntp", UpdateMessage: true, InitiallyHealthy: true}},
		Rules: []Rule{{ID: "ntp", Condition: "Ntp", Reason: "NtpDown", Level: true}},
	})
	l.verdict(line{rule: "ntp", state: pipeline.StateProblem, message: "off by 1 s"})
	l.at(1090)
	l.verdict(line{rule: "ntp", state: pipeline.StateProblem, message: "off by 2 s"})
	require.Equal(t, `True NtpDown "off by 2 s" @16m40s`, l.stands("Ntp"))
}
