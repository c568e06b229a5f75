package condition

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Rule 25: the identity of transitions.

// The vectors were computed apart from this code, from the definition of UID. A
// change here tells Events a second time after an upgrade.
func TestRule25UIDsOfTransitionsAreFrozen(t *testing.T) {
	l := newLab(t, several())
	uids := map[string]string{}
	note := func(name string) {
		require.NotEmpty(t, l.last.Changes, name)
		uids[name] = l.last.Changes[len(l.last.Changes)-1].UID.String()
	}
	l.matches("boot")
	note("match")
	l.matches("latched")
	l.says("level", ok)
	note("verdict")
	l.at(1001)
	l.clear("Kept")
	note("operator")
	l.reboot(bootB, 60)
	l.step(&NewBoot{})
	note("boot")
	l.matches("ttl")
	l.tick(10 + 9999)
	note("ttl")
	l.matches("latched")
	l.reload(without(several(), "latched"))
	note("reload")
	require.Equal(t, map[string]string{
		"match":    "dfb5401030fa22bd053840e159e1c8bc",
		"verdict":  "229bece984c1d73af4a73f6fcbd23a5c",
		"operator": "78095fbd3d3fcccfd4df829a1394219f",
		"boot":     "e3a82856d3a5aba702bcf0914a1e750e",
		"ttl":      "22c562d405562dd44cd518c5e865eeca",
		"reload":   "3c75fbfc4208df3a8203562089176402",
	}, uids)
}

func TestRule25OneVerdictThatTurnsTwoTypesMakesTwoEvents(t *testing.T) {
	l := newLab(t, &Config{
		Types: []Type{{Name: "Disk"}, {Name: "Raid"}},
		Rules: []Rule{
			{ID: "io", Condition: "Disk", Reason: "IO", Clear: Clear{By: ClearByCheck, Check: "smart"}},
			{ID: "md", Condition: "Raid", Reason: "MD", Clear: Clear{By: ClearByCheck, Check: "smart"}},
			{ID: "smart", Condition: "Raid", Reason: "SmartBad", Level: true},
		},
	})
	l.matches("io", "md")
	l.says("smart", problem)
	l.seen()
	l.at(1001)
	l.says("smart", ok)
	require.Equal(t, []string{
		`status Raid=False AllWell "all is well" @16m41s changed Normal SmartBad`,
		`status Disk=False AllWell "all is well" @16m41s changed Normal IO`,
	}, l.seen())
	require.NotEqual(t, l.last.Changes[0].UID, l.last.Changes[1].UID)
}

func TestRule25TheSameRequestMakesOneEvent(t *testing.T) {
	l := newLab(t, deadlock())
	l.matches("a")
	l.at(1001)
	first := l.clear("Deadlock").Changes[0].UID
	l.at(1002)
	l.matches("a")
	require.Equal(t, first, l.clear("Deadlock").Changes[0].UID)
	l.at(1003)
	l.matches("a")
	other := l.step(&OperatorClear{Type: "Deadlock", RequestID: "request-2"}).Changes[0].UID
	require.NotEqual(t, first, other)
	require.Equal(t, pipeline.TransitionUID(pipeline.CauseUID("operator", "node-1", "request-1"), "Deadlock", "False"), first)
}
