package servers

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	jsonType           = "application/json"
	strategicMergeType = "application/strategic-merge-patch+json"
)

// metadata is what the tests look at of an object's metadata.
type metadata struct {
	Name              string `json:"name"`
	Namespace         string `json:"namespace,omitempty"`
	UID               string `json:"uid,omitempty"`
	ResourceVersion   string `json:"resourceVersion,omitempty"`
	CreationTimestamp string `json:"creationTimestamp,omitempty"`
}

// create POSTs an object as the admin and decodes the answer, unless into is nil.
func (k *Kubernetes) create(t testing.TB, path string, object, into any) {
	t.Helper()
	k.admin(t, http.MethodPost, path, jsonType, object, http.StatusCreated, into)
}

// admin sends a request as the admin, expects a status and decodes the answer,
// unless into is nil.
func (k *Kubernetes) admin(t testing.TB, method, path, contentType string, object any, want int, into any) {
	t.Helper()
	var body []byte
	if object != nil {
		var err error
		body, err = json.Marshal(object)
		require.NoError(t, err)
	}
	status, answer, err := k.Do(t.Context(), Admin, method, path, contentType, body)
	require.NoError(t, err)
	require.Equal(t, want, status, "%s %s: %s", method, path, answer)
	if into != nil {
		require.NoError(t, json.Unmarshal(answer, into), "%s %s: %s", method, path, answer)
	}
}
