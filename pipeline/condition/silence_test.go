package condition

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

func (l *lab) silence(rule string, s float64) {
	l.t.Helper()
	l.step(&SilenceRule{Rule: rule, For: seconds(s)})
}

func (l *lab) unsilence(rule string) {
	l.t.Helper()
	l.step(&UnsilenceRule{Rule: rule})
}

// fires tells what has fired since the last look: REASON, in brackets if observed.
func (l *lab) fires() (reasons []string) {
	for _, p := range l.fired {
		if p.Observe {
			reasons = append(reasons, "("+p.Reason+")")
		} else {
			reasons = append(reasons, p.Reason)
		}
	}
	l.fired = nil
	return reasons
}

// again lets the agent start anew from what it had written.
func (l *lab) again(config *Config) {
	l.t.Helper()
	text, err := json.Marshal(l.s)
	require.NoError(l.t, err)
	var back State
	require.NoError(l.t, json.Unmarshal(text, &back))
	require.NoError(l.t, back.mend())
	l.s, l.book = &back, newTestBook(l.t, config)
	l.s.Begin(l.book, l.now)
}

func TestASilencedRuleIsObserved(t *testing.T) {
	l := newLab(t, deadlock())
	l.silence("a", 60)
	l.at(1001)
	l.matches("a")
	require.Equal(t, pipeline.ConditionFalse, l.status("Deadlock"))
	require.Equal(t, []string{"(TaskHung)"}, l.fires())
	l.matches("b")
	require.Equal(t, `True LockUp "message of b" @16m41s`, l.stands("Deadlock"), "others are not")
	l.at(1061)
	l.matches("a")
	require.Equal(t, `True TaskHung "message of a (and 1 more)" @16m41s`, l.stands("Deadlock"), "the silence is over")
	require.Empty(t, l.fires())
}

func TestASilenceEndsNothing(t *testing.T) {
	l := newLab(t, deadlock())
	l.matches("r")
	l.at(1001)
	l.silence("r", 60)
	l.at(1002)
	l.matches("r")
	require.Equal(t, `True Stuck "message of r" @16m40s`, l.stands("Deadlock"))
	l.at(1003)
	l.recover(line{rule: "r"})
	require.Equal(t, pipeline.ConditionFalse, l.status("Deadlock"), "recoveries are heard")
	l.at(1004)
	l.matches("r")
	require.Equal(t, pipeline.ConditionFalse, l.status("Deadlock"))
}

// A line is judged by when it happened, not by when it is read.
func TestASilenceCoversWhatHappenedInIt(t *testing.T) {
	for at, quiet := range map[float64]bool{999: false, 1000: false, 1000.5: true, 1049.9: true, 1050: false, 1100: false} {
		l := newLab(t, deadlock())
		l.silence("a", 100)
		l.at(1050)
		l.unsilence("a")
		l.at(2000)
		l.again(deadlock())
		l.expect("kmsg")
		l.match(line{rule: "a", at: at})
		require.Equal(t, quiet, l.status("Deadlock") == pipeline.ConditionFalse, "at %v", at)
	}
}

func TestASilenceThatIsProlongedCoversWhatItCovered(t *testing.T) {
	l := newLab(t, deadlock())
	l.silence("a", 100)
	l.at(1050)
	l.silence("a", 100)
	l.at(1060)
	l.match(line{rule: "a", at: 1049})
	require.Equal(t, pipeline.ConditionFalse, l.status("Deadlock"), "read late")
	l.at(1149)
	l.matches("a")
	require.Equal(t, pipeline.ConditionFalse, l.status("Deadlock"))
	l.at(1151)
	l.matches("a")
	require.Equal(t, pipeline.ConditionTrue, l.status("Deadlock"))
}

func TestASilenceIsKeptForLinesThatAReloadFindsLate(t *testing.T) {
	l := newLab(t, deadlock())
	l.silence("a", 100)
	l.at(9000)
	config := deadlock()
	config.Hash = "hash-2"
	l.again(config)
	l.expect("kmsg")
	l.step(&Reload{})
	l.match(line{rule: "a", at: 1050})
	require.Equal(t, pipeline.ConditionFalse, l.status("Deadlock"))
	l.reload(without(config, "a"))
	l.reload(deadlock())
	l.match(line{rule: "a", at: 1060})
	require.Equal(t, pipeline.ConditionTrue, l.status("Deadlock"), "the silence of a removed rule is forgotten")
}

func TestASilenceCountsOverAReboot(t *testing.T) {
	for name, tt := range map[string]struct {
		ended bool    // before the reboot
		step  float64 // of the wall clock while the node was down
		until float64 // of the new boot; 0: no silence
	}{
		"the wall clock goes on":        {until: 950},
		"it went back":                  {step: -5000, until: 1010},
		"it went far ahead":             {step: 5000},
		"it had ended":                  {ended: true},
		"it had ended; it went back":    {ended: true, step: -5000},
		"it went back, but only little": {step: -20, until: 970},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, deadlock())
			l.silence("a", 2000)
			l.at(2000)
			l.step(&Tick{})
			if tt.ended {
				l.unsilence("a")
			}
			l.stepWall(tt.step)
			l.reboot(bootB, 50)
			l.again(deadlock())
			l.expect("kmsg")
			l.step(&NewBoot{})
			for _, at := range []float64{11, tt.until - 1, tt.until + 1} {
				if at < 10 {
					continue
				}
				l.at(at)
				l.matches("a")
				require.Equal(t, at < tt.until, l.status("Deadlock") == pipeline.ConditionFalse, "at %v", at)
				l.at(at + 0.5)
				l.clear("Deadlock")
			}
		})
	}
}

// What a persistent journal brings of the boot before was silenced there.
func TestASilenceCoversTheLinesOfItsBoot(t *testing.T) {
	config := deadlock()
	config.Rules[0].Clear = Clear{By: ClearByLatched}
	for _, left := range []float64{500, 5} { // of the silence, when the node went down
		l := newLab(t, config)
		l.silence("a", 500+left)
		l.at(1500)
		l.step(&Tick{})
		l.reboot(bootB, 60)
		l.again(config)
		l.expect("kmsg")
		l.step(&NewBoot{})
		l.match(line{rule: "a", boot: bootA, at: 1400})
		require.Equal(t, pipeline.ConditionFalse, l.status("Deadlock"), "a latched rule hears of earlier boots")
		require.Empty(t, l.seen())
		l.match(line{rule: "a", boot: bootA, at: 999})
		require.Equal(t, pipeline.ConditionTrue, l.status("Deadlock"), "before the silence")
	}
}

func TestASilencedRuleGathersOnItsOwn(t *testing.T) {
	t.Run("events", func(t *testing.T) {
		l := newLab(t, counting(3, 600, Clear{}))
		l.matches("ev")
		l.silence("ev", 60)
		l.at(1001)
		l.matches("ev", "ev")
		require.Empty(t, l.fires(), "one before the silence and two in it")
		l.matches("ev")
		require.Equal(t, []string{"(Slow)"}, l.fires())
		l.at(1061)
		l.matches("ev")
		require.Empty(t, l.fires())
		l.matches("ev")
		require.Equal(t, []string{"Slow"}, l.fires(), "one before the silence and two after")
	})
	t.Run("conditions", func(t *testing.T) {
		l := newLab(t, counting(2, 600, Clear{}))
		l.matches("io")
		l.silence("io", 60)
		l.at(1001)
		l.matches("io")
		l.at(1002)
		l.recover(line{rule: "io"})
		l.at(1003)
		l.matches("io")
		require.Empty(t, l.fires(), "a recovery forgets what was gathered")
		l.matches("io")
		require.Equal(t, []string{"(IOError)"}, l.fires())
		require.Equal(t, pipeline.ConditionFalse, l.status("Disk"))
	})
}

func TestASilencedCheck(t *testing.T) {
	config := checked(Type{InitiallyHealthy: true}, Rule{For: seconds(20), FailureThreshold: 2})
	l := newLab(t, config)
	l.silence("ntp", 100)
	for at := 1001.0; at <= 1041; at += 10 {
		l.at(at)
		l.says("ntp", problem)
		require.Equal(t, at == 1021, len(l.fires()) == 1, "at %v: where it would have turned the condition", at)
	}
	require.Equal(t, pipeline.ConditionFalse, l.status("Clock"))
	l.at(1051)
	l.says("ntp", ok)
	l.at(1061)
	l.says("ntp", problem)
	require.Empty(t, l.fires(), "an ok begins anew")
	l.at(1101)
	l.says("ntp", problem)
	require.Empty(t, l.fires())
	require.Equal(t, pipeline.ConditionFalse, l.status("Clock"), "what it said silently does not count")
	l.at(1121)
	l.says("ntp", problem)
	require.Equal(t, pipeline.ConditionTrue, l.status("Clock"))
}

func TestASilencedCheckTurnsNothingButOK(t *testing.T) {
	l := newLab(t, checked(Type{OnUnknown: OnUnknownUnknown}, Rule{}))
	l.says("ntp", problem)
	l.seen()
	l.at(1001)
	l.silence("ntp", 100)
	l.at(1002)
	l.says("ntp", unknown)
	require.Equal(t, pipeline.ConditionTrue, l.status("Clock"), "what it holds it holds")
	l.at(1003)
	l.says("ntp", ok)
	require.Equal(t, pipeline.ConditionFalse, l.status("Clock"))
	l.at(1004)
	l.says("ntp", unknown)
	l.at(1005)
	l.says("ntp", problem)
	require.Equal(t, pipeline.ConditionFalse, l.status("Clock"))
	require.True(t, l.s.VerdictsIn, "a silenced check has answered too")
}

func TestSilencesAreBounded(t *testing.T) {
	config := &Config{}
	for i := range MaxSilences + 1 {
		config.Rules = append(config.Rules, Rule{ID: fmt.Sprint("rule-", i), Reason: "R"})
	}
	l := newLab(t, config)
	for _, rule := range config.Rules {
		l.silence(rule.ID, 60)
	}
	require.Len(t, l.s.silences(l.now), MaxSilences)
	l.at(1061)
	l.silence(config.Rules[MaxSilences].ID, 60)
	require.Len(t, l.s.Silences, 1, "those that are over make room")
	for _, lasting := range []time.Duration{-1, 0, MinSilenceFor - 1, MaxSilenceFor + 1} {
		l.step(&SilenceRule{Rule: "rule-0", For: lasting})
	}
	l.silence("nobody", 60)
	l.unsilence("nobody")
	require.Len(t, l.s.Silences, 1)
}

// A late seed judges by the silences that there were.
func TestALateSeedKnowsSilences(t *testing.T) {
	l := newLab(t, deadlock())
	l.expect("kmsg")
	l.ends("kmsg")
	j := NewJournal(l.s, l.book, l.now)
	note := func(out Outcome, in Input) { j.Note(in, l.book, l.now, &out) }
	say := func(in Input) { note(l.step(in), in) }
	say(&SilenceRule{Rule: "a", For: seconds(100)})
	for at := 1100.0 - 10; at < 1300; at += 30 { // past the first minute, where repeats are folded
		l.at(at)
		say(&Match{l.read(line{rule: "a"}, problem)})
	}
	s, out := j.Seed(&Seed{}, l.book, l.now)
	require.Equal(t, l.s.Types["Deadlock"].Shown, s.Types["Deadlock"].Shown)
	require.Len(t, out.Changes, 1)
	require.Equal(t, "18m40s", offset(s.Types["Deadlock"].Causes[Key{Rule: "a"}].Since), "the first one after the silence")
}
