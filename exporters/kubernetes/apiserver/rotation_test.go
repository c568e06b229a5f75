package apiserver_test

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
)

// gate is a server that takes one token.
func gate(t *testing.T, token string) (*server, *atomic.Pointer[string]) {
	t.Helper()
	var takes atomic.Pointer[string]
	takes.Store(&token)
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+*takes.Load() {
			answer(w, http.StatusUnauthorized, status("401", "Unauthorized", "Unauthorized", "null"))
			return
		}
		answer(w, http.StatusOK, aNode("u-1"))
	})
	return s, &takes
}

// works makes a request that must succeed.
func works(t *testing.T, client *apiserver.Client) {
	t.Helper()
	_, err := client.Node(t.Context(), "node-1")
	require.NoError(t, err)
}

// refused makes a request that must fail so.
func refused(t *testing.T, client *apiserver.Client, want apiserver.Kind) {
	t.Helper()
	require.Error(t, refusal(t, client, want))
}

// refusal is refused, for those that look at the error.
func refusal(t *testing.T, client *apiserver.Client, want apiserver.Kind) *apiserver.Error {
	t.Helper()
	_, err := client.Node(t.Context(), "node-1")
	own := failure(t, err)
	require.Equal(t, want.String(), own.Kind.String())
	return own
}

// One request is lost to a token that was taken away early; client-go alone
// would go on with it for most of a minute.
func TestTokenRotates(t *testing.T) {
	s, takes := gate(t, "one")
	p := newPod(t, s, "one")
	client := newClient(t, apiserver.DefaultConfig(), p.options())
	works(t, client)
	two := "two"
	takes.Store(&two)
	write(t, p.file("token"), "two\n")
	refused(t, client, apiserver.Unauthorized)
	works(t, client)
}

// A new CA is needed when the server's certificate is signed by it.
func TestCARotates(t *testing.T) {
	s, _ := gate(t, "one")
	p := newPod(t, s, "one")
	client := newClient(t, apiserver.DefaultConfig(), p.options())
	works(t, client)

	other := newAuthority(t)
	s.present(other.forServer(t))
	works(t, client) // on the connection that there is
	s.CloseClientConnections()
	own := refusal(t, client, apiserver.Unreachable)
	for strings.HasSuffix(own.Error(), "EOF") { // it had not noticed yet
		own = refusal(t, client, apiserver.Unreachable)
	}
	require.ErrorContains(t, own, `reading the Node "node-1": tls: failed to verify certificate: x509: certificate signed by unknown authority`)
	require.Equal(t, "give the credentials the CA of the server's certificate, and use a server name that the certificate has", own.Remedy)
	write(t, p.file("ca.crt"), string(other.pem()))
	works(t, client)
}

// A CA that is trusted no more ends connections that it vouched for, before
// anything fails.
func TestCAIsTakenAway(t *testing.T) {
	s, _ := gate(t, "one")
	p := newPod(t, s, "one")
	client := newClient(t, apiserver.DefaultConfig(), p.options())
	works(t, client)
	write(t, p.file("ca.crt"), string(newAuthority(t).pem()))
	works(t, client) // files are not looked at for each request
	client.LookAtFiles()
	refused(t, client, apiserver.Unreachable)
}

// A folder of a projected volume is a link, which the kubelet replaces.
func TestVolumeIsReplaced(t *testing.T) {
	s, _ := gate(t, "one")
	p := newPod(t, s, "one")
	old := p.dir
	p.dir = filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(old, p.dir))
	client := newClient(t, apiserver.DefaultConfig(), p.options())
	works(t, client)
	other := newPod(t, s, "one")
	write(t, other.file("ca.crt"), string(newAuthority(t).pem()))
	require.NoError(t, os.Remove(p.dir))
	require.NoError(t, os.Symlink(other.dir, p.dir))
	client.LookAtFiles()
	refused(t, client, apiserver.Unreachable)
}

func TestKubeconfigChanges(t *testing.T) {
	s, takes := gate(t, "one")
	config := apiserver.DefaultConfig()
	config.Kubeconfig = kubeconfig(t, "server: "+s.URL+","+caData(s), "token: one")
	client := newClient(t, config, outside(t))
	works(t, client)
	text, err := os.ReadFile(config.Kubeconfig)
	require.NoError(t, err)
	write(t, config.Kubeconfig, strings.ReplaceAll(string(text), "token: one", "token: two"))
	client.LookAtFiles()
	refused(t, client, apiserver.Unauthorized)
	two := "two"
	takes.Store(&two)
	works(t, client)
	// What is being written is not read yet; what was holds.
	write(t, config.Kubeconfig, "apiVersion: [")
	client.LookAtFiles()
	works(t, client)
	require.NoError(t, os.Remove(config.Kubeconfig))
	client.LookAtFiles()
	works(t, client)
}

// A server that moved is found as soon as the old place fails.
func TestServerMoves(t *testing.T) {
	old, _ := gate(t, "one")
	moved, _ := gate(t, "one")
	config := apiserver.DefaultConfig()
	config.Kubeconfig = kubeconfig(t, "server: "+old.URL+","+caData(old), "token: one")
	client := newClient(t, config, outside(t))
	works(t, client)
	text, err := os.ReadFile(kubeconfig(t, "server: "+moved.URL+","+caData(moved), "token: one"))
	require.NoError(t, err)
	write(t, config.Kubeconfig, string(text))
	works(t, client) // files are not looked at for each request
	_, made := moved.connections()
	require.Zero(t, made)
	old.Close()
	refused(t, client, apiserver.Unreachable)
	works(t, client)
}

func TestClientCertificateRotates(t *testing.T) {
	s, who := whoIs(t)
	s.TLS.MaxVersion = tls.VersionTLS12 // from 1.3 on the refusal comes too late to be seen each time
	s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, s.ca.pool()
	config := apiserver.DefaultConfig()
	config.Kubeconfig = kubeconfig(t, "server: "+s.URL+","+caData(s), "client-certificate: cert, client-key: key")
	dir := filepath.Dir(config.Kubeconfig)
	rotate := func(by *authority, name string) {
		by.writeClient(t, name, filepath.Join(dir, "cert"), filepath.Join(dir, "key"))
	}
	rotate(s.ca, "one")
	client := newClient(t, config, outside(t))
	works(t, client)
	require.Equal(t, " cert one", who())
	rotate(s.ca, "two")
	client.LookAtFiles()
	works(t, client)
	require.Equal(t, " cert two", who())
	rotate(newAuthority(t), "three")
	client.LookAtFiles()
	own := refusal(t, client, apiserver.Unreachable)
	require.ErrorContains(t, own, "remote error: tls: unknown certificate authority")
	require.Equal(t, "renew the client certificate of the credentials: the server does not take it", own.Remedy)
	rotate(s.ca, "four")
	works(t, client) // since the server did not take it, and without waiting
	require.Equal(t, " cert four", who())
}

func TestWrongCertificates(t *testing.T) {
	s, _ := gate(t, "one")
	s.present(s.ca.forServer(t, "another.example"))
	client := newClient(t, apiserver.DefaultConfig(), newPod(t, s, "one").options())
	own := refusal(t, client, apiserver.Unreachable)
	require.ErrorContains(t, own, "x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs")
	s.present(s.ca.forServer(t))
	works(t, client)
}

// Each refusal makes a new session; no connection and no goroutine stays of an
// old one, and none at all after Close.
func TestNothingLeaks(t *testing.T) {
	for _, protocol := range []string{"h2", "http/1.1"} {
		t.Run(protocol, func(t *testing.T) {
			s, takes := gate(t, "one")
			s.TLS.NextProtos = []string{protocol}
			p := newPod(t, s, "one")
			before := goleak.IgnoreCurrent()
			client := newClient(t, apiserver.DefaultConfig(), p.options())
			one, two := "one", "two"
			for range 10 {
				works(t, client)
				takes.Store(&two)
				refused(t, client, apiserver.Unauthorized)
				takes.Store(&one)
			}
			works(t, client)
			_, made := s.connections()
			require.Equal(t, 11, made, "a connection of its own for each session")
			requireOpen(t, s, 1)
			client.Close()
			requireOpen(t, s, 0)
			goleak.VerifyNone(t, before)
		})
	}
}

// Client certificates in files, which client-go watches in a goroutine that
// nobody can stop, leave none behind either.
func TestCertificateFilesLeakNothing(t *testing.T) {
	s, _ := whoIs(t)
	s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, s.ca.pool()
	config := apiserver.DefaultConfig()
	config.Kubeconfig = kubeconfig(t, "server: "+s.URL+","+caData(s), "client-certificate: cert, client-key: key")
	dir := filepath.Dir(config.Kubeconfig)
	s.ca.writeClient(t, "one", filepath.Join(dir, "cert"), filepath.Join(dir, "key"))
	before := goleak.IgnoreCurrent()
	client := newClient(t, config, outside(t))
	works(t, client)
	client.Close()
	requireOpen(t, s, 0)
	goleak.VerifyNone(t, before)
}

func requireOpen(t *testing.T, s *server, want int) {
	t.Helper()
	require.Eventually(t, func() bool {
		open, _ := s.connections()
		return open == want
	}, 10*time.Second, 5*time.Millisecond)
}
