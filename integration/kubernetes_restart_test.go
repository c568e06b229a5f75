package integration

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/faultproxy"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// Nothing but the Node knows of the deadlock after the kill: there is no state, and
// the line is not read again.
func (s kubernetesTests) kill(t *testing.T) {
	t.Parallel()
	r := s.rigOnNode(t, "heartbeat_period: 1s")
	a := r.start(t)
	r.hang(t, "docker")
	was := r.waitCondition(t, "True", dockerHung)
	r.waitEvents(t, dockerHung, 1) // which nobody would write after the kill
	for range 3 {
		a.Kill(t)
		time.Sleep(1100 * time.Millisecond) // a time that moved would show
		a = r.start(t)
		r.waitHeartbeats(t, 2)
		is := r.k.Node(t, r.settings.Node).Condition(deadlock)
		require.True(t, is.LastHeartbeatTime.After(was.LastHeartbeatTime))
		is.LastHeartbeatTime = was.LastHeartbeatTime
		require.Equal(t, was, is)
	}
	require.Equal(t, []string{"", "False", "True"}, r.watch.Statuses(t, deadlock))
	require.Len(t, r.events(t, dockerHung), 1)
	require.Empty(t, r.events(t, noDeadlock))

	r.clear(t)
	r.waitCondition(t, "False", noDeadlock)
}

// What ends a condition at the start, and what does not, where the Node shows it
// since before the start.
func (s kubernetesTests) olderBoot(t *testing.T) {
	t.Parallel()
	const other = "01234567-89ab-4cde-8f01-23456789abcd"
	this, boot := bootID(t), bootTime(t)
	for name, test := range map[string]struct {
		nodeBoot, markerBoot string
		heartbeat            time.Time
		want                 string
	}{
		"written in this boot":         {this, "", time.Now(), "True"},
		"the marker names this boot":   {this, this, time.Now(), "True"},
		"the marker names another":     {this, other, time.Now(), "False"},
		"the kubelet is of another":    {other, "", time.Now(), "False"},
		"the heartbeat is before boot": {this, "", boot.Add(-time.Minute), "False"},
		"the marker outweighs both":    {other, this, boot.Add(-time.Minute), "True"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.rig(t, "heartbeat_period: 1s", "events: {max_age: 8760h}") // the Event has the time of the boot
			shown := servers.NodeCondition{Type: deadlock, Status: "True", Reason: dockerHung, Message: "task docker is hung",
				LastHeartbeatTime: test.heartbeat.Truncate(time.Second), LastTransitionTime: boot.Add(-time.Hour)}
			node := servers.Node{Name: r.settings.Node, BootID: test.nodeBoot, Conditions: []servers.NodeCondition{ready(), shown}}
			if test.markerBoot != "" {
				node = r.writeMarker(t, node, this, test.markerBoot)
			} else {
				node = r.k.CreateNode(t, node)
			}
			before := r.k.Events(t, "default", node.Name) // of the agent that wrote the marker
			r.start(t)
			r.waitHeartbeats(t, 2)
			is := r.k.Node(t, node.Name).Condition(deadlock)
			require.Equal(t, test.want, is.Status)
			if test.want == "True" {
				require.Equal(t, shown.LastTransitionTime.UTC(), is.LastTransitionTime)
				require.NotContains(t, r.watch.Statuses(t, deadlock)[1:], "False")
				require.Equal(t, before, r.k.Events(t, "default", node.Name))
				return
			}
			require.Equal(t, noDeadlock, is.Reason)
			require.WithinDuration(t, boot, is.LastTransitionTime, 2*time.Second)
			events := r.waitEvents(t, noDeadlock, 1)
			require.Len(t, events, 1)
			require.Equal(t, "Normal", events[0].Type)
		})
	}
}

// writeMarker lets an agent run on the Node, so that it leaves its marker, replaces
// the boot that the marker names, and only then gives the Node its condition.
func (r *rig) writeMarker(t testing.TB, node servers.Node, boot, instead string) servers.Node {
	t.Helper()
	before := node
	before.Conditions = node.Conditions[:1]
	made := r.k.CreateNode(t, before)
	a := r.start(t)
	path := filepath.Join(r.settings.Run, "otelnpd", "reported-boot")
	require.Eventually(t, func() bool {
		_, err := os.Stat(path)
		return err == nil
	}, patience, tick)
	a.Kill(t)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(content), boot)
	require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(content), boot, instead)), 0o644))
	r.k.PatchCondition(t, node.Name, node.Conditions[1])
	r.watch = r.k.WatchNode(t, node.Name)
	return made
}

// bootTime is when the machine booted, by /proc/uptime (proc(5)), which is read until
// nothing has come between it and the clock.
func bootTime(t *testing.T) time.Time {
	t.Helper()
	for {
		now := time.Now()
		content, err := os.ReadFile("/proc/uptime")
		require.NoError(t, err)
		if time.Since(now) > 100*time.Millisecond {
			continue
		}
		uptime, err := time.ParseDuration(strings.Fields(string(content))[0] + "s")
		require.NoError(t, err)
		return now.Add(-uptime).Truncate(time.Second)
	}
}

// The agent is killed while it waits for the answer to the patch that tells of the
// deadlock. The next one reads the line again.
func (s kubernetesTests) killInPatch(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]faultproxy.Fault{
		"before it is done": {Hold: make(chan struct{})},
		"after it is done":  {Delay: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.rigOnNode(t, "heartbeat_period: 1s")
			r.settings.Lookback = "boot"
			a := r.start(t)
			r.waitCondition(t, "False", noDeadlock)
			r.proxy.Set(fault.On(http.MethodPatch, "/nodes/"))
			r.hang(t, "docker")
			r.problem(t, "meanwhile")
			r.proxy.WaitFor(t, "the patch that is held", 1, func(request faultproxy.Request) bool {
				return request.Method == http.MethodPatch && strings.Contains(string(request.Body), dockerHung)
			})
			if fault.Hold == nil {
				r.waitCondition(t, "True", dockerHung)
			}
			a.Kill(t)
			r.proxy.Set()
			r.start(t)
			r.waitCondition(t, "True", dockerHung)
			r.waitHeartbeats(t, 2)
			require.Equal(t, []string{"", "False", "True"}, r.watch.Statuses(t, deadlock))
			r.requireProblems(t, "meanwhile")
			events := r.waitEvents(t, dockerHung, 1)
			require.Len(t, events, 1)
			require.Equal(t, 1, events[0].Count)
		})
	}
}
