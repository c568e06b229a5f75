package condition

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

// soak tells whether to look for long.
func soak() bool { return os.Getenv("OTELNPD_SOAK") == "1" }

// scene is a configuration and what can happen under it.
type scene struct {
	name      string
	config    func() *Config
	instances []string
	ops       []op
	// reloaded is the configuration that a reload brings.
	reloaded func() *Config
	// receivers in the order in which their backlogs come.
	receivers []string
}

func scenes() []scene {
	fromMessage := instanceOf("on ")
	restarts := []op{{do: "crash"}, {do: "lose"}, {do: "lose late"}, {do: "crash late"}}
	add := func(ops ...op) []op { return append(ops, restarts...) }
	list := []scene{
		{"two rules cleared by boot", func() *Config {
			return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{
				{ID: "a", Condition: "T", Reason: "A"}, {ID: "b", Condition: "T", Reason: "B"},
			}}
		}, []string{""}, add(
			op{do: "match", rule: "a"}, op{do: "match", rule: "b"}, op{do: "clear", rule: "T"}, op{do: "save"},
			op{do: "reboot"}, op{do: "reboot lose"}, op{do: "reboot late"}, op{do: "wall", s: -40},
		), nil, nil},
		{"recovery with instances", func() *Config {
			return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{
				{ID: "a", Condition: "T", Reason: "A", HasInstances: true, InstanceOf: fromMessage, Clear: Clear{By: ClearByRecovery}},
			}}
		}, []string{"", "x", "y"}, add(
			op{do: "match", rule: "a", instance: "x"}, op{do: "match", rule: "a", instance: "y"},
			op{do: "recovery", rule: "a", instance: "x"}, op{do: "recovery", rule: "a"}, op{do: "save"}, op{do: "reboot lose"},
		), nil, nil},
		{"recovery beside boot", func() *Config {
			return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{
				{ID: "a", Condition: "T", Reason: "A", Clear: Clear{By: ClearByRecovery}}, {ID: "b", Condition: "T", Reason: "B"},
			}}
		}, []string{""}, add(
			op{do: "match", rule: "a"}, op{do: "recovery", rule: "a"}, op{do: "match", rule: "b"},
			op{do: "clear", rule: "T"}, op{do: "save"}, op{do: "reboot"},
		), nil, nil},
		{"ttl", func() *Config {
			return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{
				{ID: "a", Condition: "T", Reason: "A", Clear: Clear{By: ClearByTTL, TTL: 10 * time.Second}},
				{ID: "b", Condition: "T", Reason: "B", Clear: Clear{By: ClearByTTL, TTL: 3 * time.Second}},
			}}
		}, []string{""}, add(
			op{do: "match", rule: "a"}, op{do: "match", rule: "b"}, op{do: "pass", s: 2}, op{do: "pass", s: 8},
			op{do: "save"}, op{do: "reboot"},
		), nil, nil},
		{"threshold", func() *Config {
			return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{
				{ID: "a", Condition: "T", Reason: "A", Threshold: Threshold{2, 4 * time.Second}, Clear: Clear{By: ClearByRecovery}},
			}}
		}, []string{""}, add(
			op{do: "match", rule: "a"}, op{do: "recovery", rule: "a"}, op{do: "pass", s: 2}, op{do: "save"}, op{do: "reboot"}, op{do: "reboot lose"},
		), nil, nil},
		{"level and the rule that it clears", func() *Config {
			return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{
				{ID: "io", Condition: "T", Reason: "A", Clear: Clear{By: ClearByCheck, Check: "chk"}},
				{ID: "chk", Condition: "T", Reason: "C", Level: true},
			}}
		}, []string{""}, add(
			op{do: "match", rule: "io"}, op{do: "verdict", rule: "chk", state: pipeline.StateOK},
			op{do: "verdict", rule: "chk", state: pipeline.StateProblem}, op{do: "save"}, op{do: "clear", rule: "T"}, op{do: "reboot"},
		), nil, nil},
		{"level with hysteresis", func() *Config {
			return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{{ID: "chk", Condition: "T", Reason: "C", Level: true}}}
		}, []string{""}, add(
			op{do: "verdict", rule: "chk", state: pipeline.StateOK}, op{do: "verdict", rule: "chk", state: pipeline.StateProblem},
			op{do: "between", rule: "chk"}, op{do: "save"}, op{do: "clear", rule: "T"}, op{do: "reboot"},
		), nil, nil},
		{"level with instances", func() *Config {
			return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{
				{ID: "chk", Condition: "T", Reason: "C", Level: true, HasInstances: true, InstanceOf: fromMessage},
			}}
		}, []string{"x", "y"}, add(instancesOf("chk")...), nil, nil},
		{"level whose messages do not tell the instance", func() *Config {
			return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{{ID: "chk", Condition: "T", Reason: "C", Level: true, HasInstances: true}}}
		}, []string{"x", "y"}, add(instancesOf("chk")...), nil, nil},
		{"level whose messages do not tell the instance, and the rule that it clears", func() *Config {
			return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{
				{ID: "chk", Condition: "T", Reason: "C", Level: true, HasInstances: true},
				{ID: "io", Condition: "T", Reason: "A", Clear: Clear{By: ClearByCheck, Check: "chk"}},
			}}
		}, []string{"", "x", "y"}, add(append(instancesOf("chk"), op{do: "match", rule: "io"})...), nil, nil},
		{"latched", func() *Config {
			return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{
				{ID: "a", Condition: "T", Reason: "A", Clear: Clear{By: ClearByLatched}}, {ID: "b", Condition: "T", Reason: "B"},
			}}
		}, []string{""}, add(
			op{do: "match", rule: "a"}, op{do: "match", rule: "b"}, op{do: "clear", rule: "T"}, op{do: "save"},
			op{do: "reboot"}, op{do: "reboot lose"},
		), nil, nil},
		{"ttl and a degraded source", func() *Config {
			return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{
				{ID: "a", Condition: "T", Reason: "A", Clear: Clear{By: ClearByTTL, TTL: 6 * time.Second}}, {ID: "b", Condition: "T", Reason: "B", Clear: Clear{By: ClearByRecovery}},
			}}
		}, []string{""}, add(
			op{do: "match", rule: "a"}, op{do: "match", rule: "b"}, op{do: "recovery", rule: "b"}, op{do: "pass", s: 3},
			op{do: "degrade"}, op{do: "heal"}, op{do: "save"},
		), nil, nil},
		{"reload", func() *Config {
			return &Config{Hash: "one", Types: []Type{{Name: "T"}}, Rules: []Rule{
				{ID: "a", Condition: "T", Reason: "A", Clear: Clear{By: ClearByRecovery}}, {ID: "b", Condition: "T", Reason: "B"},
			}}
		}, []string{""}, add(
			op{do: "match", rule: "a"}, op{do: "recovery", rule: "a"}, op{do: "match", rule: "b"}, op{do: "reload"}, op{do: "save"}, op{do: "reboot"},
			op{do: "upgrade"}, op{do: "upgrade late"},
		), func() *Config {
			return &Config{Hash: "two", Types: []Type{{Name: "T"}}, Rules: []Rule{
				{ID: "a", Condition: "T", Reason: "A", Clear: Clear{By: ClearByRecovery}}, {ID: "c", Condition: "T", Reason: "C"},
			}}
		}, nil},
	}
	list = append(list, renamedScenes(add)...)
	list = append(list, scene{"silences", func() *Config {
		return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{
			{ID: "a", Condition: "T", Reason: "A", Clear: Clear{By: ClearByRecovery}}, {ID: "b", Condition: "T", Reason: "B"},
		}}
	}, []string{""}, []op{
		{do: "match", rule: "a"}, {do: "match", rule: "b"}, {do: "recovery", rule: "a"}, {do: "pass", s: 8},
		{do: "silence", rule: "a", s: 5}, {do: "silence", rule: "b", s: 60}, {do: "unsilence", rule: "b"},
		{do: "save"}, {do: "crash"}, {do: "crash late"}, {do: "reboot"}, {do: "reboot late"}, {do: "lose"},
	}, nil, nil})
	for _, receivers := range [][]string{{"kmsg", "journal"}, {"journal", "kmsg"}} {
		list = append(list, scene{"two sources, " + receivers[0] + " first", func() *Config {
			return &Config{Types: []Type{{Name: "T"}}, Rules: []Rule{
				{ID: "a", Condition: "T", Reason: "A", Clear: Clear{By: ClearByRecovery}}, {ID: "b", Condition: "T", Reason: "B"},
				{ID: "t", Condition: "T", Reason: "C", Clear: Clear{By: ClearByTTL, TTL: 4 * time.Second}},
			}}
		}, []string{""}, []op{
			{do: "match", rule: "a"}, {do: "match", rule: "a", from: "journal"},
			{do: "recovery", rule: "a"}, {do: "recovery", rule: "a", from: "journal"},
			{do: "match", rule: "b", from: "journal"}, {do: "match", rule: "t"}, {do: "match", rule: "t", from: "journal"},
			{do: "save"}, {do: "crash"}, {do: "lose"}, {do: "lose late"}, {do: "reboot"},
		}, nil, receivers})
	}
	return list
}

// instancesOf are what a check with instances can find, and what can happen to it.
func instancesOf(check string) []op {
	return []op{
		{do: "verdict", rule: check, instance: "x", state: pipeline.StateOK},
		{do: "verdict", rule: check, instance: "x", state: pipeline.StateProblem},
		{do: "between", rule: check, instance: "x"}, {do: "gone", rule: check, instance: "x"},
		{do: "verdict", rule: check, instance: "y", state: pipeline.StateProblem}, {do: "gone", rule: check, instance: "y"},
		{do: "save"}, {do: "clear", rule: "T"}, {do: "reboot"},
	}
}

// renamedScenes are those in which rules change their names, and back.
func renamedScenes(add func(...op) []op) []scene {
	named := func(hash string, name func(id string) (string, []Former)) func() *Config {
		return func() *Config {
			config := &Config{Hash: hash, Types: []Type{{Name: "T"}}, Rules: []Rule{
				{ID: "a", Reason: "A", Clear: Clear{By: ClearByLatched}}, {ID: "b", Reason: "B", Clear: Clear{By: ClearByRecovery}},
			}}
			if strings.HasPrefix(hash, "check") {
				config.Rules[0] = Rule{ID: "a", Reason: "A", Level: true}
			}
			for i := range config.Rules {
				rule := &config.Rules[i]
				rule.Condition = "T"
				rule.ID, rule.Formerly = name(rule.ID)
			}
			return config
		}
	}
	first := func(id string) (string, []Former) { return id, []Former{{ID: id + "2"}} }
	second := func(id string) (string, []Former) { return id + "2", []Former{{ID: id}} }
	upgrades := add(op{do: "match", rule: "b"}, op{do: "recovery", rule: "b"}, op{do: "save"}, op{do: "reboot"},
		op{do: "reload"}, op{do: "upgrade"}, op{do: "upgrade late"}, op{do: "reboot upgrade"}, op{do: "reboot upgrade late"})
	return []scene{
		{"renamed", named("one", first), []string{""}, append(slices.Clip(upgrades), op{do: "match", rule: "a"}), named("two", second), nil},
		{"renamed check", named("check one", first), []string{""}, append(slices.Clip(upgrades),
			op{do: "verdict", rule: "a", state: pipeline.StateOK}, op{do: "verdict", rule: "a", state: pipeline.StateProblem}),
			named("check two", second), nil},
	}
}

// stage is a scene with its configurations made ready.
type stage struct {
	scene
	book, other *Book
	shadowed    bool // states are read from their text again and again
}

func (s scene) stage(t *testing.T) stage {
	t.Helper()
	made := stage{scene: s, book: newTestBook(t, s.config())}
	if made.other = made.book; s.reloaded != nil {
		made.other = newTestBook(t, s.reloaded())
	}
	return made
}

// play runs a sequence in a world of its own.
func (s *stage) play(eager bool, ops []op) error {
	w := newWorld(s.book, s.other, s.instances, eager, s.receivers...)
	w.shadow.on = s.shadowed
	return w.run(ops)
}

func (s *stage) fail(t *testing.T, eager bool, ops []op, err error) {
	t.Helper()
	ops = shrink(ops, func(ops []op) bool { return s.play(eager, ops) != nil })
	t.Fatalf("%v; shrunk to\n%s%v", err, printCase(s.name, eager, ops), s.play(eager, ops))
}

// TestEveryShortLife goes through every sequence of three ops and a part of those
// of four; to soak, through every one of five.
func TestEveryShortLife(t *testing.T) {
	lengths := []struct{ ops, stride int }{{3, 1}, {4, 19}}
	if soak() {
		lengths = []struct{ ops, stride int }{{5, 1}}
	}
	for _, s := range scenes() {
		for _, eager := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, eager %t", s.name, eager), func(t *testing.T) {
				t.Parallel()
				s := s.stage(t)
				alphabet := s.ops
				if !eager {
					alphabet = append(slices.Clip(alphabet), op{do: "patch"}, op{do: "deliver"})
				}
				n := 0
				for _, length := range lengths {
					everySequence(alphabet, length.ops, length.stride, func(ops []op) {
						n++
						if err := s.play(eager, ops); err != nil {
							s.fail(t, eager, ops, err)
						}
					})
				}
				t.Logf("%d lives", n)
			})
		}
	}
}

// everySequence visits every stride-th sequence.
func everySequence(alphabet []op, length, stride int, visit func([]op)) {
	index := make([]int, length)
	ops := make([]op, length)
	for n := 0; ; n++ {
		if n%stride == 0 {
			for i, at := range index {
				ops[i] = alphabet[at]
			}
			visit(ops)
		}
		i := length - 1
		for ; i >= 0; i-- {
			if index[i]++; index[i] < len(alphabet) {
				break
			}
			index[i] = 0
		}
		if i < 0 {
			return
		}
	}
}

// TestManyLongLives goes through random sequences.
func TestManyLongLives(t *testing.T) {
	lives := 25
	if soak() {
		lives = 3000
	}
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s := s.stage(t)
			s.shadowed = true
			for seed := range uint64(lives) {
				random := rand.New(rand.NewPCG(seed, 1))
				alphabet := append(slices.Clip(s.ops), op{do: "patch"}, op{do: "deliver"}, op{do: "lose twice"}, op{do: "crash late"}, op{do: "pass", s: 70})
				ops := make([]op, 40)
				for i := range ops {
					ops[i] = alphabet[random.IntN(len(alphabet))]
				}
				for _, eager := range []bool{true, false} {
					if err := s.play(eager, ops); err != nil {
						s.fail(t, eager, ops, fmt.Errorf("seed %d: %w", seed, err))
					}
				}
			}
		})
	}
}

// shrink takes ops out of a failing sequence for as long as it still fails.
func shrink(ops []op, fails func([]op) bool) []op {
	ops = append([]op(nil), ops...)
	for size := len(ops) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(ops); {
			shorter := append(append([]op(nil), ops[:at]...), ops[at+size:]...)
			if fails(shorter) {
				ops = shorter
			} else {
				at++
			}
		}
	}
	return ops
}

// printCase prints a sequence as a row of the table in TestLivesThatFailedOnce.
func printCase(scene string, eager bool, ops []op) string {
	var b strings.Builder
	fmt.Fprintf(&b, "{scene: %q, eager: %t, ops: []op{\n", scene, eager)
	for _, o := range ops {
		fmt.Fprintf(&b, "\t%s,\n", printOp(o))
	}
	b.WriteString("}},\n")
	return b.String()
}

func printOp(o op) string {
	var b strings.Builder
	fmt.Fprintf(&b, "{do: %q", o.do)
	if o.rule != "" {
		fmt.Fprintf(&b, ", rule: %q", o.rule)
	}
	if o.instance != "" {
		fmt.Fprintf(&b, ", instance: %q", o.instance)
	}
	if o.state != pipeline.StateUnknown {
		b.WriteString(", state: " + o.state.String())
	}
	if o.s != 0 {
		fmt.Fprintf(&b, ", s: %v", o.s)
	}
	if o.from != "" {
		fmt.Fprintf(&b, ", from: %q", o.from)
	}
	return b.String() + "}"
}

func TestShrinkFindsTheCore(t *testing.T) {
	a, b, c := op{do: "match", rule: "a"}, op{do: "clear", rule: "T"}, op{do: "pass", s: 2}
	got := shrink([]op{c, a, c, c, b, a, c}, func(ops []op) bool {
		sawA := false
		for _, o := range ops {
			if o == b && sawA {
				return true
			}
			sawA = sawA || o == a
		}
		return false
	})
	require.Equal(t, []op{a, b}, got)
}
