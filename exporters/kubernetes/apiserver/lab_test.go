package apiserver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.key, a.cert = a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "a CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// sign makes a key and its certificate; an authority without one signs itself.
func (a *authority) sign(t *testing.T, template *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return key, cert
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// forServer is a certificate of 127.0.0.1, or of another name.
func (a *authority) forServer(t *testing.T, names ...string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "a server"}, DNSNames: names,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if len(names) == 0 {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	key, cert := a.sign(t, template)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

// writeClient writes a client certificate of a name and its key.
func (a *authority) writeClient(t *testing.T, name, certFile, keyFile string) {
	t.Helper()
	key, cert := a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	der, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})))
}

// server stands for kube-apiserver, and counts its connections.
type server struct {
	*httptest.Server
	ca *authority

	mu    sync.Mutex
	certs []tls.Certificate
	open  map[net.Conn]bool
	made  int
}

func newServer(t *testing.T, handler http.HandlerFunc) *server {
	t.Helper()
	s := &server{Server: httptest.NewUnstartedServer(handler), ca: newAuthority(t), open: map[net.Conn]bool{}}
	s.certs = []tls.Certificate{s.ca.forServer(t)}
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: s.TLS.NextProtos, Certificates: s.certs,
				MaxVersion: s.TLS.MaxVersion, ClientAuth: s.TLS.ClientAuth, ClientCAs: s.TLS.ClientCAs}, nil
		}}
	s.Config.ConnState = s.count
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *server) count(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state { //nolint:exhaustive // the others change no number
	case http.StateNew:
		s.open[conn] = true
		s.made++
	case http.StateClosed, http.StateHijacked:
		delete(s.open, conn)
	}
}

func (s *server) connections() (open, made int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open), s.made
}

// present changes the server's certificate.
func (s *server) present(cert tls.Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.certs = []tls.Certificate{cert}
}

// pod is the service account folder of a Pod and its environment.
type pod struct {
	dir string
	env map[string]string
}

func newPod(t *testing.T, s *server, token string) *pod {
	t.Helper()
	p := &pod{dir: t.TempDir()}
	write(t, p.file("token"), token)
	write(t, p.file("ca.crt"), string(s.ca.pem()))
	host, port, err := net.SplitHostPort(s.Listener.Addr().String())
	require.NoError(t, err)
	p.env = map[string]string{"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
	return p
}

func (p *pod) file(name string) string { return filepath.Join(p.dir, name) }

func (p *pod) options() apiserver.Options {
	return apiserver.Options{UserAgent: "otelnpd/1.2.3", ServiceAccountDir: p.dir, Getenv: func(name string) string { return p.env[name] }}
}

// newClient makes a client that ends with the test.
func newClient(t *testing.T, config apiserver.Config, options apiserver.Options) *apiserver.Client {
	t.Helper()
	require.NoError(t, config.Validate())
	client := apiserver.New(config, options)
	t.Cleanup(client.Close)
	return client
}

// outside are options of a process that is in no Pod.
func outside(t *testing.T) apiserver.Options {
	t.Helper()
	return apiserver.Options{ServiceAccountDir: filepath.Join(t.TempDir(), "none"), Getenv: func(string) string { return "" }}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	// As the kubelet does: the new file takes the place of the old one.
	require.NoError(t, os.WriteFile(file+".new", []byte(text), 0o600))
	require.NoError(t, os.Rename(file+".new", file))
}

// aNode answers with a Node of that uid.
func aNode(uid string) string {
	return `{"kind":"Node","apiVersion":"v1","metadata":{"name":"node-1","uid":"` + uid + `"}}`
}

func answer(w http.ResponseWriter, code int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(body))
}

// failure requires an error of this package.
func failure(t *testing.T, err error) *apiserver.Error {
	t.Helper()
	require.Error(t, err)
	own := new(apiserver.Error)
	require.ErrorAs(t, err, &own)
	require.NotEmpty(t, own.Remedy)
	return own
}
