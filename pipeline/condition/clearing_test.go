package condition

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Rules 11 to 14: recovery, check, ttl, boot, operator.

func links() *Config {
	return &Config{
		Types: []Type{{Name: "LinkDown"}},
		Rules: []Rule{{ID: "link", Condition: "LinkDown", Reason: "Down", HasInstances: true, Clear: Clear{By: ClearByRecovery}}},
	}
}

func TestRule11ARecoveryEndsItsInstance(t *testing.T) {
	l := newLab(t, links())
	l.match(line{rule: "link", instance: "eth0"})
	l.match(line{rule: "link", instance: "eth1"})
	l.at(1005)
	l.recover(line{rule: "link", instance: "eth0"})
	require.Equal(t, `True Down "message of linketh1" @16m40s`, l.stands("LinkDown"))
	l.recover(line{rule: "link", instance: "eth9"})
	require.Equal(t, pipeline.ConditionTrue, l.status("LinkDown"))
	l.recover(line{rule: "link", instance: "eth1"})
	require.Equal(t, `False AllWell "all is well" @16m45s`, l.stands("LinkDown"))
}

func TestRule11ARecoveryWithoutInstanceEndsAllOfTheRule(t *testing.T) {
	l := newLab(t, links())
	l.match(line{rule: "link", instance: "eth0"})
	l.match(line{rule: "link", instance: "eth1"})
	l.at(1005)
	l.recover(line{rule: "link"})
	require.Equal(t, pipeline.ConditionFalse, l.status("LinkDown"))
	l.match(line{rule: "link", instance: "eth2", at: 1004, receiver: "journal"})
	require.Equal(t, DropCleared, l.last.Dropped, "an instance nobody had heard of")
}

func TestRule11ARecoveryEndsNothingThatHappenedSince(t *testing.T) {
	for name, tt := range map[string]struct {
		last, recovery float64
		want           pipeline.ConditionStatus
	}{
		"before": {1003, 1002.999, "True"},
		"at":     {1003, 1003, "False"},
		"after":  {1003, 1003.001, "False"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, links())
			l.at(1010)
			l.match(line{rule: "link", at: 1001})
			l.match(line{rule: "link", at: tt.last})
			l.recover(line{rule: "link", at: tt.recovery, receiver: "journal"})
			require.Equal(t, tt.want, l.status("LinkDown"))
		})
	}
}

func smart(instances bool) *Config {
	return &Config{
		Types: []Type{{Name: "Disk"}},
		Rules: []Rule{
			{ID: "io", Condition: "Disk", Reason: "IOError", HasInstances: instances, Clear: Clear{By: ClearByCheck, Check: "smart"}},
			{ID: "smart", Reason: "SmartBad", Level: true, HasInstances: instances},
		},
	}
}

func TestRule11AnOKEndsOnlyWhatWasBeforeItsRun(t *testing.T) {
	for name, tt := range map[string]struct {
		last, start float64
		want        pipeline.ConditionStatus
	}{
		"before the run":  {1003, 1003.001, "False"},
		"at its start":    {1003, 1003, "True"},
		"during the run":  {1004, 1003, "True"},
		"long before":     {1001, 1003, "False"},
		"read afterwards": {1005, 1003, "True"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, smart(false))
			l.at(1010)
			l.match(line{rule: "io", at: tt.last})
			l.verdict(line{rule: "smart", state: ok, start: tt.start})
			require.Equal(t, tt.want, l.status("Disk"))
		})
	}
}

func TestRule11ALineReadAfterTheOKThatAnswersIt(t *testing.T) {
	l := newLab(t, smart(false))
	l.at(1010)
	l.verdict(line{rule: "smart", state: ok, start: 1005})
	require.Equal(t, DropCleared, l.match(line{rule: "io", at: 1004}).Dropped)
	l.match(line{rule: "io", at: 1005})
	require.Equal(t, pipeline.ConditionTrue, l.status("Disk"))
}

func TestRule11AnOKOfAnInstanceEndsThatInstance(t *testing.T) {
	l := newLab(t, smart(true))
	l.match(line{rule: "io", instance: "sda"})
	l.match(line{rule: "io", instance: "sdb"})
	l.at(1005)
	l.verdict(line{rule: "smart", instance: "sda", state: ok})
	require.Equal(t, `True IOError "message of iosdb" @16m40s`, l.stands("Disk"))
	l.at(1006)
	l.verdict(line{rule: "smart", state: ok})
	require.Equal(t, pipeline.ConditionFalse, l.status("Disk"))
}

func fading(ttl float64) *Config {
	return &Config{
		Types: []Type{{Name: "Slow"}},
		Rules: []Rule{
			{ID: "a", Condition: "Slow", Reason: "A", HasInstances: true, Clear: Clear{By: ClearByTTL, TTL: seconds(ttl)}},
			{ID: "b", Condition: "Slow", Reason: "B", Receivers: []string{"journal"}, Clear: Clear{By: ClearByTTL, TTL: seconds(ttl)}},
		},
	}
}

func TestRule12TTLRunsFromTheNewestMatch(t *testing.T) {
	l := newLab(t, fading(60))
	l.matches("a")
	l.at(1050)
	l.matches("a")
	l.tick(1109.999)
	require.Equal(t, pipeline.ConditionTrue, l.status("Slow"))
	at, armed := l.s.NextTimer()
	require.True(t, armed)
	require.Equal(t, seconds(1110), at)
	l.tick(1115)
	require.Equal(t, `False AllWell "all is well" @18m30s`, l.stands("Slow"), "at its own time, whenever the tick comes")
	require.Equal(t, pipeline.TransitionUID(pipeline.CauseUID("ttl", l.all[0].uidOfCause(l).String()), "Slow", "False"), l.all[1].UID)
	_, armed = l.s.NextTimer()
	require.False(t, armed)
}

// uidOfCause returns the UID of the match that made an activation.
func (c *Change) uidOfCause(l *lab) pipeline.UID {
	return l.s.Types[c.Condition.Type].Causes[Key{Rule: c.Cause.Rule, Instance: c.Cause.Instance}].UID
}

func TestRule12TTLRunsOnTheBootClock(t *testing.T) {
	l := newLab(t, fading(60))
	l.matches("a")
	l.at(1030)
	l.stepWall(7200)
	l.step(&Tick{})
	require.Equal(t, pipeline.ConditionTrue, l.status("Slow"))
}

func TestRule12AMatchFirstJudgesEveryTTLOfItsTypeAtItsOwnTime(t *testing.T) {
	l := newLab(t, fading(60))
	l.expect("kmsg")
	l.at(2000)
	l.match(line{rule: "a", instance: "x", at: 1001})
	l.match(line{rule: "a", instance: "y", at: 1030})
	l.match(line{rule: "a", instance: "x", at: 1100}) // both had run out
	l.match(line{rule: "a", instance: "x", at: 1159})
	require.Equal(t, []string{
		`activation Slow=True A "message of ax" @16m41s changed Warning A`,
		`activation Slow=True A "message of ay (and 1 more)" @16m41s Warning A`,
		`message Slow=True A "message of ay" @16m41s`,
		`status Slow=False AllWell "all is well" @18m10s changed Normal A`,
		`activation Slow=True A "message of ax" @18m20s changed Warning A`,
	}, l.seen())
	l.tick(2001)
	require.Empty(t, l.seen(), "the timer judges only after the backlog's last line")
	l.ends("kmsg")
	require.Equal(t, []string{`status Slow=False AllWell "all is well" @20m19s changed Normal A`}, l.seen())
}

func TestRule12ALineJudgedTogetherWithItsTTLIsNotLost(t *testing.T) {
	l := newLab(t, fading(60))
	l.matches("a")
	l.at(1060.3)
	l.match(line{rule: "a", at: 1059.9}) // read late: the timer was faster
	require.Equal(t, pipeline.ConditionTrue, l.status("Slow"))
}

func TestRule12TTLStandsStillWhileASourceIsDegraded(t *testing.T) {
	l := newLab(t, fading(60))
	l.expect("kmsg", "journal")
	l.ends("kmsg", "journal")
	l.matches("a")
	l.at(1020)
	l.step(&SourceState{Receiver: "kmsg", Degraded: true})
	l.tick(1500)
	require.Equal(t, pipeline.ConditionTrue, l.status("Slow"), "silence is not health")
	l.step(&SourceState{Receiver: "kmsg"})
	at, _ := l.s.NextTimer()
	require.Equal(t, seconds(1540), at, "20 s had passed")
	l.tick(1539.9)
	require.Equal(t, pipeline.ConditionTrue, l.status("Slow"))
	l.tick(1540)
	require.Equal(t, `False AllWell "all is well" @25m40s`, l.stands("Slow"))
}

func TestRule12StandingStill(t *testing.T) {
	degraded := func(receiver string, is bool) func(*lab) {
		return func(l *lab) { l.step(&SourceState{Receiver: receiver, Degraded: is}) }
	}
	match := func(in line) func(*lab) { return func(l *lab) { l.match(in) } }
	type at struct {
		s  float64
		do func(*lab)
	}
	for name, tt := range map[string]struct {
		rule string
		do   []at
		ends float64
	}{
		"nothing happens":                    {"a", nil, 1060},
		"two sources, one after the other":   {"a", []at{{1010, degraded("kmsg", true)}, {1020, degraded("journal", true)}, {1030, degraded("kmsg", false)}, {1040, degraded("journal", false)}}, 1090},
		"twice":                              {"a", []at{{1010, degraded("kmsg", true)}, {1020, degraded("kmsg", false)}, {1030, degraded("kmsg", true)}, {1050, degraded("kmsg", false)}}, 1090},
		"told twice":                         {"a", []at{{1010, degraded("kmsg", true)}, {1015, degraded("kmsg", true)}, {1020, degraded("kmsg", false)}}, 1070},
		"a source that does not feed it":     {"b", []at{{1010, degraded("kmsg", true)}}, 1060},
		"a source that feeds it":             {"b", []at{{1010, degraded("journal", true)}, {1020, degraded("journal", false)}}, 1070},
		"a receiver that feeds no condition": {"a", []at{{1010, degraded("hoststats", true)}}, 1060},
		"a match starts it anew":             {"a", []at{{1010, degraded("kmsg", true)}, {1020, degraded("kmsg", false)}, {1030, match(line{rule: "a"})}}, 1090},
		"a match in the meantime": {"a", []at{
			{1010, degraded("kmsg", true)}, {1020, match(line{rule: "a", receiver: "journal"})}, {1050, degraded("kmsg", false)},
		}, 1110},
		"an older match in the meantime": {"a", []at{
			{1010, degraded("kmsg", true)}, {1020, match(line{rule: "a", receiver: "journal", at: 1005})}, {1050, degraded("kmsg", false)},
		}, 1105},
		"removed while degraded": {"a", []at{{1010, degraded("kmsg", true)}, {1030, func(l *lab) { l.expect("journal") }}}, 1080},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, fading(60))
			l.expect("kmsg", "journal")
			l.ends("kmsg", "journal")
			l.matches(tt.rule)
			for _, one := range tt.do {
				l.at(one.s)
				one.do(l)
			}
			l.tick(tt.ends - 0.001)
			require.Equal(t, pipeline.ConditionTrue, l.status("Slow"))
			l.tick(tt.ends)
			require.Equal(t, pipeline.ConditionFalse, l.status("Slow"))
			require.Equal(t, wholeSecond(wall(tt.ends)), l.s.Types["Slow"].Shown.LastTransitionTime)
		})
	}
}

func TestRule12AMatchWhileDegradedJudgesWhatHadRunOutBefore(t *testing.T) {
	for name, tt := range map[string]struct {
		since float64
		want  int
	}{
		"it had run out":        {1070, 2},
		"it was standing still": {1050, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, fading(60))
			l.expect("kmsg", "journal") // the backlog is not over: no timer acts
			l.matches("a")
			l.seen()
			l.at(tt.since)
			l.step(&SourceState{Receiver: "kmsg", Degraded: true})
			l.at(1100)
			l.match(line{rule: "a", receiver: "journal"})
			require.Len(t, l.seen(), tt.want)
		})
	}
}

func several() *Config {
	return &Config{
		Types: []Type{{Name: "All"}, {Name: "Kept"}, {Name: "Level"}, {Name: "Quiet", InitiallyHealthy: true}},
		Rules: []Rule{
			{ID: "boot", Condition: "All", Reason: "A"},
			{ID: "ttl", Condition: "All", Reason: "B", Clear: Clear{By: ClearByTTL, TTL: seconds(9999)}},
			{ID: "recovery", Condition: "All", Reason: "C", Clear: Clear{By: ClearByRecovery}},
			{ID: "check", Condition: "All", Reason: "D", Clear: Clear{By: ClearByCheck, Check: "level"}},
			{ID: "latched", Condition: "Kept", Reason: "E", Clear: Clear{By: ClearByLatched}},
			{ID: "kept-boot", Condition: "Kept", Reason: "F"},
			{ID: "level", Condition: "Level", Reason: "G", Level: true, FailureThreshold: 2},
		},
	}
}

func TestRule13ANewBootEndsAllButLatchedAndLevels(t *testing.T) {
	l := newLab(t, several())
	l.matches("boot", "ttl", "recovery", "check", "latched", "kept-boot")
	l.says("level", problem)
	l.at(1001)
	l.says("level", problem)
	l.seen()
	l.at(1100)
	l.reboot(bootB, 60)
	l.step(&NewBoot{})
	require.Equal(t, []string{
		`status All=False AllWell "all is well" @19m20s changed Normal `,
		`message Kept=True E "message of latched" @16m40s`,
	}, l.seen(), "one Normal Event a type, and only if its status changed")
	require.Equal(t, `True G "message of level" @16m41s`, l.stands("Level"), "held until its first verdict")
	require.Equal(t, pipeline.TransitionUID(pipeline.CauseUID("boot", bootB, "All"), "All", "False"), l.all[len(l.all)-2].UID)
}

func TestRule13PendingAndStreaksStartAnew(t *testing.T) {
	l := newLab(t, several())
	l.says("level", problem)
	l.reboot(bootB, 60)
	l.step(&NewBoot{})
	l.says("level", problem)
	require.Equal(t, pipeline.ConditionUnknown, l.status("Level"))
	l.at(11)
	l.says("level", problem)
	require.Equal(t, pipeline.ConditionTrue, l.status("Level"))
}

func TestRule13TheOldBootsLastLinesMakeNoSecondEvent(t *testing.T) {
	l := newLab(t, several())
	l.matches("boot")
	l.reboot(bootB, 60)
	l.step(&NewBoot{})
	l.seen()
	l.match(line{rule: "boot", boot: bootA, at: 1003, receiver: "journal"})
	require.Empty(t, l.seen(), "it was a repeat in its boot")
	l.matches("boot")
	require.Len(t, l.seen(), 1)
}

func TestRule13TheOldBootsHitsStayItsOwn(t *testing.T) {
	for _, clear := range []Clear{{}, {By: ClearByLatched}} {
		l := newLab(t, counting(2, 60, clear))
		l.matches("io", "ev")
		l.reboot(bootB, 60)
		l.step(&NewBoot{})
		l.matches("io", "ev")
		require.Empty(t, l.seen())
		require.Empty(t, l.fired)
		l.match(line{rule: "io", boot: bootA, at: 1003, receiver: "journal"})
		l.match(line{rule: "ev", boot: bootA, at: 1003, receiver: "journal"})
		require.Len(t, l.seen(), 1)
		require.Len(t, l.fired, 1)
		want := pipeline.ConditionFalse
		if clear.By == ClearByLatched {
			want = pipeline.ConditionTrue
		}
		require.Equal(t, want, l.status("Disk"))
	}
}

func TestRule13ALatchedTombstoneOutlivesTheBoot(t *testing.T) {
	l := newLab(t, several())
	l.matches("latched")
	l.at(1005)
	l.clear("Kept")
	l.reboot(bootB, 60)
	l.step(&NewBoot{})
	l.match(line{rule: "latched", boot: bootA, at: 1004, receiver: "journal"})
	require.Equal(t, DropCleared, l.last.Dropped)
	l.match(line{rule: "latched", boot: bootA, at: 1006, receiver: "journal"})
	require.Equal(t, pipeline.ConditionTrue, l.status("Kept"))
}

func TestRule14TheOperatorEndsEverything(t *testing.T) {
	l := newLab(t, several())
	l.matches("boot", "ttl", "recovery", "check", "latched", "kept-boot")
	l.says("level", problem)
	l.at(1001)
	l.says("level", problem)
	l.at(1010)
	l.seen()
	for _, conditionType := range []string{"All", "Kept", "Level"} {
		l.clear(conditionType)
	}
	require.Equal(t, []string{
		`status All=False AllWell "all is well" @16m50s changed Normal `,
		`status Kept=False AllWell "all is well" @16m50s changed Normal `,
		`status Level=False AllWell "all is well" @16m50s changed Normal `,
	}, l.seen())
	l.at(1011)
	l.says("level", problem)
	require.Equal(t, pipeline.ConditionFalse, l.status("Level"), "the streak is forgotten too")
	l.at(1012)
	l.says("level", problem)
	require.Equal(t, pipeline.ConditionTrue, l.status("Level"), "the next problem verdict activates again")
}

func TestRule14AnUnchangedProblemVerdictActivatesAgain(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{}))
	l.says("ntp", problem)
	l.at(1001)
	l.clear("Clock")
	require.Equal(t, pipeline.ConditionFalse, l.status("Clock"))
	l.at(1002)
	l.says("ntp", problem)
	require.Equal(t, `True NtpDown "message of ntp" @16m42s`, l.stands("Clock"))
}

func TestRule14ACheckThatNeverSpokeStaysUnknown(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{}))
	l.at(1001)
	l.clear("Clock")
	require.Equal(t, pipeline.ConditionUnknown, l.status("Clock"), "silence is not health")
	require.Empty(t, l.seen())
}

// A restart that cannot read its source must not end what had run out meanwhile:
// nobody knows what the source has said since.
func TestRule12ARestartWithoutItsSourceEndsNothing(t *testing.T) {
	l := newLab(t, fading(60))
	l.expect("kmsg", "journal")
	l.ends("kmsg", "journal")
	l.matches("a")
	l.at(1500)
	l.again(fading(60))
	l.expect("kmsg", "journal")
	l.step(&SourceState{Receiver: "kmsg", Degraded: true})
	l.ends("journal")
	l.tick(1600)
	require.Equal(t, pipeline.ConditionTrue, l.status("Slow"))
	l.at(1700)
	l.step(&SourceState{Receiver: "kmsg"})
	l.match(line{rule: "a", at: 1690})
	l.ends("kmsg")
	l.tick(1749)
	require.Equal(t, pipeline.ConditionTrue, l.status("Slow"))
	l.tick(1750)
	require.Equal(t, pipeline.ConditionFalse, l.status("Slow"))
}
