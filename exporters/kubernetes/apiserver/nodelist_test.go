package apiserver_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
)

// A long list comes in parts, of which each is asked for by what the one before says.
func TestNodeNames(t *testing.T) {
	parts := map[string]string{
		"":     `{"kind":"PartialObjectMetadataList","metadata":{"continue":"next"},"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]}`,
		"next": `{"kind":"PartialObjectMetadataList","metadata":{},"items":[{"metadata":{"name":"c"}}]}`,
	}
	client := listing(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/api/v1/nodes", r.URL.Path)
		assert.Equal(t, "100", r.URL.Query().Get("limit"))
		assert.Contains(t, r.Header.Get("Accept"), "as=PartialObjectMetadataList;")
		answer(w, http.StatusOK, parts[r.URL.Query().Get("continue")])
	})
	names, err := client.NodeNames(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c"}, names)
}

func TestNodeNamesFails(t *testing.T) {
	for name, test := range map[string]struct {
		code       int
		body, want string
		remedy     string
	}{
		"no right": {http.StatusForbidden, `{"kind":"Status","message":"nodes is forbidden"}`, "listing the Nodes: 403 Forbidden: nodes is forbidden", "may list nodes"},
		"no name":  {http.StatusOK, `{"kind":"NodeList","items":[{"metadata":{"name":"a"}},{}]}`, "item 1 has no metadata.name", "kube-apiserver"},
		"nothing":  {http.StatusOK, `{}`, `kind "" is not PartialObjectMetadataList or NodeList`, "lead to kube-apiserver"},
		"null":     {http.StatusOK, `null`, `kind "" is not`, "lead to kube-apiserver"},
		"no kind":  {http.StatusOK, `{"items":null}`, `kind "" is not`, "lead to kube-apiserver"},
		"a status": {http.StatusOK, `{"kind":"Status","status":"Failure"}`, `kind "Status" is not`, "lead to kube-apiserver"},
		"others":   {http.StatusOK, `{"kind":"PodList","items":[{"metadata":{"name":"a"}}]}`, `kind "PodList" is not`, "lead to kube-apiserver"},
		"no JSON":  {http.StatusOK, `<html>`, "cannot be understood", "kube-apiserver"},
	} {
		t.Run(name, func(t *testing.T) {
			client := listing(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, test.code, test.body) })
			names, err := client.NodeNames(t.Context())
			require.Empty(t, names)
			require.ErrorContains(t, err, test.want)
			var own *apiserver.Error
			require.ErrorAs(t, err, &own)
			require.Contains(t, own.Remedy, test.remedy)
		})
	}
}

// listing makes a client of a server.
func listing(t *testing.T, serve http.HandlerFunc) *apiserver.Client {
	t.Helper()
	s := httptest.NewServer(serve)
	t.Cleanup(s.Close)
	config := apiserver.DefaultConfig()
	config.Credentials, config.Server = "none", s.URL
	return newClient(t, config, outside(t))
}
