package apiserver_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// recorded makes a client of a server that answers always the same, and returns
// the text of the last request.
func recorded(t *testing.T, body string) (*apiserver.Client, func() string) {
	t.Helper()
	var last string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dump, _ := httputil.DumpRequest(r, true)
		last = strings.ReplaceAll(string(dump), "\r", "")
		answer(w, http.StatusOK, body)
	}))
	t.Cleanup(s.Close)
	options := outside(t)
	options.UserAgent = "otelnpd/1.2.3"
	config := apiserver.DefaultConfig()
	config.Credentials, config.Server = "none", s.URL
	return newClient(t, config, options), func() string { return strings.ReplaceAll(last, s.Listener.Addr().String(), "SERVER") }
}

func TestNodeRequest(t *testing.T) {
	client, request := recorded(t, `{"kind":"Node","apiVersion":"v1","metadata":{"name":"node-1","uid":"u-1","resourceVersion":"7"},
		"spec":{"podCIDR":"10.0.0.0/24"},
		"status":{"capacity":{"cpu":"no quantity"},"nodeInfo":{"bootID":"b-1","machineID":"m"},"conditions":[
		{"type":"Ready","status":"True","lastHeartbeatTime":"2026-03-01T12:00:00Z","lastTransitionTime":"2026-03-01T11:00:00Z","reason":"KubeletReady","message":"fine"},
		{"type":"Bare","status":"","lastHeartbeatTime":null,"lastTransitionTime":null}]}}`)
	node, err := client.Node(t.Context(), "node-1")
	require.NoError(t, err)
	require.Equal(t, &apiserver.Node{UID: "u-1", BootID: "b-1", Conditions: []condition.NodeCondition{
		{Type: "Ready", Status: "True", Reason: "KubeletReady", Message: "fine",
			LastTransitionTime: noon.Add(-time.Hour), LastHeartbeatTime: noon},
		{Type: "Bare"},
	}}, node)
	// The timeout lets the server give up when the client does.
	require.Equal(t, `GET /api/v1/nodes/node-1?timeout=15s HTTP/1.1
Host: SERVER
Accept: application/json
User-Agent: otelnpd/1.2.3

`, request())
}

func TestPatchRequest(t *testing.T) {
	client, request := recorded(t, `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"node-1","uid":"u-1"}}`)
	uid, err := client.PatchConditions(t.Context(), apiserver.Patch{
		Node: "node-1", UID: "u-1", Heartbeat: noon.In(time.FixedZone("", 3600)).Add(999 * time.Millisecond),
		Conditions: []pipeline.Condition{
			{Type: "KernelDeadlock", Status: "False", Reason: "KernelHasNoDeadlock", Message: "<ok>", LastTransitionTime: noon.Add(-time.Minute)},
			{Type: "New", Status: "Unknown"},
		},
		Delete: []string{"Old"},
	})
	require.NoError(t, err)
	require.Equal(t, "u-1", uid)
	require.Equal(t, `PATCH /api/v1/nodes/node-1/status?fieldManager=otelnpd&timeout=15s HTTP/1.1
Host: SERVER
Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json
Content-Length: 375
Content-Type: application/strategic-merge-patch+json
User-Agent: otelnpd/1.2.3

{"metadata":{"uid":"u-1"},"status":{"conditions":[`+
		`{"type":"KernelDeadlock","status":"False","lastHeartbeatTime":"2026-03-01T12:00:00Z","lastTransitionTime":"2026-03-01T11:59:00Z","reason":"KernelHasNoDeadlock","message":"\u003cok\u003e"},`+
		`{"type":"New","status":"Unknown","lastHeartbeatTime":"2026-03-01T12:00:00Z","reason":"","message":""},`+
		`{"$patch":"delete","type":"Old"}]}}`, request())
}

// A proxy that knows nothing of metadata alone answers with the whole Node.
func TestPatchTakesAWholeNode(t *testing.T) {
	client, request := recorded(t, aNode("u-2"))
	uid, err := client.PatchConditions(t.Context(), apiserver.Patch{Node: "node-1", Delete: []string{"Old"}})
	require.NoError(t, err)
	require.Equal(t, "u-2", uid)
	require.Contains(t, request(), "\n\n"+`{"status":{"conditions":[{"$patch":"delete","type":"Old"}]}}`)
}

func TestEventRequest(t *testing.T) {
	client, request := recorded(t, `{}`)
	event := &apiserver.Event{
		ObjectMeta:     apiserver.ObjectMeta{Name: "node-1.18af", Namespace: "default"},
		InvolvedObject: apiserver.ObjectReference{Kind: "Node", Name: "node-1", UID: "u-1"},
		Reason:         "OOMKilling", Message: "killed", Type: "Warning", Count: 2,
		Source:         apiserver.EventSource{Component: "kernel-monitor", Host: "node-1"},
		FirstTimestamp: noon, LastTimestamp: noon.Add(time.Minute),
	}
	require.NoError(t, client.WriteEvent(t.Context(), event))
	_, body, _ := strings.Cut(request(), "\n\n")
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&corev1.Event{}), "Kubernetes' own type knows all of it")
	require.Equal(t, `PUT /api/v1/namespaces/default/events/node-1.18af?fieldManager=otelnpd&timeout=15s HTTP/1.1
Host: SERVER
Accept: application/json
Content-Length: 401
Content-Type: application/json
User-Agent: otelnpd/1.2.3

{"kind":"Event","apiVersion":"v1","metadata":{"name":"node-1.18af","namespace":"default"},`+
		`"involvedObject":{"kind":"Node","name":"node-1","uid":"u-1"},"reason":"OOMKilling","message":"killed",`+
		`"source":{"component":"kernel-monitor","host":"node-1"},"firstTimestamp":"2026-03-01T12:00:00Z","lastTimestamp":"2026-03-01T12:01:00Z",`+
		`"count":2,"type":"Warning","reportingComponent":"","reportingInstance":""}`, request())
}

func TestNothingToPatchIsNotSent(t *testing.T) {
	client, request := recorded(t, aNode("u-2"))
	uid, err := client.PatchConditions(t.Context(), apiserver.Patch{Node: "node-1", UID: "u-1", Heartbeat: noon})
	require.NoError(t, err)
	require.Equal(t, "u-1", uid)
	require.Empty(t, request())
}

// What is refused in here never reaches the server.
func TestRefusesByItself(t *testing.T) {
	patch := func(patch apiserver.Patch) func(context.Context, *apiserver.Client) error {
		return func(ctx context.Context, client *apiserver.Client) error {
			_, err := client.PatchConditions(ctx, patch)
			return err
		}
	}
	write := func(namespace, name string) func(context.Context, *apiserver.Client) error {
		return func(ctx context.Context, client *apiserver.Client) error {
			return client.WriteEvent(ctx, &apiserver.Event{ObjectMeta: apiserver.ObjectMeta{Namespace: namespace, Name: name}})
		}
	}
	tests := map[string]struct {
		do   func(context.Context, *apiserver.Client) error
		want string
	}{
		"no type": {
			do:   patch(apiserver.Patch{Node: "n", Delete: []string{""}}),
			want: `patching the status of the Node "n": a condition has no type`,
		},
		"set and deleted": {
			do:   patch(apiserver.Patch{Node: "n", Conditions: []pipeline.Condition{{Type: "A"}}, Delete: []string{"A"}}),
			want: `patching the status of the Node "n": condition A comes twice`,
		},
		"no node": {
			do:   patch(apiserver.Patch{Delete: []string{"A"}}),
			want: `patching the status of the Node "": resource name may not be empty`,
		},
		"a path": {
			do: func(ctx context.Context, client *apiserver.Client) error {
				_, err := client.Node(ctx, "../pods")
				return err
			},
			want: `reading the Node "../pods": invalid resource name "../pods": [may not contain '/']`,
		},
		"an event without a name":      {do: write("ns", ""), want: `writing the Event "" in namespace "ns": resource name may not be empty`},
		"an event without a namespace": {do: write("", "e"), want: `writing the Event "e" in namespace "": an empty namespace may not be set when a resource name is provided`},
	}
	for _, reserved := range []string{"Ready", "MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"} {
		refused := tests["no type"]
		refused.want = `patching the status of the Node "n": condition ` + reserved + ` belongs to Kubernetes itself`
		refused.do = patch(apiserver.Patch{Node: "n", Conditions: []pipeline.Condition{{Type: "Fine"}, {Type: reserved}}})
		tests["set "+reserved] = refused
		refused.do = patch(apiserver.Patch{Node: "n", Delete: []string{"Fine", reserved}})
		tests["delete "+reserved] = refused
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			client, request := recorded(t, `{}`)
			own := failure(t, tt.do(t.Context(), client))
			require.Equal(t, apiserver.Refused, own.Kind)
			require.EqualError(t, own, tt.want)
			require.Empty(t, request())
		})
	}
}
