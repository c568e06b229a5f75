package webconfig_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/httpserve/webconfig"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is a server behind a gate, and the files by which it serves.
type lab struct {
	t       *testing.T
	dir     string
	address string

	mu   sync.Mutex
	last error
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

func (l *lab) write(name, content string) {
	l.t.Helper()
	require.NoError(l.t, os.WriteFile(l.path(name), []byte(content), 0o600))
}

// reported is what the gate said last.
func (l *lab) reported() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func newLab(t *testing.T, config string) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir()}
	if config != "" {
		l.write("web.yaml", config)
	}
	on, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l.address = on.Addr().String()
	gate := webconfig.New(l.path("web.yaml"), func(err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.last = err
	}, nil)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: gate.Handler(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "figures by "+r.Proto) }))}
	served := make(chan error, 1)
	go func() { served <- server.Serve(gate.Listener(on)) }()
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
	return l
}

// client asks as somebody; certificates are checked against pool, nil: in the clear.
type client struct {
	user, password string
	pool           *x509.CertPool
	own            []tls.Certificate
	reuse          *http.Transport
}

func (c client) transport() *http.Transport {
	if c.reuse != nil {
		return c.reuse
	}
	return &http.Transport{
		DisableKeepAlives: true, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{RootCAs: c.pool, Certificates: c.own, MinVersion: tls.VersionTLS12},
	}
}

// answer is a response that has been read.
type answer struct {
	StatusCode int
	Header     http.Header
	TLS        *tls.ConnectionState
}

func (l *lab) ask(c client) (answer, string, error) {
	l.t.Helper()
	scheme := "http"
	if c.pool != nil {
		scheme = "https"
	}
	request, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, scheme+"://"+l.address+"/", nil)
	require.NoError(l.t, err)
	if c.user != "" {
		request.SetBasicAuth(c.user, c.password)
	}
	response, err := c.transport().RoundTrip(request)
	if err != nil {
		return answer{}, "", err
	}
	body, err := io.ReadAll(response.Body)
	require.NoError(l.t, err)
	require.NoError(l.t, response.Body.Close())
	return answer{response.StatusCode, response.Header, response.TLS}, string(body), nil
}

func (l *lab) code(c client) int {
	l.t.Helper()
	response, body, err := l.ask(c)
	require.NoError(l.t, err)
	if response.StatusCode != http.StatusOK {
		require.NotContains(l.t, body, "figures")
	}
	return response.StatusCode
}

// refused requires that a client gets no answer at all.
func (l *lab) refused(c client) {
	l.t.Helper()
	_, _, err := l.ask(c)
	require.Error(l.t, err)
}

func hash(t *testing.T, password string) string {
	t.Helper()
	made, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	require.NoError(t, err)
	return string(made)
}

// certify writes a certificate of its own authority for this address, and returns what
// trusts it.
func (l *lab) certify(name string, serial int64) (*x509.CertPool, tls.Certificate) {
	l.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(l.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(l.t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(l.t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
	l.write(name+".crt", string(certPEM))
	l.write(name+".key", string(keyPEM))
	pool := x509.NewCertPool()
	require.True(l.t, pool.AppendCertsFromPEM(certPEM))
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	require.NoError(l.t, err)
	return pool, pair
}

const byTLS = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"

func TestPasswords(t *testing.T) {
	l := newLab(t, "basic_auth_users: {prom: '"+hash(t, "secret")+"'}")
	for range 2 { // checked, and remembered
		require.Equal(t, http.StatusOK, l.code(client{user: "prom", password: "secret"}))
	}
	require.NoError(t, l.reported())
	for _, wrong := range []client{{}, {user: "prom"}, {user: "prom", password: "Secret"}, {user: "other", password: "secret"}} {
		response, _, err := l.ask(wrong)
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
		require.Equal(t, `Basic realm="otelnpd"`, response.Header.Get("WWW-Authenticate"))
	}
	l.write("web.yaml", "basic_auth_users: {prom: '"+hash(t, "renewed")+"'}")
	require.Equal(t, http.StatusUnauthorized, l.code(client{user: "prom", password: "secret"}), "what is remembered ends with the file")
	require.Equal(t, http.StatusOK, l.code(client{user: "prom", password: "renewed"}))
}

func TestCertificatesAreReadAtEveryConnection(t *testing.T) {
	l := newLab(t, byTLS)
	l.refused(client{pool: x509.NewCertPool()})
	require.ErrorIs(t, l.reported(), fs.ErrNotExist)
	before, _ := l.certify("server", 1)
	response, body, err := l.ask(client{pool: before})
	require.NoError(t, err)
	require.Equal(t, "figures by HTTP/2.0", body)
	require.Equal(t, uint16(tls.VersionTLS13), response.TLS.Version)
	require.NoError(t, l.reported())

	after, _ := l.certify("server", 2)
	l.refused(client{pool: before})
	require.Equal(t, http.StatusOK, l.code(client{pool: after}))

	l.write("server.key", "no key")
	l.refused(client{pool: after})
	require.ErrorContains(t, l.reported(), "take the certificate")
}

func TestWithoutHTTP2(t *testing.T) {
	l := newLab(t, byTLS+"http_server_config: {http2: false, headers: {X-Frame-Options: deny}}")
	pool, _ := l.certify("server", 1)
	response, body, err := l.ask(client{pool: pool})
	require.NoError(t, err)
	require.Equal(t, "figures by HTTP/1.1", body)
	require.Equal(t, "deny", response.Header.Get("X-Frame-Options"))
}

func TestInTheClearToTLS(t *testing.T) {
	l := newLab(t, byTLS)
	pool, _ := l.certify("server", 1)
	require.Equal(t, http.StatusBadRequest, l.code(client{}))
	require.Equal(t, http.StatusOK, l.code(client{pool: pool}))
}

func TestClientsWithCertificates(t *testing.T) {
	l := newLab(t, "tls_server_config: {cert_file: server.crt, key_file: server.key, client_auth_type: RequireAndVerifyClientCert, client_ca_file: scraper.crt, client_allowed_sans: [scraper]}")
	pool, stranger := l.certify("server", 1)
	_, scraper := l.certify("scraper", 2)
	l.refused(client{pool: pool})
	l.refused(client{pool: pool, own: []tls.Certificate{stranger}})
	require.Equal(t, http.StatusOK, l.code(client{pool: pool, own: []tls.Certificate{scraper}}))
	l.write("web.yaml", strings.ReplaceAll(read(t, l.path("web.yaml")), "[scraper]", "[somebody]"))
	l.refused(client{pool: pool, own: []tls.Certificate{scraper}})
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

// What is not in order serves nobody, also on connections that are older.
func TestBrokenFilesServeNobody(t *testing.T) {
	users := "basic_auth_users: {prom: '" + hash(t, "secret") + "'}"
	known := client{user: "prom", password: "secret", reuse: &http.Transport{}}
	defer known.reuse.CloseIdleConnections()
	for name, broken := range map[string]string{
		"truncated": "", "half": users[:len(users)-4], "no file": "-", "no protection": "http_server_config: {http2: true}", "unknown key": users + "\nbasic_auth_user: {}",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, users)
			require.Equal(t, http.StatusOK, l.code(known))
			if l.write("web.yaml", broken); broken == "-" {
				require.NoError(t, os.Remove(l.path("web.yaml")))
			}
			require.Equal(t, http.StatusServiceUnavailable, l.code(known), "on the connection that is open")
			require.Error(t, l.reported())
			l.refused(client{user: "prom", password: "secret"})
			l.refused(client{})
			l.write("web.yaml", users)
			require.Equal(t, http.StatusOK, l.code(client{user: "prom", password: "secret"}))
			require.NoError(t, l.reported())
		})
	}
}

func TestTLSIsSwitchedOn(t *testing.T) {
	l := newLab(t, "basic_auth_users: {prom: '"+hash(t, "secret")+"'}")
	known := client{user: "prom", password: "secret", reuse: &http.Transport{}}
	defer known.reuse.CloseIdleConnections()
	require.Equal(t, http.StatusOK, l.code(known))
	pool, _ := l.certify("server", 1)
	l.write("web.yaml", byTLS)
	require.Equal(t, http.StatusServiceUnavailable, l.code(known), "no figures in the clear from then on")
	require.Equal(t, http.StatusOK, l.code(client{pool: pool}))
}

func TestRateLimit(t *testing.T) {
	l := newLab(t, "basic_auth_users: {prom: '"+hash(t, "secret")+"'}\nrate_limit: {interval: 1h, burst: 2}")
	known := client{user: "prom", password: "secret"}
	require.Equal(t, []int{http.StatusOK, http.StatusOK, http.StatusTooManyRequests}, []int{l.code(known), l.code(known), l.code(known)})
}

func TestCheck(t *testing.T) {
	require.NoError(t, webconfig.Check(""))
	dir := t.TempDir()
	require.ErrorIs(t, webconfig.Check(filepath.Join(dir, "web.yaml")), fs.ErrNotExist)
	fifo := filepath.Join(dir, "fifo")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	require.ErrorContains(t, webconfig.Check(fifo), "no regular file")
	large := filepath.Join(dir, "large")
	require.NoError(t, os.WriteFile(large, make([]byte, 2<<20), 0o600))
	require.ErrorContains(t, webconfig.Check(large), "more than 1048576 bytes")
	require.NoError(t, webconfig.Validate(large))
	require.ErrorContains(t, webconfig.Validate("web.yaml"), "is no absolute path")
}

func TestWhatIsWrong(t *testing.T) {
	for content, want := range map[string]string{
		"":                              "protects nothing",
		"# nothing\n":                   "protects nothing",
		"tls_server_config: {}":         "protects nothing",
		"basic_auth_users: {}":          "protects nothing",
		"basic_auth_users: {a: secret}": "basic_auth_users.a: is no bcrypt hash",
		"basic_auth_users: {a: '$2y$31$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi'}":                          "hash of cost 15",
		"tls_server_config: {cert_file: a}":                                                                              "key_file: the certificate's key is missing",
		"tls_server_config: {key_file: a}":                                                                               "cert_file: the certificate is missing",
		"tls_server_config: {cert_file: a, key_file: a, min_version: TLS9}":                                              "min_version: \"TLS9\" is unknown",
		"tls_server_config: {cert_file: a, key_file: a, curve_preferences: [P1]}":                                        "curve_preferences[0]",
		"tls_server_config: {cert_file: a, key_file: a, cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}":                      "no cipher suite that is safe",
		"tls_server_config: {cert_file: a, key_file: a, client_ca_file: a}":                                              "RequireAndVerifyClientCert",
		"tls_server_config: {cert_file: a, key_file: a, client_auth_type: Sometimes}":                                    "\"Sometimes\" is unknown",
		"tls_server_config: {cert_file: a, key_file: a, client_auth_type: RequestClientCert, client_allowed_sans: [a]}":  "certificates that are verified",
		"tls_server_config: {cert_file: a, key_file: a}\nhttp_server_config: {headers: {Server: a}}":                     "cannot be set",
		"tls_server_config: {cert_file: a, key_file: a}\nhttp_server_config: {headers: {X-Content-Type-Options: sniff}}": "\"sniff\" is unknown",
		"tls_server_config: {cert_file: a, key_file: a}\nrate_limit: {interval: 1s}":                                     "lets nobody pass",
		"tls_server_config: {cert_file: a, key_file: a}\nrate_limit: {interval: -1s, burst: 1}":                          "lets nobody pass",
		"tls_server_config: {cert_files: a}":                                                                             "cert_file",
	} {
		require.ErrorContains(t, webconfig.Parse([]byte(content), "/etc/web.yaml"), want, "%s", content)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(byTLS))
	f.Add([]byte("basic_auth_users: {a: '$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi'}"))
	f.Add([]byte("http_server_config: {http2: false, headers: {X-Frame-Options: deny}}\nrate_limit: {interval: 1s, burst: 3}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if webconfig.Parse(content, "/etc/web.yaml") == nil {
			require.Contains(t, string(content), ":")
		}
	})
}
