package integration

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/servers"
)

// A state of a newer schema is kept for the version that wrote it, loudly; this one
// goes on from what the Node says, and tells nothing again.
func (s kubernetesTests) downgrade(t *testing.T) {
	t.Parallel()
	l := s.livesOnNode(t, "heartbeat_period: 1s")
	a := l.live(t, binary)
	a.WaitReady(t, a.Ready())
	_, err := l.begin()
	require.NoError(t, err)
	was := l.waitCondition(t, "True", dockerHung)
	l.waitEvents(t, dockerHung, 1)
	require.Eventually(t, func() bool { return l.stateHolds("task docker-0 is hung") }, patience, tick)
	a.Kill(t)

	path := filepath.Join(l.settings.StateDir, "state.json")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	newer := bytes.Replace(content, []byte(`{"otelnpd_state":1,`), []byte(`{"otelnpd_state":2,`), 1)
	require.NotEqual(t, content, newer)
	require.NoError(t, os.WriteFile(path, newer, 0o600))
	a = l.live(t, binary)
	a.WaitReady(t, a.Ready())
	l.waitHeartbeats(t, 2)
	require.Contains(t, a.Log(), `"level":"WARN","msg":"the state cannot be read; it is set aside"`)
	require.Equal(t, 1, int(a.Sum(t, "otelnpd_state_set_aside_total", map[string]string{"reason": "newer"})))
	aside, err := filepath.Glob(path + ".schema-2-*")
	require.NoError(t, err)
	require.Len(t, aside, 1)
	kept, err := os.ReadFile(aside[0])
	require.NoError(t, err)
	require.Equal(t, newer, kept)
	l.requireUnchanged(t, was)
}

// requireUnchanged requires that the Node shows what it did, and has one Event of it.
func (l *lives) requireUnchanged(t *testing.T, was servers.NodeCondition) {
	t.Helper()
	is := l.k.Node(t, l.settings.Node).Condition(deadlock)
	is.LastHeartbeatTime = was.LastHeartbeatTime
	require.Equal(t, was, is)
	require.Equal(t, []string{"", "False", "True"}, l.watch.Statuses(t, deadlock))
	events := l.events(t, dockerHung)
	require.Len(t, events, 1)
	require.Equal(t, 1, events[0].Count)
}
