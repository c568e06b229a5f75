package condition

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What is past when the Node is read, and which of Node and state is the newer one.

// The operator's clear was told to the Node, and the agent killed before its state was
// written.
func TestRule16WhatTheNodeKnowsToBeClearedIsNotShownAgain(t *testing.T) {
	l := newLab(t, deadlock())
	l.at(1001)
	l.matches("a")
	saved := l.s.Clone()
	l.at(1010)
	l.clear("Deadlock")
	node := l.node()
	l.at(1020)
	l.s = saved
	l.s.Begin(l.book, l.now)
	l.expect("kmsg")
	l.seen()
	l.seed(node...)
	require.Equal(t, `False AllWell "all is well" @16m50s`, l.stands("Deadlock"))
	require.Empty(t, l.s.activeCauses(l.book.byType["Deadlock"], l.s.Types["Deadlock"]))
	l.match(line{rule: "a", at: 1005})
	l.ends("kmsg")
	require.Empty(t, l.seen(), "nothing has happened that was not told")
	l.at(1030)
	l.matches("a")
	require.Equal(t, []string{`activation Deadlock=True TaskHung "message of a" @17m10s changed Warning TaskHung`}, l.seen())
}

func TestRule20ARecoveryThatIsPastMakesItsEvent(t *testing.T) {
	l := newLab(t, links())
	l.expect("kmsg")
	l.seed(on("LinkDown", "False", "AllWell", "all is well", 700, 900))
	down, up := line{rule: "link", instance: "eth0", at: 600}, line{rule: "link", instance: "eth0", at: 650}
	l.match(down)
	l.seen()
	l.recover(up)
	require.Equal(t, []string{`status LinkDown=False AllWell "all is well" @11m40s Normal Down`}, l.seen())
	down.at, up.at = 660, 750
	l.match(down)
	l.seen()
	l.recover(up)
	require.Empty(t, l.seen(), "the Node's status says that something else had ended it")
}

// The Node has taken a PATCH, and its answer was lost: the state, which has gone on
// since, is the newer one.
func TestRule16TheStatesTimeHoldsWhereItIsNewerThanTheNodes(t *testing.T) {
	for name, tt := range map[string]struct {
		config *Config
		node   NodeCondition
		since  func(*lab) // what the Node was not told any more
		want   string
	}{
		"a clear": {deadlock(), on("Deadlock", "True", "TaskHung", "message of a", 1001, 1001),
			func(l *lab) { l.clear("Deadlock") }, "False @16m50s"},
		"a recovery": {withRecovery(deadlock()), on("Deadlock", "True", "TaskHung", "message of a", 1001, 1001),
			func(l *lab) { l.recover(line{rule: "a"}) }, "False @16m50s"},
		"a problem": {deadlock(), on("Deadlock", "False", "AllWell", "all is well", 1005, 1005),
			func(l *lab) { l.at(1005); l.clear("Deadlock"); l.at(1010); l.matches("a") }, "True @16m50s"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, tt.config)
			l.at(1001)
			l.matches("a")
			l.at(1010)
			tt.since(l)
			l.at(1020)
			l.s.Begin(l.book, l.now)
			l.expect("kmsg")
			l.seed(tt.node)
			stands := func() string {
				c := l.s.Types["Deadlock"].Shown
				return string(c.Status) + " @" + offset(c.LastTransitionTime)
			}
			require.Equal(t, tt.want, stands())
			l.ends("kmsg")
			require.Equal(t, tt.want, stands())
		})
	}
}

func withRecovery(config *Config) *Config {
	config.Rules[0].Clear = Clear{By: ClearByRecovery}
	return config
}

func TestRule16ACheckThatWasWellAfterTheNodesProblem(t *testing.T) {
	l := newLab(t, checkedDisk())
	l.at(1001)
	l.says("smart", problem)
	l.at(1010)
	l.says("smart", ok)
	l.at(1020)
	l.s.Begin(l.book, l.now)
	l.seed(on("Disk", "True", "SmartBad", "message of smart", 1001, 1001))
	require.Equal(t, `False AllWell "all is well" @16m50s`, l.stands("Disk"))
	l.says("smart", ok)
	require.Equal(t, `False AllWell "all is well" @16m50s`, l.stands("Disk"))
}

// A repeat in the second of the clear was judged, and written down, before it.
func TestRule16WhatTheStateHasOfTheSecondOfAClearIsPast(t *testing.T) {
	l := newLab(t, deadlock())
	l.at(1009.3)
	l.matches("a")
	l.at(1010.1)
	l.matches("a", "b")
	saved := l.s.Clone()
	l.at(1010.3)
	l.clear("Deadlock")
	node := l.node()
	l.at(1020)
	l.s = saved
	l.s.Begin(l.book, l.now)
	l.expect("kmsg")
	l.seen()
	l.seed(node...)
	l.ends("kmsg")
	require.Equal(t, `False AllWell "all is well" @16m50s`, l.stands("Deadlock"))
	require.Empty(t, l.seen())
}

// The state knows the Node's healthy status: what came in the same second came later.
func TestRule20AProblemInTheSecondOfAHealthyStatusThatTheStateKnows(t *testing.T) {
	l := newLab(t, deadlock())
	l.at(1009.3)
	l.matches("a")
	l.at(1010.1)
	l.clear("Deadlock")
	node := l.node() // its answer was lost
	l.at(1010.3)
	l.matches("a")
	l.at(1020)
	l.s.Begin(l.book, l.now)
	l.expect("kmsg")
	l.seed(node...)
	l.ends("kmsg")
	require.Equal(t, `True TaskHung "message of a" @16m50s`, l.stands("Deadlock"))
}
