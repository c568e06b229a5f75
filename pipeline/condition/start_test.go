package condition

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Rules 16 to 22: start, seed, replay.

// disks is a condition whose rule tells instances apart by their message.
func disks(clear Clear) *Config {
	return &Config{
		Types: []Type{{Name: "Disk"}},
		Rules: []Rule{
			{ID: "io", Condition: "Disk", Reason: "IOError", Source: "kernel", HasInstances: true, Clear: clear, InstanceOf: instanceOf("I/O error on ")},
			{ID: "fs", Condition: "Disk", Reason: "ReadOnly", Clear: clear},
		},
	}
}

func instanceOf(prefix string) func(string) (string, bool) {
	return func(message string) (string, bool) { return strings.CutPrefix(message, prefix) }
}

func ioError(instance string) line {
	return line{rule: "io", instance: instance, message: "I/O error on " + instance}
}

func TestRule20AProblemOnTheNodeBecomesACause(t *testing.T) {
	for name, tt := range map[string]struct {
		reason, message string
		want            []Key
	}{
		"the instance whose message it is": {"IOError", "I/O error on sda", []Key{{Rule: "io", Instance: "sda", FromNode: true}}},
		"less the count of others": {"IOError", "I/O error on sda (and 2 more)", []Key{
			{Rule: OthersRule, FromNode: true}, {Rule: "io", Instance: "sda", FromNode: true},
		}},
		"an instance that no message tells": {"IOError", "words", []Key{{Rule: "io", FromNode: true}}},
		"a rule without instances":          {"ReadOnly", "any", []Key{{Rule: "fs", FromNode: true}}},
		"no rule explains it":               {"Gone", "any", []Key{{Rule: RestoredRule, FromNode: true}}},
		"only the others were shown":        {ReasonEarlierCauses, "any", []Key{{Rule: OthersRule, FromNode: true}}},
		"no count at all":                   {"ReadOnly", "a (and 0 more)", []Key{{Rule: "fs", FromNode: true}}},
		"no number":                         {"ReadOnly", "a (and no more)", []Key{{Rule: "fs", FromNode: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, disks(Clear{}))
			l.seed(on("Disk", "True", tt.reason, tt.message, 500, 900))
			var keys []Key
			for _, c := range l.s.Types["Disk"].Causes.sorted() {
				require.Equal(t, problem, c.State)
				require.True(t, c.Restored)
				keys = append(keys, c.Key)
			}
			require.Equal(t, tt.want, keys)
			require.Equal(t, offset(wall(500)), offset(l.s.Types["Disk"].Shown.LastTransitionTime), "the Node's time wins")
		})
	}
}

func TestRule20OfSeveralRulesTheOneWhoseMessageItIsElseTheFirst(t *testing.T) {
	config := disks(Clear{})
	config.Rules = append(config.Rules,
		Rule{ID: "io2", Condition: "Disk", Reason: "IOError", HasInstances: true, InstanceOf: instanceOf("bad block on ")},
		Rule{ID: "was", Condition: "Disk", Reason: "New", Formerly: []Former{{Reason: "Old"}}})
	for message, want := range map[string]Key{
		"I/O error on sda": {Rule: "io", Instance: "sda", FromNode: true},
		"bad block on sdb": {Rule: "io2", Instance: "sdb", FromNode: true},
		"neither":          {Rule: "io", FromNode: true},
	} {
		l := newLab(t, config)
		l.seed(on("Disk", "True", "IOError", message, 500, 900))
		require.Contains(t, l.s.Types["Disk"].Causes, want)
	}
	l := newLab(t, config)
	l.seed(on("Disk", "True", "Old", "any", 500, 900))
	require.Contains(t, l.s.Types["Disk"].Causes, Key{Rule: "was", FromNode: true}, "the seed looks for the old reason too")
}

func TestRule20ReservedAndStrangeConditionsAreLeftAlone(t *testing.T) {
	config := disks(Clear{})
	config.Types = append(config.Types, Type{Name: "Ready", Reserved: true})
	l := newLab(t, config)
	l.seed(on("Ready", "True", "KubeletReady", "m", 1, 2), on("Strange", "True", "R", "m", 1, 2), on("Disk", "", "R", "m", 1, 2))
	require.Equal(t, `False AllWell "all is well" @16m40s`, l.stands("Ready"))
	require.Equal(t, `False AllWell "all is well" @16m40s`, l.stands("Disk"))
}

// TestRule20TheTimeStaysTheNodes replays the lines that the Node's status stands
// for: none of them moves its time, those after its heartbeat do.
func TestRule20TheTimeStaysTheNodes(t *testing.T) {
	type input struct {
		at       float64
		recovery bool
	}
	for name, tt := range map[string]struct {
		node  NodeCondition
		lines []input
		want  string
	}{
		"the problem's line is read again": {
			on("LinkDown", "True", "Down", "message of link", 500, 900), []input{{500.4, false}}, "True @8m20s"},
		"with an earlier episode": {
			on("LinkDown", "True", "Down", "message of link", 500, 900), []input{{100, false}, {200, true}, {500.4, false}}, "True @8m20s"},
		"a recovery that the Node never saw": {
			on("LinkDown", "True", "Down", "message of link", 500, 900), []input{{500.4, false}, {899, true}}, "False @14m59s"},
		"a recovery after the heartbeat": {
			on("LinkDown", "True", "Down", "message of link", 500, 900), []input{{500.4, false}, {950, true}}, "False @15m50s"},
		"and a problem again": {
			on("LinkDown", "True", "Down", "message of link", 500, 900), []input{{500.4, false}, {950, true}, {960, false}}, "True @16m0s"},
		"the whole story of a healthy Node": {
			on("LinkDown", "False", "AllWell", "all is well", 700, 900), []input{{100, false}, {200, true}, {300, false}, {700.2, true}}, "False @11m40s"},
		"a problem that the healthy Node never saw": {
			on("LinkDown", "False", "AllWell", "all is well", 700, 900), []input{{300, false}, {699, true}, {901, false}}, "True @15m1s"},
	} {
		t.Run(name, func(t *testing.T) {
			config := links()
			config.Rules[0].HasInstances = false
			l := newLab(t, config)
			l.expect("kmsg")
			l.seed(tt.node)
			for _, in := range tt.lines {
				if in.recovery {
					l.recover(line{rule: "link", at: in.at})
				} else {
					l.match(line{rule: "link", at: in.at})
				}
			}
			l.ends("kmsg")
			c := l.s.Types["LinkDown"].Shown
			require.Equal(t, tt.want, string(c.Status)+" @"+offset(c.LastTransitionTime))
		})
	}
}

func TestRule20AHealthyNodeReplaysItsLinesAndEndsThemSilently(t *testing.T) {
	l := newLab(t, deadlock())
	l.expect("kmsg")
	l.seed(on("Deadlock", "False", "AllWell", "all is well", 700, 900))
	l.match(line{rule: "a", at: 600})
	l.match(line{rule: "b", at: 700}) // not after it
	require.Equal(t, []string{
		`activation Deadlock=False AllWell "all is well" @11m40s Warning TaskHung`,
		`activation Deadlock=False AllWell "all is well" @11m40s Warning LockUp`,
	}, l.seen(), "what is past makes its Events and is not shown")
	l.match(line{rule: "b", at: 700.4})
	require.Equal(t, []string{
		`activation Deadlock=True LockUp "message of b" @11m40s changed Warning LockUp`,
	}, l.seen(), "the first line after it ends the others")
	l.ends("kmsg")
	require.Equal(t, `True LockUp "message of b" @11m40s`, l.stands("Deadlock"))
}

func TestRule20TheBacklogsEndEndsThemToo(t *testing.T) {
	l := newLab(t, deadlock())
	l.expect("kmsg")
	l.seed(on("Deadlock", "False", "AllWell", "all is well", 700, 900))
	l.match(line{rule: "a", at: 600})
	require.Len(t, l.seen(), 1, "it makes its Event")
	l.ends("kmsg")
	require.Empty(t, l.seen(), "it was never shown")
	require.Empty(t, activeKeys(l, "Deadlock"))
	l.match(line{rule: "a", at: 650, receiver: "late"})
	require.Equal(t, DropCleared, l.last.Dropped)
}

func TestRule20SeveralSourcesInOneBacklogAreJudgedEachInItsOrder(t *testing.T) {
	l := newLab(t, deadlock())
	l.expect("kmsg", "journal")
	l.seed(on("Deadlock", "False", "AllWell", "all is well", 700, 900))
	l.match(line{rule: "a", at: 600, receiver: "kmsg"})
	l.match(line{rule: "r", at: 800, receiver: "kmsg"}) // kmsg has passed the Node's time
	l.seen()
	l.match(line{rule: "b", at: 650, receiver: "journal"}) // the journal has not
	require.Len(t, l.seen(), 1, "its lines up to there still make their Events")
	require.Len(t, activeKeys(l, "Deadlock"), 2)
	l.match(line{rule: "b", at: 660, receiver: "journal"})
	require.Empty(t, l.seen())
	l.match(line{rule: "a", at: 750, receiver: "journal"})
	require.Equal(t, []Key{{Rule: "a"}, {Rule: "r"}}, activeKeys(l, "Deadlock"), "now it has")
	l.ends("journal", "kmsg")
	require.Equal(t, []Key{{Rule: "a"}, {Rule: "r"}}, activeKeys(l, "Deadlock"))
}

func TestRule20ACauseOfTwoSourcesIsActivatedAgainByTheFirstLaterLine(t *testing.T) {
	l := newLab(t, deadlock())
	l.expect("kmsg", "journal")
	l.seed(on("Deadlock", "False", "AllWell", "all is well", 700, 900))
	l.match(line{rule: "a", at: 600, receiver: "kmsg"})
	l.match(line{rule: "a", at: 650, receiver: "journal"})
	l.seen()
	l.match(line{rule: "a", at: 800, receiver: "kmsg"})
	require.Equal(t, []string{
		`activation Deadlock=True TaskHung "message of a" @13m20s changed Warning TaskHung`,
	}, l.seen())
	l.match(line{rule: "a", at: 660, receiver: "journal"})
	l.ends("journal", "kmsg")
	require.Equal(t, `True TaskHung "message of a" @13m20s`, l.stands("Deadlock"))
}

func activeKeys(l *lab, conditionType string) []Key {
	var keys []Key
	for _, c := range l.s.Types[conditionType].Causes.sorted() {
		if c.active() {
			keys = append(keys, c.Key)
		}
	}
	return keys
}

func TestRule20AHealthyNodeIsAnOKForItsLevels(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{}))
	l.seed(on("Clock", "False", "AllWell", "all is well", 700, 900))
	require.Equal(t, `False AllWell "all is well" @11m40s`, l.stands("Clock"))
	require.False(t, l.s.Settled(), "its first verdict is waited for all the same")
}

func TestRule20AHealthyNodeOfAnotherBootSaysNothing(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{}))
	l.step(&Seed{Conditions: []NodeCondition{on("Clock", "False", "AllWell", "all is well", 700, 900)}, Marker: bootB})
	require.Equal(t, pipeline.ConditionUnknown, l.status("Clock"))
}

func TestRule20ANodeTimeInOurFutureClearsNothing(t *testing.T) {
	l := newLab(t, deadlock())
	l.expect("kmsg")
	l.seed(on("Deadlock", "False", "AllWell", "all is well", 5000, 5001))
	l.match(line{rule: "a", at: 900})
	l.ends("kmsg")
	require.Equal(t, pipeline.ConditionTrue, l.status("Deadlock"))
}

func TestRule20UnknownOnTheNodeBecomesAnUnknownCause(t *testing.T) {
	l := newLab(t, checked(Type{InitiallyHealthy: true}, Rule{}))
	l.seed(on("Clock", "Unknown", "NtpDown", "timed out", 700, 900))
	require.Equal(t, `Unknown NtpDown "timed out" @11m40s`, l.stands("Clock"))
	l.says("ntp", ok)
	require.Equal(t, `False AllWell "all is well" @16m40s`, l.stands("Clock"))

	l = newLab(t, checked(Type{InitiallyHealthy: true}, Rule{}))
	l.seed(on("Clock", "Unknown", "AllWell", "timed out", 700, 900))
	require.Equal(t, []Key{{Rule: RestoredRule, FromNode: true}}, activeKeys(l, "Clock"))
	l.says("ntp", problem)
	require.Equal(t, pipeline.ConditionTrue, l.status("Clock"))
	l.at(1001)
	l.says("ntp", ok)
	require.Equal(t, pipeline.ConditionFalse, l.status("Clock"), "once every check of the type has said ok")
}

func TestRule16TheStateWinsWhereTheNodeShowsWhatItPatchedLast(t *testing.T) {
	l := newLab(t, deadlock())
	l.matches("a")
	l.at(1010)
	l.matches("r")
	shown := l.s.Types["Deadlock"].Shown
	l.step(&Patched{
		Type: "Deadlock", Status: shown.Status, Reason: shown.Reason, Message: shown.Message, LastTransitionTime: shown.LastTransitionTime,
	})
	node := l.node()
	l.at(1100)
	l.s.Begin(l.book, l.now)
	l.seed(node...)
	require.Equal(t, []Key{{Rule: "a"}, {Rule: "r"}}, activeKeys(l, "Deadlock"))
	require.Empty(t, l.last.Changes)
}

func TestRule16AProblemOfAnotherTimeEndsOlderCausesSilently(t *testing.T) {
	l := newLab(t, deadlock())
	l.matches("a")
	l.at(1010)
	l.match(line{rule: "r"})
	l.at(1200)
	l.s.Begin(l.book, l.now)
	l.expect("kmsg")
	l.seen()
	l.seed(on("Deadlock", "True", "LockUp", "message of b", 1100, 1150))
	require.Equal(t, []Key{{Rule: "b", FromNode: true}}, activeKeys(l, "Deadlock"))
	for i := range l.last.Changes {
		require.False(t, l.last.Changes[i].MakesEvent)
	}
	l.match(line{rule: "a", at: 1050})
	require.Contains(t, activeKeys(l, "Deadlock"), Key{Rule: "a"}, "without tombstone")
}

func TestRule16AProblemOfTheSameTimeKeepsTheStatesCauses(t *testing.T) {
	l := newLab(t, deadlock())
	l.match(line{rule: "a", at: 900}) // shown since 1000, the agent's start
	l.at(1010)
	l.matches("b")
	node := l.node()
	l.at(1100)
	l.s.Begin(l.book, l.now) // the PATCH was made and never noted
	l.seed(node...)
	require.Equal(t, []Key{{Rule: "a"}, {Rule: "b"}}, activeKeys(l, "Deadlock"))
}

func TestRule16AHealthyNodeEndsWhatTheStateStillHolds(t *testing.T) {
	l := newLab(t, deadlock())
	l.matches("a")
	l.at(1100)
	l.s.Begin(l.book, l.now)
	l.expect("kmsg")
	l.seed(on("Deadlock", "False", "AllWell", "all is well", 1050, 1090))
	l.ends("kmsg")
	require.Equal(t, `False AllWell "all is well" @17m30s`, l.stands("Deadlock"))
}

func TestRule17WhichBootWroteTheNode(t *testing.T) {
	for name, tt := range map[string]struct {
		marker, nodeBoot string
		heartbeat        float64
		current          bool
	}{
		"the marker says so":                       {bootA, bootB, -9999, true},
		"the marker says another":                  {bootB, bootA, 900, false},
		"without it: a heartbeat of this boot":     {"", bootA, 900, true},
		"just before the boot, clocks differ":      {"", bootA, -5, true},
		"a heartbeat older than that":              {"", bootA, -6, false},
		"a heartbeat just to come, clocks differ":  {"", bootA, 1005, true},
		"one further to come: the clock went back": {"", bootA, 1006, false},
		"the kubelet has not seen this boot yet":   {"", bootB, 900, false},
		"the Node's boot id is not known":          {"", "", 900, true},
		"nor is it, and the heartbeat is too old":  {"", "", -3600, false},
		"no heartbeat at all: the transition time": {"", "", -1e9, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, deadlock())
			node := on("Deadlock", "True", "TaskHung", "m", min(tt.heartbeat, 500), tt.heartbeat)
			if tt.heartbeat == -1e9 {
				node.LastTransitionTime, node.LastHeartbeatTime = wall(500), time.Time{}
			}
			l.step(&Seed{Conditions: []NodeCondition{node}, Marker: tt.marker, NodeBootID: tt.nodeBoot})
			want := pipeline.ConditionFalse // the boot has ended it
			if tt.current {
				want = pipeline.ConditionTrue
			}
			require.Equal(t, want, l.status("Deadlock"))
		})
	}
}

func TestRule17ARebootWithoutStateMakesItsEvent(t *testing.T) {
	l := newLab(t, several())
	l.step(&Seed{NodeBootID: bootB, Conditions: []NodeCondition{
		on("All", "True", "A", "m", -500, -100), on("Kept", "True", "E", "m", -500, -100), on("Level", "True", "G", "m", -500, -100),
	}})
	require.Equal(t, `False AllWell "all is well" @0s`, l.stands("All"), "at the boot's start")
	require.Equal(t, `True E "m" @-8m20s`, l.stands("Kept"))
	require.Equal(t, `True G "m" @-8m20s`, l.stands("Level"))
	require.Len(t, l.changes, 1)
	require.True(t, l.changes[0].MakesEvent)
	require.Equal(t, pipeline.TransitionUID(pipeline.CauseUID("boot", bootA, "All"), "All", "False"), l.changes[0].UID)
}

func TestRule18NothingIsSettledBeforeBacklogAndFirstVerdicts(t *testing.T) {
	config := checked(Type{}, Rule{})
	config.Rules = append(config.Rules, Rule{ID: "second", Condition: "Clock", Reason: "R", Level: true})
	l := newLab(t, config)
	l.expect("kmsg", "journal")
	require.False(t, l.s.Settled())
	l.ends("kmsg")
	l.says("ntp", unknown)
	l.ends("journal")
	require.False(t, l.s.Settled(), "one check is missing")
	l.says("second", unknown)
	require.True(t, l.s.Settled(), "any verdict is one")
}

func TestRule18FirstVerdictsTimeOut(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{}))
	at, armed := l.s.NextTimer()
	require.True(t, armed)
	require.Equal(t, seconds(1000)+FirstVerdictTimeout, at)
	l.tick(1059.9)
	require.False(t, l.s.Settled())
	l.tick(1060)
	require.True(t, l.s.Settled())
	require.Equal(t, pipeline.ConditionUnknown, l.status("Clock"))
	_, armed = l.s.NextTimer()
	require.False(t, armed)

	l = newLab(t, checked(Type{}, Rule{}))
	l.step(&FirstVerdicts{})
	require.True(t, l.s.Settled())
}

func TestRule18ADegradedSourceHoldsNobodyUp(t *testing.T) {
	l := newLab(t, deadlock())
	l.expect("kmsg")
	l.step(&SourceState{Receiver: "kmsg", Degraded: true})
	require.True(t, l.s.Settled())
	l.step(&SourceState{Receiver: "kmsg"})
	require.False(t, l.s.Settled())
	l.ends("kmsg")
	require.True(t, l.s.Settled())
}

func TestRule21EndsOfARestoredCause(t *testing.T) {
	sda := on("Disk", "True", "IOError", "I/O error on sda", 500, 900)
	words := on("Disk", "True", "IOError", "words", 500, 900)
	withCheck := func(config *Config, level bool) *Config {
		config.Rules = append(config.Rules, Rule{ID: "smart", Reason: "SmartBad", Level: true})
		if level {
			config.Rules[len(config.Rules)-1].Condition = "Disk"
		}
		return config
	}
	recovery := func(in line) func(*lab) { return func(l *lab) { l.recover(in) } }
	for name, tt := range map[string]struct {
		config *Config
		node   NodeCondition
		do     func(*lab)
		ends   bool
	}{
		"operator": {disks(Clear{}), sda, func(l *lab) { l.clear("Disk") }, true},
		"boot": {disks(Clear{}), sda, func(l *lab) {
			l.reboot(bootB, 60)
			l.step(&NewBoot{})
		}, true},
		"latched, boot": {disks(Clear{By: ClearByLatched}), sda, func(l *lab) {
			l.reboot(bootB, 60)
			l.step(&NewBoot{})
		}, false},
		"unexplained, boot": {disks(Clear{By: ClearByLatched}), on("Disk", "True", "Gone", "m", 500, 900), func(l *lab) {
			l.reboot(bootB, 60)
			l.step(&NewBoot{})
		}, true},
		"ttl in full, not yet":             {disks(Clear{By: ClearByTTL, TTL: seconds(100)}), sda, func(l *lab) { l.tick(1099.9) }, false},
		"ttl in full":                      {disks(Clear{By: ClearByTTL, TTL: seconds(100)}), sda, func(l *lab) { l.tick(1100) }, true},
		"recovery of its instance":         {disks(Clear{By: ClearByRecovery}), sda, recovery(line{rule: "io", instance: "sda"}), true},
		"recovery of another":              {disks(Clear{By: ClearByRecovery}), sda, recovery(line{rule: "io", instance: "sdb"}), false},
		"recovery older than it":           {disks(Clear{By: ClearByRecovery}), sda, recovery(line{rule: "io", instance: "sda", at: 499}), false},
		"recovery of all":                  {disks(Clear{By: ClearByRecovery}), sda, recovery(line{rule: "io"}), true},
		"no instance: renders its message": {disks(Clear{By: ClearByRecovery}), words, recovery(line{rule: "io", instance: "sda", message: "words"}), true},
		"no instance: another message":     {disks(Clear{By: ClearByRecovery}), words, recovery(line{rule: "io", instance: "sda"}), false},
		"a rule without instances: any recovery": {
			disks(Clear{By: ClearByRecovery}), on("Disk", "True", "ReadOnly", "words", 500, 900), recovery(line{rule: "fs"}), true},
		"the check that clears it":                {withCheck(disks(Clear{By: ClearByCheck, Check: "smart"}), false), sda, func(l *lab) { l.says("smart", ok) }, true},
		"its own check":                           {checkedDisk(), on("Disk", "True", "SmartBad", "m", 500, 900), func(l *lab) { l.says("smart", ok) }, true},
		"its own check, problem":                  {checkedDisk(), on("Disk", "True", "SmartBad", "m", 500, 900), func(l *lab) { l.says("smart", problem) }, false},
		"unexplained, every check of the type ok": {withCheck(disks(Clear{}), true), on("Disk", "True", "Gone", "m", 500, 900), func(l *lab) { l.says("smart", ok) }, true},
		"unexplained, a check unknown":            {withCheck(disks(Clear{}), true), on("Disk", "True", "Gone", "m", 500, 900), func(l *lab) { l.says("smart", unknown) }, false},
		"explained, a check of the type ok":       {withCheck(disks(Clear{}), true), sda, func(l *lab) { l.says("smart", ok) }, false},
		"unexplained, backlog":                    {disks(Clear{}), on("Disk", "True", "Gone", "m", 500, 900), func(l *lab) { l.ends("kmsg") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, tt.config)
			l.seed(tt.node)
			require.Equal(t, pipeline.ConditionTrue, l.status("Disk"))
			tt.do(l)
			require.Equal(t, !tt.ends, l.status("Disk") == "True", l.stands("Disk"))
		})
	}
}

func checkedDisk() *Config {
	return &Config{
		Types: []Type{{Name: "Disk"}},
		Rules: []Rule{{ID: "smart", Condition: "Disk", Reason: "SmartBad", Level: true}},
	}
}

func TestRule21TheOKOfOneInstanceNeedsAnotherRunToEndWhatNamesNone(t *testing.T) {
	for name, config := range map[string]*Config{
		"its own check":       {Types: []Type{{Name: "Disk"}}, Rules: []Rule{{ID: "smart", Condition: "Disk", Reason: "Bad", Level: true, HasInstances: true}}},
		"a check that clears": smart(true),
	} {
		t.Run(name, func(t *testing.T) {
			reason := config.Rules[0].Reason
			l := newLab(t, config)
			l.seed(on("Disk", "True", reason, "words", 500, 900))
			l.verdict(line{rule: "smart", instance: "sda", state: ok, start: 1000})
			l.verdict(line{rule: "smart", instance: "sdb", state: ok, start: 1000})
			require.Equal(t, pipeline.ConditionTrue, l.status("Disk"), "sdc may come in the same run")
			l.at(1030)
			l.verdict(line{rule: "smart", instance: "sda", state: ok})
			require.Equal(t, pipeline.ConditionFalse, l.status("Disk"))
		})
	}
}

func TestRule21Others(t *testing.T) {
	node := on("Disk", "True", "IOError", "I/O error on sda (and 2 more)", 500, 900)
	config := func(clear Clear, level bool) *Config {
		config := disks(clear)
		if level {
			config.Rules = append(config.Rules, Rule{ID: "smart", Condition: "Disk", Reason: "SmartBad", Level: true})
		}
		return config
	}
	boot := func(l *lab) {
		l.reboot(bootB, 60)
		l.step(&NewBoot{})
	}
	for name, tt := range map[string]struct {
		config *Config
		do     func(*lab)
		ends   bool
	}{
		"boot":                           {config(Clear{}, false), boot, true},
		"boot, a latched rule":           {config(Clear{By: ClearByLatched}, false), boot, false},
		"boot, a level":                  {config(Clear{}, true), boot, false},
		"operator":                       {config(Clear{By: ClearByLatched}, true), func(l *lab) { l.clear("Disk") }, true},
		"the whole boot was read":        {config(Clear{}, false), func(l *lab) { l.ends("kmsg") }, true},
		"read, but not from its start":   {config(Clear{}, false), func(l *lab) { l.step(&BacklogEnd{Receiver: "kmsg"}) }, false},
		"read, a latched rule":           {config(Clear{By: ClearByLatched}, false), func(l *lab) { l.ends("kmsg") }, false},
		"read, a level has not spoken":   {config(Clear{}, true), func(l *lab) { l.ends("kmsg") }, false},
		"read, a level does not know":    {config(Clear{}, true), func(l *lab) { l.ends("kmsg"); l.says("smart", unknown) }, false},
		"read, and the level has spoken": {config(Clear{}, true), func(l *lab) { l.ends("kmsg"); l.says("smart", problem) }, true},
		"the level first":                {config(Clear{}, true), func(l *lab) { l.says("smart", ok); l.ends("kmsg") }, true},
		"a degraded source was not read": {config(Clear{}, false), func(l *lab) { l.step(&SourceState{Receiver: "kmsg", Degraded: true}) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, tt.config)
			l.expect("kmsg")
			l.seed(node)
			require.Equal(t, `True IOError "I/O error on sda (and 1 more)" @8m20s`, l.stands("Disk"))
			tt.do(l)
			_, held := l.s.Types["Disk"].Causes[Key{Rule: OthersRule, FromNode: true}]
			require.Equal(t, tt.ends, !held)
		})
	}
}

func TestRule21TheCountIsNotSeededTwice(t *testing.T) {
	l := newLab(t, disks(Clear{}))
	l.match(ioError("sda"))
	l.at(1010)
	l.match(ioError("sdb"))
	l.at(1020)
	l.match(line{rule: "fs"})
	node := l.node()
	l.at(1100)
	l.s.Begin(l.book, l.now)
	l.seed(node...)
	require.Equal(t, `True ReadOnly "message of fs (and 2 more)" @16m40s`, l.stands("Disk"))
}

func TestRule22TheFirstLineThatAdoptsMakesTheEventAgain(t *testing.T) {
	l := newLab(t, disks(Clear{}))
	l.at(1000.4)
	original := l.match(ioError("sda")).Changes[0]
	node := l.node()
	l.at(1500)
	l.lost()
	l.expect("kmsg")
	l.seed(node...)
	l.seen()
	adopted := ioError("sda")
	adopted.at, adopted.place = 1000.4, 1
	l.match(adopted)
	require.Len(t, l.last.Changes, 1)
	require.Equal(t, original.UID, l.last.Changes[0].UID, "the same name: once in the API")
	require.Equal(t, original.EventMessage, l.last.Changes[0].EventMessage)
	require.False(t, l.last.Changes[0].StatusChanged)
	again := ioError("sda")
	again.at, again.place = 1300, 2
	l.match(again)
	require.Empty(t, l.last.Changes)
	l.ends("kmsg")
	require.Equal(t, `True IOError "I/O error on sda" @16m40s`, l.stands("Disk"))
	require.Equal(t, []Key{{Rule: "io", Instance: "sda"}}, activeKeys(l, "Disk"))
}

func TestRule22AdoptionWaitsForTheThreshold(t *testing.T) {
	config := disks(Clear{})
	config.Rules[0].Threshold = Threshold{3, seconds(60)}
	l := newLab(t, config)
	l.expect("kmsg")
	l.seed(on("Disk", "True", "IOError", "I/O error on sda", 500, 900))
	l.seen()
	for i, at := range []float64{490, 495, 500.5} {
		in := ioError("sda")
		in.at = at
		l.match(in)
		require.Len(t, l.seen(), i/2)
	}
	require.Equal(t, []Key{{Rule: "io", Instance: "sda"}}, activeKeys(l, "Disk"))
}

func TestRule22AnEarlierEpisodeDoesNotHideTheOneThatCounts(t *testing.T) {
	// A check ended the first episode: its ok is in no log. Only the Event of the
	// second may have been lost.
	l := newLab(t, smart(false))
	l.expect("kmsg")
	l.seed(on("Disk", "True", "IOError", "message of io", 500, 900))
	l.seen()
	first := l.match(line{rule: "io", at: 100})
	require.Len(t, first.Changes, 1)
	second := l.match(line{rule: "io", at: 500.5})
	require.Len(t, second.Changes, 1)
	require.True(t, second.Changes[0].MakesEvent)
	require.Equal(t, `True IOError "message of io" @8m20s`, l.stands("Disk"))
}

func TestRule22WhatOnlyOlderLinesExplainIsCountedOnce(t *testing.T) {
	l := newLab(t, deadlock())
	l.expect("kmsg")
	l.seed(on("Deadlock", "True", "TaskHung", "message of a", 500, 900))
	l.match(line{rule: "a", at: 499})
	require.Equal(t, `True TaskHung "message of a" @8m20s`, l.stands("Deadlock"))
	l.ends("kmsg")
	require.Equal(t, []Key{{Rule: "a"}}, activeKeys(l, "Deadlock"))
}

func TestRule22TheFirstProblemVerdictMakesTheEventAgain(t *testing.T) {
	config := checkedDisk()
	config.Rules[0].FailureThreshold = 3
	l := newLab(t, config)
	l.seed(on("Disk", "True", "SmartBad", "m", 500, 900))
	l.seen()
	l.says("smart", problem)
	require.Equal(t, []string{`activation Disk=True SmartBad "message of smart" @8m20s Warning SmartBad`}, l.seen())
	l.at(1010)
	l.says("smart", problem)
	require.Empty(t, l.seen())
}

func TestUnexplainedCausesAreReported(t *testing.T) {
	l := newLab(t, disks(Clear{}))
	out := l.seed(on("Disk", "True", "Gone", "m (and 1 more)", 500, 900))
	require.Len(t, out.Unexplained, 2)
	require.Equal(t, "Disk", out.Unexplained[0].Type)
	require.Equal(t, ReasonEarlierCauses, out.Unexplained[0].Reason)
	require.Equal(t, "Gone", out.Unexplained[1].Reason)
}

func TestRule20ACheckThatHadNotSpokenIsNotRestored(t *testing.T) {
	l := newLab(t, deadlock())
	l.seed(on("Deadlock", "Unknown", ReasonNotYetChecked, "check gone has not given a verdict yet", 500, 900))
	require.Equal(t, pipeline.ConditionFalse, l.status("Deadlock"), "the check is gone")
}

// FuzzSeed takes whatever may stand on a Node.
func FuzzSeed(f *testing.F) {
	f.Add("True", "IOError", "I/O error on sda (and 2 more)", int64(500), int64(900), "", bootA)
	f.Add("False", "AllWell", "all is well", int64(-500), int64(-900), bootB, "")
	f.Add("Unknown", ReasonEarlierCauses, "(and 99999999999999999999 more)", int64(1)<<40, int64(-1)<<40, "", bootB)
	f.Fuzz(func(t *testing.T, status, reason, message string, since, heartbeat int64, marker, nodeBoot string) {
		for _, clear := range []Clear{{}, {By: ClearByLatched}, {By: ClearByTTL, TTL: time.Minute}} {
			l := newLab(t, disks(clear))
			l.expect("kmsg")
			l.step(&Seed{Marker: marker, NodeBootID: nodeBoot, Conditions: []NodeCondition{{
				Type: "Disk", Status: pipeline.ConditionStatus(status), Reason: reason, Message: message,
				LastTransitionTime: time.Unix(since, 0), LastHeartbeatTime: time.Unix(heartbeat, 0),
			}}})
			l.match(ioError("sda"))
			l.ends("kmsg")
			require.Equal(t, pipeline.ConditionTrue, l.status("Disk"))
			l.tick(2000)
			l.clear("Disk")
			require.Equal(t, pipeline.ConditionFalse, l.status("Disk"))
		}
	})
}
