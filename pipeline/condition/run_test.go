package condition

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

// saidBetween is a figure, or a verdict, and the status after it.
type saidBetween struct {
	at   float64
	says string // problem, ok, unknown, between
	want pipeline.ConditionStatus
}

func (l *lab) figure(check, says string) {
	l.t.Helper()
	in := line{rule: check, state: ok, between: says == "between"}
	if !in.between {
		require.NoError(l.t, in.state.UnmarshalText([]byte(says)))
	}
	l.verdict(in)
}

func TestBetweenTheLimitsWhatHoldsGoesOn(t *testing.T) {
	hold := Type{OnUnknown: OnUnknownHold}
	replace := Type{OnUnknown: OnUnknownUnknown}
	for name, tt := range map[string]struct {
		typ  Type
		rule Rule
		said []saidBetween
	}{
		"the first one is ok": {hold, Rule{}, []saidBetween{{1, "between", "False"}, {2, "problem", "True"}}},
		"a problem goes on":   {hold, Rule{}, []saidBetween{{1, "problem", "True"}, {2, "between", "True"}, {3, "ok", "False"}, {4, "between", "False"}}},
		"for: it begins anew": {hold, Rule{For: seconds(10)}, []saidBetween{
			{0, "ok", "False"}, {1, "problem", "False"}, {5, "between", "False"}, {12, "problem", "False"}, {22, "problem", "True"},
		}},
		"failure threshold: it begins anew": {hold, Rule{FailureThreshold: 2}, []saidBetween{
			{0, "ok", "False"}, {1, "problem", "False"}, {2, "between", "False"}, {3, "problem", "False"}, {4, "problem", "True"},
		}},
		"until: it does not begin": {hold, Rule{Until: seconds(10)}, []saidBetween{
			{1, "problem", "True"}, {2, "between", "True"}, {13, "ok", "True"}, {22, "ok", "True"}, {23, "ok", "False"},
		}},
		"until: it begins anew": {hold, Rule{Until: seconds(10)}, []saidBetween{
			{1, "problem", "True"}, {2, "ok", "True"}, {11, "between", "True"}, {13, "ok", "True"}, {22, "ok", "True"}, {23, "ok", "False"},
		}},
		"success threshold: it begins anew": {hold, Rule{SuccessThreshold: 2}, []saidBetween{
			{1, "problem", "True"}, {2, "ok", "True"}, {3, "between", "True"}, {4, "ok", "True"}, {5, "ok", "False"},
		}},
		"on its way to a problem, the way down has the threshold of one": {hold, Rule{SuccessThreshold: 2}, []saidBetween{
			{1, "ok", "Unknown"}, {2, "between", "False"}, {3, "problem", "True"},
		}},
		"a problem behind an unknown": {replace, Rule{}, []saidBetween{
			{1, "problem", "True"}, {2, "unknown", "Unknown"}, {3, "between", "True"}, {4, "ok", "False"}, {5, "unknown", "Unknown"}, {6, "between", "False"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, checked(tt.typ, tt.rule))
			for _, s := range tt.said {
				l.at(1000 + s.at)
				l.figure("ntp", s.says)
				require.Equal(t, s.want, l.status("Clock"), "after %s at %v", s.says, s.at)
			}
		})
	}
}

func TestBetweenConfirmsWhatTheNodeShows(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{}))
	l.seed(on("Clock", "True", "NtpDown", "off by 3 s", 500, 990))
	l.seen()
	l.verdict(line{rule: "ntp", state: ok, between: true, message: "off by 2 s"})
	require.Equal(t, `True NtpDown "off by 2 s" @8m20s`, l.stands("Clock"))
	require.Len(t, l.seen(), 1, "its Event is made again")
	require.False(t, l.s.Types["Clock"].Causes[Key{Rule: "ntp"}].Restored)
}

func TestBetweenAfterTheOperatorsClearIsOK(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{}))
	l.says("ntp", problem)
	l.at(1005)
	l.clear("Clock")
	l.at(1006)
	l.figure("ntp", "between")
	require.Equal(t, pipeline.ConditionFalse, l.status("Clock"))
}

func TestBetweenOutlivesABoot(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{}))
	l.says("ntp", problem)
	l.reboot(bootB, 60)
	l.step(&NewBoot{})
	l.figure("ntp", "between")
	require.Equal(t, pipeline.ConditionTrue, l.status("Clock"))
}

// What lies between the limits is not well enough to end what a log rule has seen.
func TestBetweenClearsNoOther(t *testing.T) {
	l := newLab(t, &Config{Types: []Type{{Name: "Disk"}}, Rules: []Rule{
		{ID: "io", Condition: "Disk", Reason: "IOError", Clear: Clear{By: ClearByCheck, Check: "smart"}},
		{ID: "smart", Condition: "Disk", Reason: "SmartBad", Level: true},
	}})
	l.says("smart", ok)
	l.at(1001)
	l.matches("io")
	l.at(1002)
	l.figure("smart", "between")
	require.Equal(t, pipeline.ConditionTrue, l.status("Disk"))
	l.at(1003)
	l.says("smart", ok)
	require.Equal(t, pipeline.ConditionFalse, l.status("Disk"))
}

// runs is one run of a check and the status after it.
type ran struct {
	at   float64
	says string // what it says of instances: "a problem, b between"
	want pipeline.ConditionStatus
}

func TestACompleteRunEndsWhatIsGone(t *testing.T) {
	replace := Type{OnUnknown: OnUnknownUnknown}
	for name, tt := range map[string]struct {
		typ  Type
		rule Rule
		node []NodeCondition
		runs []ran
	}{
		"nothing is there": {Type{}, Rule{}, nil, []ran{{1, "", "False"}}},
		"it is gone":       {Type{}, Rule{}, nil, []ran{{1, "a problem, b ok", "True"}, {2, "b ok", "False"}}},
		"another stays":    {Type{}, Rule{}, nil, []ran{{1, "a problem, b problem", "True"}, {2, "b problem", "True"}, {3, "", "False"}}},
		"success threshold": {Type{}, Rule{SuccessThreshold: 3}, nil, []ran{
			{1, "a problem", "True"}, {2, "", "True"}, {3, "a problem", "True"}, {4, "", "True"}, {5, "", "True"}, {6, "", "False"},
		}},
		"until": {Type{}, Rule{Until: seconds(10)}, nil, []ran{{1, "a problem", "True"}, {2, "", "True"}, {11, "", "True"}, {12, "", "False"}}},
		"for: what is gone begins anew": {Type{}, Rule{For: seconds(10)}, nil, []ran{
			{0, "a ok", "False"}, {1, "a problem", "False"}, {5, "", "False"}, {12, "a problem", "False"}, {22, "a problem", "True"},
		}},
		"for: what is pending leaves the status": {Type{}, Rule{For: seconds(10)}, nil, []ran{{1, "a problem", "Unknown"}, {11, "a problem", "True"}}},
		"it could not be told":                   {replace, Rule{}, nil, []ran{{1, "a unknown, b ok", "Unknown"}, {2, "b ok", "False"}}},
		"hold: what could not be told goes on":   {Type{}, Rule{}, nil, []ran{{1, "a problem", "True"}, {2, "a unknown", "True"}, {3, "", "False"}}},
		"the Node tells no instance: it is well": {
			Type{}, Rule{}, []NodeCondition{on("Clock", "True", "NtpDown", "x", 500, 990)}, []ran{{1, "a ok", "False"}},
		},
		"the Node tells no instance: nothing is there": {
			Type{}, Rule{SuccessThreshold: 2}, []NodeCondition{on("Clock", "True", "NtpDown", "x", 500, 990)}, []ran{{1, "", "True"}, {2, "", "False"}},
		},
		"the Node tells no instance: one may be it": {
			Type{}, Rule{FailureThreshold: 3}, []NodeCondition{on("Clock", "True", "NtpDown", "x", 500, 990)},
			[]ran{{1, "b problem, a ok", "True"}, {2, "b problem, a ok", "True"}, {3, "b problem, a ok", "True"}, {4, "b ok, a ok", "False"}},
		},
		"the Node tells no instance: one is between": {
			Type{}, Rule{}, []NodeCondition{on("Clock", "True", "NtpDown", "x", 500, 990)},
			[]ran{{1, "a ok, b between", "True"}, {2, "a ok, b between", "True"}, {3, "a ok, b ok", "False"}},
		},
		"the Node tells no instance: one is unknown": {
			Type{}, Rule{}, []NodeCondition{on("Clock", "True", "NtpDown", "x", 500, 990)},
			[]ran{{1, "a ok, b unknown", "True"}, {2, "a ok, b unknown", "True"}, {3, "a ok", "False"}},
		},
		"the Node tells what no rule explains": {
			Type{}, Rule{FailureThreshold: 2}, []NodeCondition{on("Clock", "True", "Other", "x", 500, 990)},
			[]ran{{1, "a ok, b problem", "True"}, {2, "a ok", "False"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tt.rule.HasInstances = true
			l := newLab(t, checked(tt.typ, tt.rule))
			if tt.node != nil {
				l.seed(tt.node...)
			}
			for _, r := range tt.runs {
				l.at(1000 + r.at)
				var says []string
				if r.says != "" {
					says = strings.Split(r.says, ", ")
				}
				l.runs("ntp", says...)
				require.Equal(t, r.want, l.status("Clock"), "after %q at %v", r.says, r.at)
			}
		})
	}
}

func TestWhatTheNodeCountedIsCountedOnce(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{HasInstances: true}))
	l.seed(on("Clock", "True", "NtpDown", "b is down (and 1 more)", 500, 990))
	l.runs("ntp", "a problem", "b problem")
	require.Equal(t, `True NtpDown "message of ntpb (and 1 more)" @8m20s`, l.stands("Clock"))
}

func TestACompleteRunToldOnceForAll(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{HasInstances: true}))
	l.runs("ntp", "a problem", "b problem", "c ok")
	l.seen()
	l.at(1010)
	l.runs("ntp", "c ok")
	require.Equal(t, []string{`status Clock=False AllWell "all is well" @16m50s changed Normal NtpDown`}, l.seen())
}

func TestACheckOfInstancesClearsOnlyWhereAllIsWell(t *testing.T) {
	l := newLab(t, &Config{Types: []Type{{Name: "Disk"}, {Name: "Smart"}}, Rules: []Rule{
		{ID: "io", Condition: "Disk", Reason: "IOError", Clear: Clear{By: ClearByCheck, Check: "smart"}},
		{ID: "smart", Condition: "Smart", Reason: "SmartBad", Level: true, HasInstances: true},
	}})
	l.matches("io")
	for i, says := range [][]string{{"a problem", "b ok"}, {"a unknown", "b ok"}, {"a between", "b ok"}} {
		l.at(1001 + float64(i))
		l.runs("smart", says...)
		require.Equal(t, pipeline.ConditionTrue, l.status("Disk"), says)
	}
	l.at(1010)
	l.runs("smart", "a ok", "b ok")
	require.Equal(t, pipeline.ConditionFalse, l.status("Disk"))
}

func TestACompleteRunEndsTheSurplus(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{HasInstances: true}))
	var all []string
	for i := range MaxInstancesPerRule + 3 {
		all = append(all, "i"+strconv.Itoa(i)+" problem")
	}
	l.runs("ntp", all...)
	other := l.s.Types["Clock"].Causes[Key{Rule: "ntp", Instance: OtherInstance}]
	require.Equal(t, problem, other.State)
	l.at(1001)
	l.runs("ntp", all[:MaxInstancesPerRule+1]...)
	require.Equal(t, problem, other.State, "one that had no place is left")
	l.at(1002)
	l.runs("ntp", all[:MaxInstancesPerRule]...)
	require.Equal(t, ok, other.State)
	require.Equal(t, pipeline.ConditionTrue, l.status("Clock"))
	l.at(1003)
	l.runs("ntp")
	require.Equal(t, pipeline.ConditionFalse, l.status("Clock"))
}

func TestACompleteRunIsAFirstVerdict(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{HasInstances: true, FailureThreshold: 9}))
	l.runs("ntp")
	require.True(t, l.s.VerdictsIn)
	l = newLab(t, checked(Type{}, Rule{HasInstances: true, FailureThreshold: 9}))
	l.runs("ntp", "a problem")
	require.True(t, l.s.VerdictsIn)
}

// A silenced problem must not let the way down go on behind the operator's back.
func TestASilencedProblemBreaksTheRowOfOKs(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{SuccessThreshold: 2}))
	l.says("ntp", problem)
	l.silence("ntp", 60)
	for i, state := range []pipeline.State{ok, problem, ok} {
		l.at(1001 + float64(i))
		l.says("ntp", state)
		require.Equal(t, pipeline.ConditionTrue, l.status("Clock"))
	}
	l.at(1010)
	l.says("ntp", ok)
	require.Equal(t, pipeline.ConditionFalse, l.status("Clock"))
}

func TestASilencedInstanceIsNotSaidToBeWell(t *testing.T) {
	l := newLab(t, checked(Type{}, Rule{HasInstances: true}))
	l.seed(on("Clock", "True", "NtpDown", "x", 500, 990))
	l.silence("ntp", 60)
	l.at(1001)
	l.runs("ntp", "a problem", "b ok")
	require.Equal(t, pipeline.ConditionTrue, l.status("Clock"))
	require.Equal(t, []string{"(NtpDown)"}, l.fires())
	l.at(1002)
	l.runs("ntp", "a between", "b ok")
	require.Equal(t, pipeline.ConditionTrue, l.status("Clock"))
	l.at(1003)
	l.runs("ntp", "b ok")
	require.Equal(t, pipeline.ConditionFalse, l.status("Clock"), "gone")
}

// eventsChecks are checks without a condition: NPD's temporary rules, which fire at
// each verdict, and those that fire once.
func eventsChecks(rule Rule) *Config {
	rule.ID, rule.Reason, rule.Level = "ntp", "NtpDown", true
	return &Config{Rules: []Rule{rule}}
}

func TestACheckThatFiresOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		rule  Rule
		says  []string
		fires int
	}{
		"each time":                        {Rule{}, []string{"problem", "problem", "ok", "problem"}, 3},
		"once":                             {Rule{Once: true}, []string{"problem", "problem", "unknown", "problem"}, 1},
		"again after an ok":                {Rule{Once: true}, []string{"problem", "ok", "problem"}, 2},
		"only when it settles":             {Rule{Once: true, FailureThreshold: 3}, []string{"problem", "problem", "ok", "problem", "problem"}, 0},
		"when it settles":                  {Rule{Once: true, FailureThreshold: 2}, []string{"problem", "problem", "problem"}, 1},
		"not again before the ok settles":  {Rule{Once: true, SuccessThreshold: 2}, []string{"problem", "ok", "problem", "ok", "problem"}, 1},
		"again after the ok has settled":   {Rule{Once: true, SuccessThreshold: 2}, []string{"problem", "ok", "ok", "problem"}, 2},
		"not again between the limits":     {Rule{Once: true}, []string{"problem", "between", "problem"}, 1},
		"between the limits goes on":       {Rule{}, []string{"between", "problem", "between", "ok", "between"}, 2},
		"between the limits, on its way":   {Rule{FailureThreshold: 2}, []string{"problem", "between", "problem"}, 0},
		"between the limits, the way down": {Rule{Once: true, SuccessThreshold: 2}, []string{"problem", "ok", "between", "ok", "problem"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, eventsChecks(tt.rule))
			for i, says := range tt.says {
				l.at(1001 + float64(i))
				l.figure("ntp", says)
			}
			require.Len(t, l.fires(), tt.fires)
		})
	}
}

func TestACheckThatFiresOnceForEachInstance(t *testing.T) {
	l := newLab(t, eventsChecks(Rule{Once: true, HasInstances: true}))
	for i, tt := range []struct {
		says  []string
		fires int
	}{
		{[]string{"a problem", "b problem"}, 2},
		{[]string{"a problem", "b problem"}, 0},
		{[]string{"b problem"}, 0}, // a is gone
		{[]string{"a problem", "b problem"}, 1},
	} {
		l.at(1001 + float64(i))
		l.runs("ntp", tt.says...)
		require.Len(t, l.fires(), tt.fires, "run %d", i)
	}
}

func TestACheckThatFiresOnceKeepsToItOverARestart(t *testing.T) {
	config := eventsChecks(Rule{Once: true})
	l := newLab(t, config)
	l.says("ntp", problem)
	require.Len(t, l.fires(), 1)
	l.again(config)
	l.at(1010)
	l.says("ntp", problem)
	require.Empty(t, l.fires())
	l.reboot(bootB, 60)
	l.step(&NewBoot{})
	l.says("ntp", problem)
	require.Len(t, l.fires(), 1, "each boot is told of it")
}

// TestLateSeedsOfRuns compares a seed that is late with one that came at the start,
// over runs of checks that find now this and now that.
func TestLateSeedsOfRuns(t *testing.T) {
	config := &Config{Types: []Type{{Name: "T", OnUnknown: OnUnknownHold}, {Name: "U", OnUnknown: OnUnknownUnknown}}, Rules: []Rule{
		{ID: "a", Condition: "T", Reason: "A", Level: true, HasInstances: true, FailureThreshold: 2, InstanceOf: instanceOf("message of a")},
		{ID: "b", Condition: "T", Reason: "B", Level: true, HasInstances: true, SuccessThreshold: 2},
		{ID: "c", Condition: "U", Reason: "C", Level: true, HasInstances: true},
		{ID: "io", Condition: "U", Reason: "IO", HasInstances: true, Clear: Clear{By: ClearByCheck, Check: "b"}},
	}}
	nodes := []NodeCondition{
		on("T", "True", "A", "message of ax", 500, 990), on("T", "True", "B", "y (and 1 more)", 500, 990), on("T", "True", "Gone", "z", 500, 990),
		on("T", "False", "AllWell", "all is well", 500, 990), on("U", "True", "C", "x", 500, 990), on("U", "True", "IO", "x", 500, 990), on("U", "Unknown", "C", "x", 500, 990),
	}
	lives := uint64(300)
	if soak() {
		lives = 5000
	}
	for seed := range lives {
		random := rand.New(rand.NewPCG(seed, 7))
		l := newLab(t, config)
		l.s.AwaitsReceivers = false
		early := l.s.Clone()
		node := &Seed{Conditions: []NodeCondition{nodes[random.IntN(len(nodes))]}, NodeBootID: l.now.Current.ID}
		j := NewJournal(l.s, l.book, l.now)
		j.Expect(&Receivers{}, l.book, l.now)
		early.Step(l.book, &Receivers{}, l.now)
		sent := early.Step(l.book, node, l.now).Changes
		give := func(in line) {
			l.verdict(in)
			occurrence := l.occurrence(in, in.state)
			occurrence.Problem.Verdict = &pipeline.Verdict{Boot: bootA, Start: l.now.Boot, Between: in.between, Complete: in.complete}
			occurrence.Problem.UID = pipeline.VerdictUID("node-1", bootA, in.rule, in.instance, l.now.Boot)
			j.Note(&Verdict{occurrence}, l.book, l.now, &l.last)
			sent = append(sent, early.Step(l.book, &Verdict{occurrence}, l.now).Changes...)
		}
		finds := map[string]string{}
		for range 40 {
			l.at(l.now.Boot.Seconds() + 1)
			check := string("abc"[random.IntN(3)])
			if instance := check + string("xyz"[random.IntN(3)]); random.IntN(4) == 0 {
				finds[instance] = []string{"problem", "ok", "between", "unknown", ""}[random.IntN(5)]
			}
			instances := []string{"x", "y", "z"}
			slices.SortStableFunc(instances, func(x, y string) int { // what is worst first
				return cmp.Compare(strings.Index("problem between unknown ok", finds[check+x]), strings.Index("problem between unknown ok", finds[check+y]))
			})
			for _, instance := range instances {
				is := finds[check+instance]
				if is == "" {
					continue
				}
				in := line{rule: check, instance: instance, between: is == "between", state: ok}
				if !in.between {
					require.NoError(t, in.state.UnmarshalText([]byte(is)))
				}
				give(in)
			}
			if random.IntN(5) > 0 {
				give(line{rule: check, state: ok, complete: true})
			}
		}
		late, out := j.Seed(node, l.book, l.now)
		early.Step(l.book, &Tick{}, l.now)
		require.Equal(t, uidsOf(sent), uidsOf(out.Changes), "seed %d", seed)
		require.Equal(t, indented(essence(early)), indented(essence(late)), "seed %d", seed)
	}
}

func indented(text string) string {
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(text), "", " "); err != nil {
		return text
	}
	return b.String()
}

func uidsOf(changes []Change) (uids []pipeline.UID) {
	for i := range changes {
		uids = append(uids, changes[i].UID)
	}
	return uids
}
