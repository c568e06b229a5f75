package integration

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/servers"
)

// frozenState is a state of schema 1, as the first version that kept any wrote it.
// It is never written anew: agents of now must read it.
const frozenState = "testdata/state-schema-1.json"

// frozenNode is the node that it is of, and frozenTag begins the lines of its rules.
const frozenNode, frozenTag = "node-schema-1", "schema1"

// A state that an older version has left is gone on from: a cause that outlives a
// reboot still holds, with its time and its words, and the Node is told so.
func (s kubernetesTests) upgrade(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(frozenState)
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(content, []byte(`{"otelnpd_state":1,`)))
	l := s.livesOnNode(t, "heartbeat_period: 1s")
	l.ofFrozenState(t)
	require.NoError(t, os.MkdirAll(l.settings.StateDir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(l.settings.StateDir, "state.json"), content, 0o600))
	a := l.live(t, binary)
	a.WaitReady(t, a.Ready())
	require.Contains(t, a.Log(), "the agent goes on from what was kept")
	require.NotContains(t, a.Log(), `"level":"ERROR"`)
	shown := l.waitCondition(t, "True", dockerHung)
	require.Equal(t, "task frozen is hung", shown.Message)
	require.Equal(t, frozenSince(t, content), shown.LastTransitionTime.UTC())
	require.Empty(t, a.Console.Events(t, isActivation), "it was told before")
}

// ofFrozenState gives the lives the node, the rules and the conditions that the
// frozen state is of.
func (l *lives) ofFrozenState(t testing.TB) {
	t.Helper()
	l.settings.Rules = strings.ReplaceAll(l.settings.Rules, l.tag, frozenTag)
	l.settings.Rules = strings.Replace(l.settings.Rules, "{id: hung,", "{id: hung, clear: {by: latched},", 1)
	l.settings.Node = frozenNode
	l.watch = l.k.WatchNode(t, frozenNode)
	l.k.CreateNode(t, servers.Node{Name: frozenNode, BootID: l.boot, Conditions: []servers.NodeCondition{ready()}})
}

// frozenSince is the condition's time in a state file.
func frozenSince(t *testing.T, content []byte) time.Time {
	t.Helper()
	var file struct {
		Payload struct {
			Sections struct{ Conditions json.RawMessage }
		}
	}
	require.NoError(t, json.Unmarshal(content, &file))
	var conditions map[string]any
	require.NoError(t, json.Unmarshal(file.Payload.Sections.Conditions, &conditions))
	since, ok := find(conditions, "last_transition_time").(string)
	require.True(t, ok, "%s", file.Payload.Sections.Conditions)
	at, err := time.Parse(time.RFC3339, since)
	require.NoError(t, err)
	return at.UTC()
}

// find returns the value of a key, however deep it is; nil: there is none.
func find(value any, key string) any {
	object, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	if found, ok := object[key]; ok {
		return found
	}
	for _, inner := range object {
		if found := find(inner, key); found != nil {
			return found
		}
	}
	return nil
}

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
