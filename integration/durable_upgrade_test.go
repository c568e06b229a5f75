package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// frozenFile is what the tests look at of a state.
type frozenFile struct {
	Schema  int `json:"otelnpd_state"`
	Payload struct {
		BootID   string `json:"boot_id"`
		Sections struct {
			Conditions struct {
				State struct{ Types map[string]frozenType }
			}
			Console struct{ Records []struct{ Text string } } `json:"exporter console"`
		}
	}
}

// frozenType is a condition as it was kept.
type frozenType struct {
	Shown struct {
		LastTransitionTime time.Time `json:"last_transition_time"`
	}
}

// A state that an older version has left is gone on from: causes that outlive a
// reboot still hold, with their time and their words, and the Node is told so; a
// silence goes on; what the console had not taken comes first.
func (s kubernetesTests) upgrade(t *testing.T) {
	t.Parallel()
	const older = frozenSchema - 1
	content, err := os.ReadFile(frozenDir + frozenName(older) + ".json")
	require.NoError(t, err)
	var frozen frozenFile
	require.NoError(t, json.Unmarshal(content, &frozen))
	require.Equal(t, older, frozen.Schema)
	l := s.livesOnNode(t, "heartbeat_period: 1s")
	l.ofFrozenState(t, older)
	require.NoError(t, os.MkdirAll(l.settings.StateDir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(l.settings.StateDir, "state.json"), content, 0o600))
	a := l.live(t, binary)
	a.WaitReady(t, a.Ready())
	require.Contains(t, a.Log(), "the agent goes on from what was kept")
	l.requireFrozen(t, &frozen)
	rules := agent.Run(t, binary, "", "rules", "list", "--output", "json", "--socket", l.settings.Socket)
	require.Regexp(t, `"id": "`+frozenName(older)+`/noisy",[^}]*"silenced_until"`, rules.Stdout)
	kept := frozen.Payload.Sections.Console.Records
	require.NotEmpty(t, kept)
	var told []agent.Event
	require.Eventually(t, func() bool {
		told = a.Console.Events(t, func(agent.Event) bool { return true })
		return len(told) >= len(kept)
	}, patience, tick)
	for i, event := range told[:len(kept)] {
		require.Contains(t, kept[i].Text, `"uid":"`+event.UID+`"`)
	}
	require.NotContains(t, a.Log(), `"level":"ERROR"`)
}

// requireFrozen requires that the Node shows what is latched as it was kept. All else
// a reboot has ended; in the boot of the state, lines that came after it count too.
func (l *lives) requireFrozen(t *testing.T, frozen *frozenFile) {
	t.Helper()
	kept := frozen.Payload.Sections.Conditions.State.Types
	require.Len(t, kept, 4)
	shown := l.waitCondition(t, "True", dockerHung)
	require.Equal(t, kept[deadlock].Shown.LastTransitionTime.UTC(), shown.LastTransitionTime.UTC())
	require.Regexp(t, `^task \S+ is hung$`, shown.Message)
	for name := range kept {
		if name != deadlock && frozen.Payload.BootID != l.boot {
			l.watch.WaitFor(t, name+" False", 0, func(seen servers.NodeSeen) bool { return seen.Condition(name).Status == "False" })
		}
	}
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
	prefix := func(schema int) []byte { return fmt.Appendf(nil, `{"otelnpd_state":%d,`, schema) }
	newer := bytes.Replace(content, prefix(frozenSchema), prefix(frozenSchema+1), 1)
	require.NotEqual(t, content, newer)
	require.NoError(t, os.WriteFile(path, newer, 0o600))
	a = l.live(t, binary)
	a.WaitReady(t, a.Ready())
	l.waitHeartbeats(t, 2)
	require.Contains(t, a.Log(), `"level":"WARN","msg":"the state cannot be read; it is set aside"`)
	require.Equal(t, 1, int(a.Sum(t, "otelnpd_state_set_aside_total", map[string]string{"reason": "newer"})))
	aside, err := filepath.Glob(path + fmt.Sprintf(".schema-%d-*", frozenSchema+1))
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
