package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
)

// An agent is replaced by one of an older schema, as by a rollback, and that one again by
// the newest. Both go on from where the other was: the condition stands with its time, no
// Event comes twice, what was new meanwhile is told once, and the state that the older one
// could not read is still there.
func (s kubernetesTests) rollback(t *testing.T) {
	t.Parallel()
	older, err := agent.BuildOfSchema(frozenSchema - 1)
	require.NoError(t, err)
	l := s.livesOnNode(t, "heartbeat_period: 1s")
	a := l.live(t, binary)
	a.WaitReady(t, a.Ready())
	_, err = l.begin()
	require.NoError(t, err)
	was := l.waitCondition(t, "True", dockerHung)
	l.waitEvents(t, dockerHung, 1)
	require.Eventually(t, func() bool { return l.stateHolds("task docker-0 is hung") }, patience, tick)
	a.Kill(t)

	a = l.live(t, older)
	a.WaitReady(t, a.Ready())
	require.Contains(t, a.Log(), "the state cannot be read; it is set aside")
	require.NoError(t, l.writeProblem("of the older"))
	l.requireProblems(t, "of the older")
	require.Eventually(t, func() bool { return l.stateHolds("problem of the older") }, patience, tick)
	require.True(t, l.stateHolds(fmt.Sprintf(`"otelnpd_state":%d,`, frozenSchema-1)))
	l.waitHeartbeats(t, 2)
	l.requireUnchanged(t, was)
	a.Kill(t)

	a = l.live(t, binary)
	a.WaitReady(t, a.Ready())
	require.Contains(t, a.Log(), "the agent goes on from what was kept")
	require.NoError(t, l.writeProblem("of the newer"))
	l.requireProblems(t, "of the older", "of the newer")
	require.Eventually(t, func() bool { return l.stateHolds(fmt.Sprintf(`"otelnpd_state":%d,`, frozenSchema)) }, patience, tick)
	l.waitHeartbeats(t, 2)
	l.requireUnchanged(t, was)
	aside, err := filepath.Glob(filepath.Join(l.settings.StateDir, fmt.Sprintf("state.json.schema-%d-*", frozenSchema)))
	require.NoError(t, err)
	require.Len(t, aside, 1)
	kept, err := os.ReadFile(aside[0])
	require.NoError(t, err)
	require.Contains(t, string(kept), "task docker-0 is hung")
}
