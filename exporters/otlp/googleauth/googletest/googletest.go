// Package googletest stands in for Google's token servers in tests: that of service
// accounts and the metadata server of a machine.
package googletest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Server gives tokens: token-1, token-2 and so on.
type Server struct {
	URL string

	mu      sync.Mutex
	given   int
	refuses bool
	// Lifetime of tokens, in seconds. It is set before the server is used.
	Lifetime int
}

// Start starts a server on loopback, until the test ends. Its tokens are good for an
// hour.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{Lifetime: 3600}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("GET /computeMetadata/v1/instance/service-accounts/default/token", s.token)
	mux.HandleFunc("GET /computeMetadata/v1/project/project-id", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		_, _ = w.Write([]byte("project-of-machine"))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuses {
		http.Error(w, "the account is gone: hush", http.StatusBadRequest)
		return
	}
	if r.Method == http.MethodGet && r.Header.Get("Metadata-Flavor") != "Google" || r.Method == http.MethodPost && r.FormValue("assertion") == "" {
		http.Error(w, "this is not how to ask", http.StatusForbidden)
		return
	}
	s.given++
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Metadata-Flavor", "Google")
	_, _ = fmt.Fprintf(w, `{"access_token": "token-%d", "token_type": "Bearer", "expires_in": %d}`, s.given, s.Lifetime)
}

// Refuse makes the server refuse, or give again.
func (s *Server) Refuse(refuses bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuses = refuses
}

// Given is how many tokens were given.
func (s *Server) Given() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.given
}

// UseKey lets the test's process have the key of a service account, of the project
// project-of-key, in a file whose path is returned.
func (s *Server) UseKey(t testing.TB) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "key.json")
	s.WriteKey(t, path)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
	return path
}

// WriteKey writes a key of a service account.
func (s *Server) WriteKey(t testing.TB, path string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	content, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "project-of-key", "client_email": "agent@project-of-key.iam.gserviceaccount.com", "private_key_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": s.URL + "/token",
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, content, 0o600))
}

// UseMachine lets the test's process take the server for the machine's metadata server.
func (s *Server) UseMachine(t testing.TB) {
	t.Helper()
	at, err := url.Parse(s.URL)
	require.NoError(t, err)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GCE_METADATA_HOST", at.Host)
}
