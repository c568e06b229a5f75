package googlecloudtest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Metadata is a metadata server of Compute Engine. It is safe for concurrent use.
type Metadata struct {
	// Host is what GCE_METADATA_HOST is to be.
	Host string

	mu     sync.Mutex
	values map[string]string
	answer http.HandlerFunc
	asked  []string
}

// Instance is what the metadata server of a node of a cluster tells.
func Instance() map[string]string {
	return map[string]string{
		"project/project-id":                   "a-project-1",
		"instance/zone":                        "projects/4711/zones/europe-west1-b",
		"instance/id":                          "1234567890123456789",
		"instance/name":                        "gke-a-pool-1",
		"instance/attributes/cluster-name":     "a-cluster",
		"instance/attributes/cluster-location": "europe-west1",
	}
}

// StartMetadata starts a metadata server on loopback, which ends with the test. Values
// are by their paths.
func StartMetadata(t testing.TB, values map[string]string) *Metadata {
	t.Helper()
	m := &Metadata{values: values}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	m.Host = strings.TrimPrefix(server.URL, "http://")
	return m
}

// Answer makes the server answer so; nil: with its values again.
func (m *Metadata) Answer(f http.HandlerFunc) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer = f
}

// Set gives a value another content; empty: there is none any more.
func (m *Metadata) Set(path, value string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[path] = value
}

// Asked returns the paths that were asked for.
func (m *Metadata) Asked() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.asked...)
}

// ServeHTTP implements [http.Handler].
func (m *Metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/computeMetadata/v1/")
	m.mu.Lock()
	m.asked = append(m.asked, path)
	value, answer := m.values[path], m.answer
	m.mu.Unlock()
	switch {
	case answer != nil:
		answer(w, r)
	case r.Header.Get("Metadata-Flavor") != "Google":
		http.Error(w, "Missing Metadata-Flavor:Google header.", http.StatusForbidden)
	case value == "":
		http.NotFound(w, r)
	default:
		w.Header().Set("Metadata-Flavor", "Google")
		_, _ = fmt.Fprint(w, value)
	}
}
