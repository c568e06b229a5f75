package pipeline_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

var (
	bootA = "11111111-2222-4333-8444-555555555555"
	place = pipeline.Place{Scope: bootA, Source: "kmsg", Generation: 0, Position: 4711}
)

// The vectors were computed apart from this code, from the definition of UID:
// sha256 over len(field) as uint64 big endian followed by the field. A change
// here tells every Event and log record a second time after an upgrade.
func TestUIDsAreFrozen(t *testing.T) {
	cause := pipeline.ProblemUID("node-1", place, "kernel/task-hung")
	for name, tt := range map[string]struct {
		uid  pipeline.UID
		want string
	}{
		"line":       {pipeline.LineUID("node-1", place), "c1a0719437c08c2b972b599194c390b1"},
		"problem":    {cause, "928a43096f17d64c6856e72559f41bdd"},
		"verdict":    {pipeline.VerdictUID("node-1", bootA, "ntp", "", 90*time.Second), "af390ef9f43c8617790ce92116573a73"},
		"transition": {pipeline.TransitionUID(cause, "KernelDeadlock", pipeline.ConditionTrue), "3038357bb9bb051708aae0a3ffb45d3a"},
		"boot":       {pipeline.CauseUID("boot", bootA, "KernelDeadlock"), "e7ade66a130ab9dbe433b45b71caecfc"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, tt.uid.String())
		})
	}
}

func TestUIDTellsApart(t *testing.T) {
	seen := map[pipeline.UID]string{}
	note := func(name string, uid pipeline.UID) {
		t.Helper()
		require.NotContains(t, seen, uid, "%s and %s share a UID", name, seen[uid])
		seen[uid] = name
	}
	note("line", pipeline.LineUID("n", place))
	note("another node", pipeline.LineUID("m", place))
	next := place
	next.Position++
	note("next line", pipeline.LineUID("n", next))
	truncated := place
	truncated.Generation++
	note("same offset after a truncation", pipeline.LineUID("n", truncated))
	note("match", pipeline.ProblemUID("n", place, "a"))
	note("match of another rule", pipeline.ProblemUID("n", place, "b"))
	shifted := place
	shifted.Scope, shifted.Source = place.Scope+"k", "msg"
	note("fields that run together", pipeline.LineUID("n", shifted))
	note("verdict", pipeline.VerdictUID("n", bootA, "a", "", 1))
	note("verdict on an instance", pipeline.VerdictUID("n", bootA, "a", "sda", 1))
}

func TestUIDAsText(t *testing.T) {
	uid := pipeline.LineUID("n", place)
	text, err := uid.MarshalText()
	require.NoError(t, err)
	var back pipeline.UID
	require.NoError(t, back.UnmarshalText(text))
	require.Equal(t, uid, back)
	require.False(t, uid.IsZero())

	require.ErrorContains(t, back.UnmarshalText([]byte("12")), "want 32 hexadecimal digits")
	require.Error(t, back.UnmarshalText([]byte("zz000000000000000000000000000000")))
}

func TestOrder(t *testing.T) {
	at := func(boot time.Duration, source string, position uint64) pipeline.Order {
		return pipeline.Order{
			Boot:  pipeline.BootTime{ID: bootA, At: boot},
			Place: pipeline.Place{Scope: bootA, Source: source, Position: position},
		}
	}
	verdict := pipeline.Order{Boot: pipeline.BootTime{ID: bootA, At: 5}}
	for name, tt := range map[string]struct {
		x, y pipeline.Order
		want int
	}{
		"within a source the place decides, not the clock": {at(9, "kmsg", 1), at(3, "kmsg", 2), -1},
		"the same line":                        {at(9, "kmsg", 1), at(9, "kmsg", 1), 0},
		"between sources the boot clock":       {at(9, "kmsg", 1), at(3, "journal", 2), 1},
		"a verdict has the boot clock alone":   {verdict, at(6, "kmsg", 1), -1},
		"verdicts of one instant are together": {verdict, verdict, 0},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, tt.x.Compare(tt.y))
			require.Equal(t, -tt.want, tt.y.Compare(tt.x))
		})
	}
}
