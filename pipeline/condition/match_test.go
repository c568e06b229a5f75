package condition

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Rules 5 to 7: matches, thresholds, earlier boots; rule 15: instances.

func TestRule5ARepeatMovesLastAndNothingElse(t *testing.T) {
	l := newLab(t, deadlock())
	l.matches("a", "b")
	l.seen()
	before := l.s.Clone()
	for at := 1001.0; at < 1010; at++ {
		l.at(at)
		l.matches("a", "b")
	}
	require.Empty(t, l.seen(), "two rules on one condition never flip-flop")
	c, old := l.s.Types["Deadlock"].Causes[Key{Rule: "a"}], before.Types["Deadlock"].Causes[Key{Rule: "a"}]
	require.Equal(t, seconds(1009), c.Last.Boot.At)
	require.Equal(t, wall(1009), c.LastTime)
	moved := *c
	moved.Last, moved.LastTime, moved.Used = old.Last, old.LastTime, old.Used
	require.Equal(t, *old, moved)
}

func TestRule5NothingUpToTheTombstoneActivates(t *testing.T) {
	l := newLab(t, deadlock())
	l.at(1010)
	l.recover(line{rule: "r", receiver: "journal"})
	l.match(line{rule: "r", at: 1009})
	require.Equal(t, DropCleared, l.last.Dropped, "a line that is read late")
	l.match(line{rule: "r", at: 1010})
	require.Equal(t, DropCleared, l.last.Dropped, "not after it either")
	l.match(line{rule: "r", at: 1010.001})
	require.Equal(t, pipeline.ConditionTrue, l.status("Deadlock"))
}

func TestRule5WithinASourceThePlaceDecides(t *testing.T) {
	l := newLab(t, deadlock())
	l.at(1010)
	l.match(line{rule: "r", at: 1005})
	l.recover(line{rule: "r", at: 1004.9}) // the next line, stamped a little earlier
	require.Equal(t, pipeline.ConditionFalse, l.status("Deadlock"))
	l.match(line{rule: "r", at: 1004.8})
	require.Equal(t, pipeline.ConditionTrue, l.status("Deadlock"))
}

func TestRule5NothingUpToTheOperatorsClearActivates(t *testing.T) {
	l := newLab(t, deadlock())
	l.at(1010)
	l.clear("Deadlock")
	l.match(line{rule: "a", at: 1009})
	require.Equal(t, DropCleared, l.last.Dropped)
	l.match(line{rule: "a", at: 1009.1})
	require.Equal(t, pipeline.ConditionTrue, l.status("Deadlock"), "the stamps of lines lag")

	l.at(1020)
	l.match(line{rule: "b", at: 1019.9, receiver: "journal"})
	l.clear("Deadlock")
	l.match(line{rule: "a", at: 1019.8})
	require.Equal(t, DropCleared, l.last.Dropped, "before what had been judged")

	l.expect("file")
	l.at(1030)
	l.clear("Deadlock")
	l.match(line{rule: "a", at: 1029.9, receiver: "file"})
	require.Equal(t, DropCleared, l.last.Dropped, "in a backlog there is no doubt")
}

func counting(need int, window float64, clear Clear) *Config {
	return &Config{
		Types: []Type{{Name: "Disk"}},
		Rules: []Rule{
			{ID: "io", Condition: "Disk", Reason: "IOError", HasInstances: true, Clear: clear, Threshold: Threshold{need, seconds(window)}},
			{ID: "ev", Reason: "Slow", Threshold: Threshold{need, seconds(window)}},
			{ID: "watch", Condition: "Disk", Reason: "Watched", Observe: true, Threshold: Threshold{need, seconds(window)}},
			{ID: "plain", Reason: "Oops"},
		},
	}
}

func TestRule6WindowIsOpenOnTheLeft(t *testing.T) {
	for name, tt := range map[string]struct {
		at    []float64
		fires int
	}{
		"all in one instant":             {[]float64{1000, 1000, 1000}, 1},
		"just inside":                    {[]float64{1000, 1005, 1009.999}, 1},
		"the first has just left":        {[]float64{1000, 1005, 1010}, 0},
		"the next three":                 {[]float64{1000, 1005, 1010, 1014}, 1},
		"firing empties the window":      {[]float64{1000, 1001, 1002, 1003, 1004}, 1},
		"twice":                          {[]float64{1000, 1001, 1002, 1003, 1004, 1005}, 2},
		"slow ones never":                {[]float64{1000, 1010, 1020, 1030, 1040}, 0},
		"read late, on the record order": {[]float64{1000, 1008, 1004}, 1},
		"late ones far apart":            {[]float64{1000, 1012, 1005}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, counting(3, 10, Clear{}))
			l.at(1100)
			for _, at := range tt.at {
				l.match(line{rule: "ev", at: at})
			}
			require.Len(t, l.fired, tt.fires)
			for _, fired := range l.fired {
				require.Equal(t, 3, fired.Count)
			}
		})
	}
}

func TestRule6ThresholdOfACondition(t *testing.T) {
	l := newLab(t, counting(3, 10, Clear{}))
	for i, instance := range []string{"sda", "sdb", "sda", "sdb"} {
		l.at(1001 + float64(i))
		l.match(line{rule: "io", instance: instance})
	}
	require.Empty(t, l.seen(), "instances are counted apart")
	l.at(1006)
	l.match(line{rule: "io", instance: "sda"})
	require.Equal(t, []string{`activation Disk=True IOError "message of iosda" @16m46s changed Warning IOError`}, l.seen())
}

func TestRule6AHitSeenTwiceCountsOnce(t *testing.T) {
	for _, receiver := range []string{"kmsg", "kmsg/2"} {
		l := newLab(t, counting(2, 10, Clear{}))
		first := l.read(line{rule: "ev"}, pipeline.StateProblem)
		l.step(&Match{first})
		first.Receiver = receiver
		l.step(&Match{first})
		require.Equal(t, DropRepeated, l.last.Dropped)
		require.Empty(t, l.fired, receiver)
		l.matches("ev")
		require.Len(t, l.fired, 1)
	}
}

func TestRule6AReplayChangesNoCount(t *testing.T) {
	for _, rule := range []string{"ev", "plain", "watch", "io"} {
		l := newLab(t, counting(2, 60, Clear{}))
		var lines []Occurrence
		for i := range 5 {
			l.at(1001 + float64(i))
			o := l.read(line{rule: rule}, pipeline.StateProblem)
			lines = append(lines, o)
			l.step(&Match{o})
		}
		fired, changes := len(l.fired), len(l.all)
		for _, o := range lines[2:] {
			l.step(&Match{o})
			require.True(t, l.last.Again || l.last.Dropped == DropRepeated)
		}
		require.Len(t, l.fired, fired, rule)
		require.Len(t, l.all, changes, rule)
	}
}

func TestRule6WhatFiredGoesOnInEveryPipelineAndCountsOnce(t *testing.T) {
	l := newLab(t, counting(2, 60, Clear{}))
	var lines []Occurrence
	for range 4 {
		lines = append(lines, l.read(line{rule: "ev"}, pipeline.StateProblem))
	}
	for _, receiver := range []string{"kmsg", "kmsg", "kmsg/2"} { // two pipelines of one receiver, one of another
		var counts []int
		for _, o := range lines {
			o.Receiver = receiver
			if fired := l.step(&Match{o}).Fired; fired != nil {
				counts = append(counts, fired.Count)
			}
		}
		require.Equal(t, []int{2, 2}, counts)
	}
	require.Len(t, l.fired, 2)
}

func TestTheLogOfWhatFiredIsBounded(t *testing.T) {
	l := newLab(t, counting(0, 0, Clear{}))
	first := l.read(line{rule: "plain"}, pipeline.StateProblem)
	l.step(&Match{first})
	for range maxFired {
		l.matches("plain")
	}
	require.Len(t, l.s.Fired.All, maxFired)
	require.Equal(t, DropRepeated, l.step(&Match{first}).Dropped, "forgotten, but not new")
	newest := l.read(line{rule: "plain"}, pipeline.StateProblem)
	l.step(&Match{newest})
	l.s = l.s.Clone()
	require.True(t, l.step(&Match{newest}).Again)
}

func TestRule6RecoveryDropsHitsEvenWhereItEndsNothing(t *testing.T) {
	l := newLab(t, counting(3, 60, Clear{By: ClearByRecovery}))
	for _, at := range []float64{1001, 1002, 1004} {
		l.at(at)
		if at == 1004 {
			l.recover(line{rule: "io", instance: "sda", at: 1003, receiver: "journal"})
		}
		l.match(line{rule: "io", instance: "sda"})
	}
	l.at(1005)
	l.match(line{rule: "io", instance: "sda"})
	require.Empty(t, l.seen())
	l.at(1006)
	l.match(line{rule: "io", instance: "sda"})
	require.Len(t, l.seen(), 1)
}

func TestRule6EveryClearEmptiesTheWindow(t *testing.T) {
	for name, clear := range map[string]func(*lab){
		"operator": func(l *lab) { l.clear("Disk") },
		"recovery": func(l *lab) { l.recover(line{rule: "io"}) },
		"reboot": func(l *lab) {
			l.reboot(bootB, 60)
			l.step(&NewBoot{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, counting(2, 60, Clear{By: ClearByRecovery}))
			l.match(line{rule: "io"})
			l.at(1001)
			clear(l)
			l.at(l.now.Boot.Seconds() + 1)
			l.match(line{rule: "io"})
			require.Empty(t, l.seen())
			l.match(line{rule: "io"})
			require.Len(t, l.seen(), 1)
		})
	}
}

func TestRule6EventsFireEachTimeAndObservedOnesStayObserved(t *testing.T) {
	l := newLab(t, counting(2, 60, Clear{}))
	l.matches("plain", "plain", "watch", "watch")
	require.Len(t, l.fired, 3)
	require.False(t, l.fired[0].Observe)
	require.Equal(t, 1, l.fired[1].Count)
	require.True(t, l.fired[2].Observe)
	require.Equal(t, 2, l.fired[2].Count)
	require.Equal(t, pipeline.ConditionFalse, l.status("Disk"), "a rule that observes touches no condition")
	require.Empty(t, l.all)
}

func TestRule7AnEarlierBootMakesItsEventAndNoCause(t *testing.T) {
	l := newLab(t, deadlock())
	first := l.match(line{rule: "r", boot: bootB, at: 50})
	require.Len(t, first.Changes, 1)
	change := first.Changes[0]
	require.True(t, change.MakesEvent)
	require.False(t, change.StatusChanged)
	require.Equal(t, `Node condition Deadlock is now: True, reason: Stuck, message: "message of r"`, change.EventMessage)
	require.Equal(t, pipeline.TransitionUID(pipeline.ProblemUID("node-1",
		pipeline.Place{Scope: bootB, Source: "kmsg", Position: 1}, "r"), "Deadlock", "True"), change.UID, "as its activation would have had")
	require.Equal(t, `False AllWell "all is well" @16m40s`, l.stands("Deadlock"))

	l.match(line{rule: "r", boot: bootB, at: 60})
	require.Empty(t, l.last.Changes, "a repeat in its boot")
	l.match(line{rule: "r", boot: bootC, at: 5})
	require.Len(t, l.last.Changes, 1, "each boot has a key of its own")
	l.recover(line{rule: "r", boot: bootB, at: 70})
	require.Empty(t, l.last.Changes)
	l.match(line{rule: "r", boot: bootB, at: 80})
	require.Len(t, l.last.Changes, 1, "after its recovery it would have activated again")
	l.matches("r")
	require.Equal(t, pipeline.ConditionTrue, l.status("Deadlock"))
}

func TestRule7AnEarlierBootsThresholdIsItsOwn(t *testing.T) {
	l := newLab(t, counting(2, 60, Clear{}))
	l.match(line{rule: "io", boot: bootB, at: 1000})
	l.match(line{rule: "io", at: 1000, receiver: "journal"})
	l.match(line{rule: "ev", boot: bootB, at: 1000})
	l.match(line{rule: "ev", at: 1000, receiver: "journal"})
	require.Empty(t, l.seen())
	require.Empty(t, l.fired)
	l.match(line{rule: "io", boot: bootB, at: 1001})
	l.match(line{rule: "ev", boot: bootB, at: 1001})
	require.Len(t, l.seen(), 1)
	require.Len(t, l.fired, 1)
}

func TestRule7ALatchedRuleHearsEarlierBoots(t *testing.T) {
	config := counting(2, 60, Clear{By: ClearByLatched})
	l := newLab(t, config)
	l.match(line{rule: "io", boot: bootB, at: 100})
	l.match(line{rule: "io", boot: bootC, at: 110})
	l.match(line{rule: "io", at: 120, receiver: "journal"})
	require.Equal(t, pipeline.ConditionFalse, l.status("Disk"), "between boots there is no window")
	l.match(line{rule: "io", boot: bootB, at: 130})
	require.Equal(t, `True IOError "message of io" @16m40s`, l.stands("Disk"))
	l.clear("Disk")
	l.match(line{rule: "io", boot: bootC, at: 140})
	l.match(line{rule: "io", boot: bootC, at: 141})
	require.Equal(t, pipeline.ConditionFalse, l.status("Disk"), "an operator's clear is after all earlier boots")
}

func TestRule7ATTLRunsInAnEarlierBootToo(t *testing.T) {
	config := deadlock()
	config.Rules[0].Clear = Clear{By: ClearByTTL, TTL: seconds(60)}
	l := newLab(t, config)
	for _, at := range []float64{10, 60, 130} {
		l.match(line{rule: "a", boot: bootB, at: at})
	}
	require.Len(t, l.seen(), 2, "the third came 70 s after the second")
}

func TestRule15TheInstanceLimitOfARule(t *testing.T) {
	l := newLab(t, counting(0, 0, Clear{By: ClearByRecovery}))
	for i := range MaxInstancesPerRule {
		l.match(line{rule: "io", instance: fmt.Sprint("sd", i)})
		require.False(t, l.last.JoinedOther)
	}
	l.seen()
	l.match(line{rule: "io", instance: "one too many", message: "m"})
	require.True(t, l.last.JoinedOther)
	require.Len(t, l.seen(), 1, "(other) is a cause like any")
	l.match(line{rule: "io", instance: "two too many"})
	require.Empty(t, l.seen())
	require.NotNil(t, l.s.Types["Disk"].Causes[Key{Rule: "io", Instance: OtherInstance}])

	l.at(1001)
	l.recover(line{rule: "io", instance: "one too many"})
	l.recover(line{rule: "io"})
	require.Equal(t, `True IOError "m" @16m40s`, l.stands("Disk"), "no recovery ends (other)")
	l.clear("Disk")
	require.Equal(t, pipeline.ConditionFalse, l.status("Disk"))
}

func TestRule15OtherEndsByBootAndTTL(t *testing.T) {
	l := newLab(t, counting(0, 0, Clear{By: ClearByTTL, TTL: seconds(60)}))
	for i := range MaxInstancesPerRule + 1 {
		l.match(line{rule: "io", instance: fmt.Sprint("sd", i)})
	}
	l.tick(1060)
	require.Equal(t, pipeline.ConditionFalse, l.status("Disk"))

	latched := newLab(t, counting(0, 0, Clear{By: ClearByLatched}))
	for i := range MaxInstancesPerRule + 1 {
		latched.match(line{rule: "io", instance: fmt.Sprint("sd", i)})
	}
	latched.reboot(bootB, 60)
	latched.step(&NewBoot{})
	require.Nil(t, latched.s.Types["Disk"].Causes[Key{Rule: "io", Instance: OtherInstance}], "a boot ends it even where the rule latches")
	require.Contains(t, latched.stands("Disk"), "(and 255 more)")
}

func TestRule15ACheckDoesNotEndOther(t *testing.T) {
	config := counting(0, 0, Clear{By: ClearByCheck, Check: "smart"})
	config.Rules = append(config.Rules, Rule{ID: "smart", Reason: "SmartBad", Level: true})
	l := newLab(t, config)
	for i := range MaxInstancesPerRule + 1 {
		l.match(line{rule: "io", instance: fmt.Sprint("sd", i), message: "m"})
	}
	l.at(1010)
	l.says("smart", pipeline.StateOK)
	require.Equal(t, `True IOError "m" @16m40s`, l.stands("Disk"))
}

func TestRule15ThresholdsDoNotCountInOther(t *testing.T) {
	l := newLab(t, counting(2, 60, Clear{}))
	for i := range MaxInstancesPerRule {
		l.match(line{rule: "io", instance: fmt.Sprint("sd", i)})
	}
	for i := range 3 {
		l.match(line{rule: "io", instance: fmt.Sprint("more", i)})
		require.Equal(t, DropInstanceLimit, l.last.Dropped)
		require.True(t, l.last.JoinedOther)
	}
	require.Empty(t, l.seen())
}

func TestRule15AnIdleInstanceGivesItsPlaceUp(t *testing.T) {
	l := newLab(t, counting(0, 0, Clear{By: ClearByRecovery}))
	for i := range MaxInstancesPerRule {
		l.match(line{rule: "io", instance: fmt.Sprint("sd", i)})
	}
	l.at(1001)
	for _, instance := range []string{"sd7", "sd3", "sd9"} {
		l.recover(line{rule: "io", instance: instance})
	}
	l.match(line{rule: "io", instance: "new"})
	require.False(t, l.last.JoinedOther)
	causes := l.s.Types["Disk"].Causes
	require.NotContains(t, causes, Key{Rule: "io", Instance: "sd7"}, "the least recently used")
	require.Contains(t, causes, Key{Rule: "io", Instance: "sd3"})
	require.Equal(t, MaxInstancesPerRule, l.s.Instances)
}

func TestRule15HitsKeepAPlaceAsLongAsTheyCount(t *testing.T) {
	l := newLab(t, counting(2, 60, Clear{}))
	for i := range MaxInstancesPerRule {
		l.match(line{rule: "io", instance: fmt.Sprint("sd", i)})
	}
	l.at(1059.5)
	require.Equal(t, DropInstanceLimit, l.match(line{rule: "io", instance: "new"}).Dropped)
	l.at(1060.5)
	require.Empty(t, l.match(line{rule: "io", instance: "new"}).Dropped)
}

func TestRule15TheLimitOverAllRules(t *testing.T) {
	config := &Config{Types: []Type{{Name: "Disk"}}}
	for i := range 20 {
		config.Rules = append(config.Rules, Rule{ID: fmt.Sprint("r", i), Condition: "Disk", Reason: "R", HasInstances: true})
	}
	config.Rules = append(config.Rules, Rule{ID: "whole", Condition: "Disk", Reason: "W"})
	l := newLab(t, config)
	joined := 0
	for rule := range 20 {
		for i := range 250 {
			if l.s.Step(l.book, &Match{l.read(line{rule: fmt.Sprint("r", rule), instance: strconv.Itoa(i)}, pipeline.StateProblem)}, l.now).JoinedOther {
				joined++
			}
		}
	}
	require.Equal(t, 20*250-MaxInstances, joined)
	require.Equal(t, MaxInstances, l.s.Instances)
	l.match(line{rule: "whole"})
	require.False(t, l.last.JoinedOther, "the node as a whole is no instance")
}

func TestUnknownRulesAndStatesAreDropped(t *testing.T) {
	l := newLab(t, deadlock())
	o := Occurrence{Problem: &pipeline.Problem{Rule: "nobody", State: pipeline.StateProblem}}
	require.Equal(t, DropUnknownRule, l.step(&Match{o}).Dropped)
	require.Equal(t, DropUnknownRule, l.step(&Recovery{o}).Dropped)
	require.Equal(t, DropUnknownRule, l.step(&Verdict{o}).Dropped)
	o.Problem = &pipeline.Problem{Rule: "a"}
	require.Equal(t, DropNoVerdict, l.step(&Match{o}).Dropped)
	l.clear("Nothing")
	l.step(&Patched{Type: "Nothing"})
	l.step(&Deleted{Type: "Nothing"})
	require.Empty(t, l.seen())
}
