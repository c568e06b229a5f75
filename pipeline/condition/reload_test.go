package condition

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Rules 23 and 24: reload.

func with(config *Config, change func(*Config)) *Config {
	copied := Config{Types: append([]Type(nil), config.Types...), Rules: append([]Rule(nil), config.Rules...)}
	change(&copied)
	return &copied
}

func without(config *Config, ids ...string) *Config {
	return with(config, func(c *Config) {
		var rules []Rule
		for _, rule := range c.Rules {
			keep := true
			for _, id := range ids {
				keep = keep && rule.ID != id
			}
			if keep {
				rules = append(rules, rule)
			}
		}
		c.Rules = rules
	})
}

func TestRule23ARemovedRuleThatHeldTheConditionAloneIsHealth(t *testing.T) {
	l := newLab(t, deadlock())
	l.at(1001)
	l.matches("a")
	l.seen()
	l.at(1010)
	l.reload(without(deadlock(), "a"))
	require.Equal(t, []string{
		`status Deadlock=False RuleRemoved "rule a, which held the condition, was removed from the configuration" @16m50s changed Normal `,
	}, l.seen())
	require.Equal(t, pipeline.TransitionUID(pipeline.CauseUID("reload", "node-1", "hash-2", "Deadlock"), "Deadlock", "False"), l.all[1].UID)
	l.at(1020)
	l.reload(deadlock())
	require.Equal(t, pipeline.ConditionFalse, l.status("Deadlock"), "a rule added again has no cause until its next match")
	l.matches("a")
	require.Equal(t, `True TaskHung "message of a" @17m0s`, l.stands("Deadlock"))
	l.at(1030)
	l.clear("Deadlock")
	require.Equal(t, `False AllWell "all is well" @17m10s`, l.stands("Deadlock"))
}

func TestRule23AnotherCauseHoldsOn(t *testing.T) {
	l := newLab(t, deadlock())
	l.matches("b")
	l.at(1001)
	l.matches("a")
	l.seen()
	l.at(1010)
	l.reload(without(deadlock(), "a"))
	require.Equal(t, []string{`message Deadlock=True LockUp "message of b" @16m40s`}, l.seen(), "without Event")
}

func TestRule23Heirs(t *testing.T) {
	named := func(id, reason string, former ...Former) Rule {
		return Rule{ID: id, Condition: "Deadlock", Reason: reason, Formerly: former}
	}
	for name, tt := range map[string]struct {
		rules []Rule
		heir  string
	}{
		"the only one with its reason":          {[]Rule{named("x", "Other"), named("y", "TaskHung")}, "y"},
		"two with its reason":                   {[]Rule{named("x", "TaskHung"), named("y", "TaskHung")}, ""},
		"one that names it":                     {[]Rule{named("x", "TaskHung"), named("y", "New", Former{ID: "a"})}, "y"},
		"one that names its reason":             {[]Rule{named("x", "New", Former{Reason: "TaskHung"})}, "x"},
		"one that names both":                   {[]Rule{named("x", "New", Former{ID: "a", Reason: "TaskHung"})}, "x"},
		"one that names another of that id":     {[]Rule{named("x", "New", Former{ID: "a", Reason: "Else"})}, ""},
		"one that names another of its name":    {[]Rule{named("x", "New", Former{ID: "z"})}, ""},
		"one on another condition":              {[]Rule{{ID: "x", Condition: "Second", Reason: "TaskHung"}}, ""},
		"one that observes":                     {[]Rule{{ID: "x", Condition: "Deadlock", Reason: "TaskHung", Observe: true}}, ""},
		"itself, gone to another condition":     {[]Rule{{ID: "a", Condition: "Second", Reason: "TaskHung"}}, ""},
		"itself, gone to observe":               {[]Rule{{ID: "a", Condition: "Deadlock", Reason: "TaskHung", Observe: true}}, ""},
		"itself, gone, and one with its reason": {[]Rule{{ID: "a", Condition: "Deadlock", Reason: "TaskHung", Observe: true}, named("y", "TaskHung")}, "y"},
		"itself, as it was":                     {[]Rule{named("a", "TaskHung")}, "a"},
		"itself, with another reason":           {[]Rule{named("a", "New")}, "a"},
		"a check":                               {[]Rule{{ID: "x", Condition: "Deadlock", Reason: "TaskHung", Level: true}}, "x"},
	} {
		t.Run(name, func(t *testing.T) {
			config := deadlock()
			config.Types = append(config.Types, Type{Name: "Second", InitiallyHealthy: true})
			config.Types[0].InitiallyHealthy = true
			l := newLab(t, config)
			l.at(1001)
			l.matches("a")
			l.at(1010)
			l.reload(&Config{Types: config.Types, Rules: tt.rules})
			if tt.heir == "" {
				require.Equal(t, ReasonRuleRemoved, l.s.Types["Deadlock"].Shown.Reason)
				return
			}
			require.Equal(t, []Key{{Rule: tt.heir}}, activeKeys(l, "Deadlock"))
			require.Equal(t, `True TaskHung "message of a" @16m41s`, l.stands("Deadlock"), "the text stays frozen")
			require.Equal(t, pipeline.ConditionFalse, l.status("Second"))
		})
	}
}

func TestRule23AnHeirThatHoldsTheSameKeepsItsOwn(t *testing.T) {
	config := deadlock()
	config.Rules[1].Reason = "TaskHung"
	l := newLab(t, config)
	l.matches("a")
	l.at(1001)
	l.matches("b")
	l.reload(without(config, "a"))
	require.Equal(t, []Key{{Rule: "b"}}, activeKeys(l, "Deadlock"))
	require.Equal(t, `True TaskHung "message of b" @16m40s`, l.stands("Deadlock"))
}

func TestRule23AnHeirClearsWhatItTookOver(t *testing.T) {
	config := links()
	l := newLab(t, config)
	l.match(line{rule: "link", instance: "eth0"})
	l.at(1005)
	l.reload(with(config, func(c *Config) { c.Rules[0].ID = "renamed" }))
	l.match(line{rule: "renamed", instance: "eth0"})
	require.Len(t, l.all, 1, "a repeat")
	l.at(1010)
	l.recover(line{rule: "renamed", instance: "eth0"})
	require.Equal(t, pipeline.ConditionFalse, l.status("LinkDown"))
	require.Equal(t, 1, l.s.Instances)
}

func TestRule23ARemovedCheck(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{}))
	l.at(1001)
	l.reload(without(checked(Type{}, Rule{}), "ntp"))
	require.Equal(t, `False RuleRemoved "rule ntp, which held the condition, was removed from the configuration" @16m41s`, l.stands("Clock"))
	l.at(1002)
	l.reload(checked(Type{}, Rule{}))
	require.Equal(t, pipeline.ConditionUnknown, l.status("Clock"), "a check that never spoke")
}

func TestRule23NewClearingHoldsForOldCauses(t *testing.T) {
	config := deadlock()
	l := newLab(t, config)
	l.matches("a")
	l.at(1010)
	l.reload(with(config, func(c *Config) { c.Rules[0].Clear = Clear{By: ClearByTTL, TTL: seconds(60)} }))
	l.tick(1059.9)
	require.Equal(t, pipeline.ConditionTrue, l.status("Deadlock"))
	l.tick(1060)
	require.Equal(t, pipeline.ConditionFalse, l.status("Deadlock"))
}

func TestRule23EventsOfRulesThatAreGoneAreForgotten(t *testing.T) {
	config := counting(2, 60, Clear{})
	l := newLab(t, config)
	l.matches("ev", "plain")
	require.Len(t, l.s.Events, 1)
	l.reload(without(config, "ev", "plain"))
	require.Empty(t, l.s.Events)
	require.NotContains(t, l.s.Rules, "plain")
}

func TestReloadThatChangesNothingTellsNothing(t *testing.T) {
	l := newLab(t, several())
	l.matches("boot", "latched")
	l.says("level", ok)
	before, err := json.Marshal(l.s.Types)
	require.NoError(t, err)
	l.seen()
	l.reload(several())
	require.Empty(t, l.seen())
	after, err := json.Marshal(l.s.Types)
	require.NoError(t, err)
	require.JSONEq(t, string(before), string(after))
}

func TestReloadOfPolarityIsAChangeOfStatus(t *testing.T) {
	l := newLab(t, deadlock())
	l.at(1010)
	l.reload(with(deadlock(), func(c *Config) { c.Types[0].ProblemIsFalse = true }))
	require.Equal(t, []string{`status Deadlock=True AllWell "all is well" @16m50s changed Normal `}, l.seen())
}

func TestRule24TypesWeOwnAreDeletedFromTheNode(t *testing.T) {
	l := newLab(t, several())
	l.step(&Patched{Type: "All", Status: "False"})
	l.matches("latched")
	l.reload(with(several(), func(c *Config) { c.Types, c.Rules = c.Types[3:], nil }))
	require.Equal(t, []string{"All"}, l.s.Delete, "Kept was never patched")
	require.NotContains(t, l.s.Types, "All")
	l.reload(several())
	require.Empty(t, l.s.Delete, "declared again")
	require.Equal(t, `False AllWell "all is well" @16m40s`, l.stands("Kept"))

	l.step(&Patched{Type: "Kept", Status: "False"})
	l.reload(with(several(), func(c *Config) { c.Types, c.Rules = c.Types[3:], nil }))
	l.step(&Deleted{Type: "Kept"})
	require.Empty(t, l.s.Delete)
}

func TestReloadOfABookNobodyKnowsIsNoPanic(t *testing.T) {
	l := newLab(t, &Config{})
	l.reload(several())
	l.matches("boot")
	l.reload(&Config{})
	require.Empty(t, l.s.Types)
}

func TestNewBookRefusesWhatTheStoreCannotJudge(t *testing.T) {
	for want, config := range map[string]*Config{
		"a condition type has no name":               {Types: []Type{{}}},
		"condition type T is declared twice":         {Types: []Type{{Name: "T"}, {Name: "T"}}},
		"a rule has no id":                           {Rules: []Rule{{}}},
		"rule r is declared twice":                   {Rules: []Rule{{ID: "r"}, {ID: "r"}}},
		"rule r: condition Gone is not declared":     {Rules: []Rule{{ID: "r", Condition: "Gone"}}},
		"a rule has no id\nrule r is declared twice": {Rules: []Rule{{}, {ID: "r"}, {ID: "r"}}},
	} {
		_, err := NewBook(config)
		require.EqualError(t, err, want)
	}
}

func TestStateSurvivesJSON(t *testing.T) {
	l := newLab(t, several())
	l.matches("boot", "ttl", "latched")
	l.says("level", problem)
	l.expect("kmsg")
	l.match(line{rule: "boot", boot: bootB, at: 5})
	text, err := json.Marshal(l.s)
	require.NoError(t, err)
	var back State
	require.NoError(t, json.Unmarshal(text, &back))
	again, err := json.Marshal(&back)
	require.NoError(t, err)
	require.Equal(t, string(text), string(again))
	require.Equal(t, l.s.Types["All"].Causes[Key{Rule: "boot"}], back.Types["All"].Causes[Key{Rule: "boot"}])

	var causes Causes
	require.Error(t, causes.UnmarshalJSON([]byte("3")))
}

func TestACloneSharesNothing(t *testing.T) {
	l := newLab(t, counting(3, 60, Clear{}))
	l.matches("io", "ev")
	l.expect("kmsg")
	l.seed(on("Disk", "False", "AllWell", "all is well", 700, 900))
	l.says("io", unknown)
	text, err := json.Marshal(l.s)
	require.NoError(t, err)
	clone := l.s.Clone()
	l.at(1001)
	l.matches("io", "ev", "io", "plain")
	l.ends("kmsg")
	l.step(&Patched{Type: "Disk"})
	l.clear("Disk")
	kept, err := json.Marshal(clone)
	require.NoError(t, err)
	require.JSONEq(t, string(text), string(kept))
}
