package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/servers"
)

func (s kubernetesTests) nodeMadeAnew(t *testing.T) {
	t.Parallel()
	r := s.rigOnNode(t, "heartbeat_period: 1s")
	r.start(t)
	r.hang(t, "docker")
	was := r.waitCondition(t, "True", dockerHung)
	r.problem(t, "again")
	first := r.waitEvents(t, "Problem", 1)[0]
	old := r.k.Node(t, r.settings.Node)

	r.k.DeleteNode(t, old.Name)
	time.Sleep(1500 * time.Millisecond) // some heartbeats find no Node
	anew := r.k.CreateNode(t, servers.Node{Name: old.Name, BootID: bootID(t), Conditions: []servers.NodeCondition{ready()}})
	require.NotEqual(t, old.UID, anew.UID)
	is := r.watch.WaitFor(t, "the deadlock on the new Node", 0, func(seen servers.NodeSeen) bool {
		return seen.UID == anew.UID && servers.Is(deadlock, "True", dockerHung)(seen)
	}).Condition(deadlock)
	is.LastHeartbeatTime = was.LastHeartbeatTime
	require.Equal(t, was, is)
	require.Equal(t, []string{"", "False", "True", "deleted", "", "True"}, r.watch.Statuses(t, deadlock))

	// An Event cannot pass from one object to another: the repeat has a new one.
	r.problem(t, "again")
	second := r.waitEvents(t, "Problem", 2)[1]
	require.Equal(t, anew.UID, second.InvolvedObject.UID)
	require.NotEqual(t, first.Metadata.Name, second.Metadata.Name)
	require.Equal(t, old.UID, first.InvolvedObject.UID)
}

// Another writer takes our condition for its own: the next heartbeat puts it right.
func (s kubernetesTests) otherWriter(t *testing.T) {
	t.Parallel()
	r := s.rigOnNode(t, "heartbeat_period: 1s")
	r.start(t)
	r.hang(t, "docker")
	was := r.waitCondition(t, "True", dockerHung)
	for _, wrong := range []servers.NodeCondition{
		{Type: deadlock, Status: "False", Reason: "Repaired", Message: "by me", LastTransitionTime: time.Now()},
		{Type: deadlock, Status: "Maybe", Reason: "", Message: "", LastTransitionTime: time.Now().Add(time.Hour)},
	} {
		seen := len(r.watch.Seen(t))
		r.k.PatchCondition(t, r.settings.Node, wrong)
		r.watch.WaitFor(t, "what the other has written", seen, func(seen servers.NodeSeen) bool {
			return seen.Condition(deadlock).Status == wrong.Status
		})
		healed := r.watch.WaitFor(t, "what the agent says", len(r.watch.Seen(t)), servers.Is(deadlock, "True", dockerHung)).Condition(deadlock)
		healed.LastHeartbeatTime = was.LastHeartbeatTime
		require.Equal(t, was, healed)
	}
}

func (s kubernetesTests) rotatedToken(t *testing.T) {
	t.Parallel()
	r := s.rigOnNode(t, "heartbeat_period: 1s")
	account := s.k.NewAccount(t, r.tag)
	old, revoke := account.Token(t)
	path := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		require.NoError(t, os.WriteFile(path+".next", []byte(token), 0o600))
		require.NoError(t, os.Rename(path+".next", path))
	}
	write(old)
	config := r.kubeconfig("")
	config.TokenFile = path
	r.settings.Kubernetes = agent.KubernetesKeys(config.Write(t), "heartbeat_period: 1s")
	a := r.start(t)
	r.problem(t, "old")
	r.requireProblems(t, "old")

	anew, _ := account.Token(t)
	write(anew)
	revoke()
	r.hang(t, "docker")
	r.problem(t, "new")
	r.waitCondition(t, "True", dockerHung)
	r.requireProblems(t, "old", "new")
	waitExporter(t, a, "ok")
}

func (s kubernetesTests) rotatedCA(t *testing.T) {
	t.Parallel()
	r := s.rigOnNode(t, "heartbeat_period: 1s")
	a := r.start(t)
	r.problem(t, "old")
	r.requireProblems(t, "old")

	r.proxy.RotateCA(t)
	r.proxy.Close(t)
	r.proxy.Open(t)
	r.problem(t, "new")
	require.Eventually(t, func() bool { // for a moment nobody listened, which degrades too
		c := componentOf(t, a, "exporter", "kubernetes")
		return c.State == "degraded" && strings.Contains(c.Remedy, "CA")
	}, patience, tick)
	r.proxy.WriteCA(t)
	r.requireProblems(t, "old", "new")
	waitExporter(t, a, "ok")
}

// The Event's time to live may end, or somebody may delete it, between two repeats.
func (s kubernetesTests) deletedEvent(t *testing.T) {
	t.Parallel()
	r := s.rigOnNode(t)
	r.start(t)
	r.problem(t, "again")
	first := r.waitEvents(t, "Problem", 1)[0]
	r.k.DeleteEvent(t, "default", first.Metadata.Name)
	require.Empty(t, r.events(t, "Problem"))
	time.Sleep(1100 * time.Millisecond) // the repeat has another second
	r.problem(t, "again")
	events := r.waitEvents(t, "Problem", 1)
	require.Len(t, events, 1)
	second := events[0]
	require.Equal(t, 2, second.Count)
	require.Equal(t, first.Metadata.Name, second.Metadata.Name)
	require.Equal(t, first.FirstTimestamp, second.FirstTimestamp)
	require.True(t, second.LastTimestamp.After(first.LastTimestamp))
}

// A kubelet that writes its conditions ten times a second, and an agent that writes
// as often as it can, never touch each other's.
func (s kubernetesTests) kubelet(t *testing.T) {
	t.Parallel()
	r := s.rigOnNode(t, "heartbeat_period: 1s")
	a := r.start(t)
	r.waitCondition(t, "False", noDeadlock)
	writes, statuses := 0, []string{"", "False"}
	for i := range 4 {
		r.hang(t, fmt.Sprint("docker", i))
		writes = r.kubeletUntil(t, writes, "True")
		r.clear(t)
		writes = r.kubeletUntil(t, writes, "False")
		statuses = append(statuses, "True", "False")
	}
	r.waitHeartbeats(t, 2)
	require.Equal(t, statuses, r.watch.Statuses(t, deadlock))
	last := map[string]int{"Ready": -1, "MemoryPressure": -1}
	for _, seen := range r.watch.Seen(t) {
		for conditionType, before := range last {
			c := seen.Condition(conditionType)
			if c.Reason != "Kubelet" {
				require.Equal(t, -1, before, "%+v", seen)
				continue
			}
			number, err := strconv.Atoi(c.Message)
			require.NoError(t, err)
			require.GreaterOrEqual(t, number, before, "an older %s is back: %+v", conditionType, seen)
			last[conditionType] = number
		}
	}
	require.Equal(t, map[string]int{"Ready": writes - 1, "MemoryPressure": writes - 1}, last)
	require.NotEmpty(t, a.Conditions(t)[deadlock])
}

// kubeletUntil writes the kubelet's conditions, numbered, ten times and on until the Node
// shows the deadlock's status: an agent that is held up tells the last of several alone.
func (r *rig) kubeletUntil(t *testing.T, number int, status string) (next int) {
	t.Helper()
	least, deadline := number+10, time.Now().Add(patience)
	for ; number < least || r.watch.Last().Condition(deadlock).Status != status; number++ {
		require.True(t, time.Now().Before(deadline), "the deadlock does not become %s", status)
		for _, conditionType := range []string{"Ready", "MemoryPressure"} {
			r.k.PatchCondition(t, r.settings.Node, servers.NodeCondition{Type: conditionType, Status: "True", Reason: "Kubelet",
				Message: strconv.Itoa(number), LastHeartbeatTime: time.Now(), LastTransitionTime: time.Now()})
		}
		time.Sleep(100 * time.Millisecond)
	}
	return number
}
