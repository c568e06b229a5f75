package integration

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/faultproxy"
)

// An agent with nothing to say reads the Node once, and then patches it once a
// heartbeat: no watch, no list, no Event. It runs before all others: what is counted
// here is time.
func (s kubernetesTests) idle(t *testing.T) {
	r := s.rigOnNode(t, "heartbeat_period: 1s")
	r.start(t)
	r.waitCondition(t, "False", noDeadlock)
	const heartbeats = 10
	patches := r.proxy.WaitFor(t, "heartbeats", heartbeats+1, faultproxy.Is(http.MethodPatch, ""))[:heartbeats+1]
	for _, patch := range patches {
		require.Equal(t, "/api/v1/nodes/"+r.settings.Node+"/status", patch.Path)
		require.Equal(t, "application/strategic-merge-patch+json", patch.ContentType)
		require.True(t, strings.HasPrefix(patch.Header.Get("Accept"), "application/json;as=PartialObjectMetadata;"), patch.Header.Get("Accept"))
		require.NotEmpty(t, patch.Query.Get("fieldManager"))
		require.True(t, strings.HasPrefix(patch.Header.Get("User-Agent"), "otelnpd/"), patch.Header.Get("User-Agent"))
		require.Contains(t, string(patch.Body), noDeadlock)
	}
	// They are spaced where they begin, a second give or take a tenth, and seen where they
	// arrive: the next may follow a late one at once. The first is of the start.
	lasted := patches[heartbeats].At.Sub(patches[1].At)
	require.GreaterOrEqual(t, lasted, (heartbeats-3)*time.Second, "one a second")
	first := r.proxy.Requests(func(faultproxy.Request) bool { return true })[0]
	require.Equal(t, http.MethodGet, first.Method)
	require.Equal(t, "/api/v1/nodes/"+r.settings.Node, first.Path)
	others := r.proxy.Requests(func(request faultproxy.Request) bool {
		return request.Method != http.MethodPatch && request.At.After(first.At)
	})
	require.Empty(t, others)
}
