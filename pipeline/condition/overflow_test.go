package condition

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// When too much waits for the Node, the older half is judged without it; what the
// Node says is then judged as of the start in which that half ends.
func TestWhatOverflowsOverABootIsJudgedInItsBoot(t *testing.T) {
	l := newLab(t, deadlock())
	j := NewJournal(l.s, l.book, l.now)
	do := func(in Input) {
		out := l.step(in)
		j.Note(in, l.book, l.now, &out)
	}
	do(&Receivers{IDs: []string{"kmsg"}})
	do(&Match{l.read(line{rule: "b"}, problem)})
	l.reboot(bootB, 60)
	do(&Restart{})
	do(&Receivers{IDs: []string{"kmsg"}})
	do(&NewBoot{})
	for j.Overflows == 0 {
		l.at(l.now.Boot.Seconds() + 0.001)
		do(&Match{l.read(line{rule: "a"}, problem)})
		l.at(l.now.Boot.Seconds() + 0.001)
		do(&OperatorClear{Type: "Deadlock", RequestID: "r"})
	}
	l.at(l.now.Boot.Seconds() + 1)
	do(&Match{l.read(line{rule: "r"}, problem)})
	require.Equal(t, bootB, j.start.Boot.ID)
	s, _ := j.Seed(&Seed{NodeBootID: bootB, Conditions: []NodeCondition{
		on("Deadlock", "True", "LockUp", "message of b", 500, 900),
	}}, l.book, l.now)
	require.Equal(t, bootB, s.Boot.ID, "no boot comes twice")
	require.Equal(t, l.s.Boots, s.Boots)
	require.Equal(t, []Key{{Rule: "r"}}, activeKeys(&lab{s: s}, "Deadlock"), "what the Node shows is of the boot before")
}
