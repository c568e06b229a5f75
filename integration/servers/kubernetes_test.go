package servers

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func at(second int) time.Time { return time.Date(2026, 1, 2, 3, 4, second, 0, time.UTC) }

// kubernetesTests share a server.
type kubernetesTests struct{ *Kubernetes }

func TestKubernetes(t *testing.T) {
	s := kubernetesTests{StartKubernetes(t)}
	t.Run("users and accounts", s.users)
	t.Run("events", s.events)
	t.Run("nodes are watched over a restart", s.nodeWatch)
}

func (k kubernetesTests) nodeWatch(t *testing.T) {
	w := k.WatchNode(t, "node-1")
	ready := NodeCondition{Type: "Ready", Status: "True", Reason: "R", LastTransitionTime: at(1), LastHeartbeatTime: at(1)}
	made := k.CreateNode(t, Node{Name: "node-1", BootID: "boot-1", Labels: map[string]string{"a": "b"}, Conditions: []NodeCondition{ready}})
	require.NotEmpty(t, made.UID)
	require.Equal(t, "boot-1", made.BootID)
	deadlock := NodeCondition{Type: "KernelDeadlock", Status: "True", Reason: "DockerHung", Message: "m",
		LastHeartbeatTime: at(2), LastTransitionTime: at(2)}
	k.PatchCondition(t, "node-1", deadlock)
	require.Equal(t, deadlock, k.Node(t, "node-1").Condition("KernelDeadlock"))
	require.Equal(t, ready, k.Node(t, "node-1").Condition("Ready"))
	w.WaitFor(t, "the deadlock", 0, Is("KernelDeadlock", "True", "DockerHung"))

	k.Stop(t)
	_, _, err := k.Do(t.Context(), Admin, http.MethodGet, "/version", "", nil)
	require.ErrorContains(t, err, "connection refused")
	k.Start(t)
	require.Equal(t, made.UID, k.Node(t, "node-1").UID)

	for _, status := range []string{"False", "True"} {
		deadlock.Status = status
		deadlock.LastTransitionTime = time.Time{} // stays
		k.PatchCondition(t, "node-1", deadlock)
	}
	k.DeleteNode(t, "node-1")
	require.NotEqual(t, made.UID, k.CreateNode(t, Node{Name: "node-1"}).UID)
	w.WaitFor(t, "the new Node", 0, func(s NodeSeen) bool { return !s.Deleted && s.UID != made.UID })
	require.Equal(t, []string{"", "True", "False", "True", "deleted", ""}, w.Statuses(t, "KernelDeadlock"))
	require.True(t, w.EverAfter(t, "KernelDeadlock", "True", "False"))
	require.False(t, w.EverAfter(t, "Ready", "True", "False"))
	seen := w.Seen(t)
	require.Equal(t, at(2), seen[len(seen)-2].Condition("KernelDeadlock").LastTransitionTime)
}

func (k kubernetesTests) users(t *testing.T) {
	k.CreateNode(t, Node{Name: "node-2"})
	get := func(token string) int {
		status, _, err := k.Do(t.Context(), token, http.MethodGet, "/api/v1/nodes/node-2", "", nil)
		require.NoError(t, err)
		return status
	}
	require.Equal(t, http.StatusOK, get(Detector))
	require.Equal(t, http.StatusUnauthorized, get("unknown"))
	require.Equal(t, http.StatusForbidden, get(Nobody))
	k.Bind(t, Nobody)
	require.Equal(t, http.StatusOK, get(Nobody))

	account := k.NewAccount(t, "agent")
	first, revoke := account.Token(t)
	second, _ := account.Token(t)
	require.Eventually(t, func() bool { return get(first) == http.StatusOK }, patience, tick)
	revoke()
	require.Equal(t, http.StatusUnauthorized, get(first))
	require.Equal(t, http.StatusOK, get(second))

	config := k.Kubeconfig(Detector)
	config.TokenFile, config.Token = filepath.Join(t.TempDir(), "token"), ""
	content, err := os.ReadFile(config.Write(t))
	require.NoError(t, err)
	require.Contains(t, string(content), `"tokenFile":"`+config.TokenFile+`"`)
	require.Contains(t, string(content), `"server":"`+k.URL+`"`)
}

func (k kubernetesTests) events(t *testing.T) {
	body := `{"metadata": {"name": "node-3.a"}, "involvedObject": {"kind": "Node", "name": "node-3", "uid": "u"},
		"reason": "R", "message": "m", "type": "Warning", "count": 1, "source": {"component": "c", "host": "h"},
		"firstTimestamp": "2026-01-02T03:04:01Z", "lastTimestamp": "2026-01-02T03:04:02Z"}`
	status, answer, err := k.Do(t.Context(), Detector, http.MethodPut, eventsPath("default")+"/node-3.a", jsonType, []byte(body))
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, status, "%s", answer)
	events := k.Events(t, "default", "node-3")
	require.Len(t, events, 1)
	e := events[0]
	require.Equal(t, []string{"node-3.a", "Node", "u", "R", "m", "Warning", "c", "h"}, []string{
		e.Metadata.Name, e.InvolvedObject.Kind, e.InvolvedObject.UID, e.Reason, e.Message, e.Type, e.Source.Component, e.Source.Host})
	require.Equal(t, []time.Time{at(1), at(2)}, []time.Time{e.FirstTimestamp, e.LastTimestamp})
	require.Empty(t, k.Events(t, "default", "node-4"))
	k.DeleteEvent(t, "default", "node-3.a")
	require.Empty(t, k.Events(t, "default", "node-3"))
}
