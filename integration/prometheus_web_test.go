package integration

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/exporter-toolkit/web"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/otelnpd/otelnpd/exporters/otlp/otlptest"
	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/process"
	"github.com/otelnpd/otelnpd/integration/servers"
	"github.com/otelnpd/otelnpd/pipeline/httpserve/webconfig"
)

// webFiles are a web configuration file and what it names.
type webFiles struct{ dir string }

func (f webFiles) path(name string) string { return filepath.Join(f.dir, name) }

// put replaces a file in one step.
func (f webFiles) put(t *testing.T, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(f.path(name+".new"), []byte(content), 0o600))
	require.NoError(t, os.Rename(f.path(name+".new"), f.path(name)))
}

// certify takes the certificate of an authority into use.
func (f webFiles) certify(t *testing.T, by *otlptest.Authority) {
	t.Helper()
	f.put(t, "tls.key", content(t, by.KeyFile))
	f.put(t, "tls.crt", content(t, by.CertFile))
}

// admit lets prom in by a password.
func (f webFiles) admit(t *testing.T, password string) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	require.NoError(t, err)
	f.put(t, "web.yaml", fmt.Sprintf("tls_server_config: {cert_file: tls.crt, key_file: tls.key}\nbasic_auth_users: {prom: '%s'}\n", hash))
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func only(value string) func([]servers.Sample) bool {
	return func(samples []servers.Sample) bool { return len(samples) == 1 && samples[0].Value == value }
}

// issuedBy asks in the way of a scraper, and tells whether the certificate is of an
// authority.
func issuedBy(t *testing.T, address string, by *otlptest.Authority) bool {
	t.Helper()
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM([]byte(content(t, by.CAFile))))
	connection, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})
	if err == nil {
		require.NoError(t, connection.Close())
	}
	return err == nil
}

// Certificates and passwords are renewed while a real Prometheus scrapes, and it does
// not notice; who has another password gets nothing.
func TestPrometheusScrapesByTLSAndPassword(t *testing.T) {
	files := webFiles{t.TempDir()}
	before, after := otlptest.NewAuthority(t), otlptest.NewAuthority(t)
	files.put(t, "ca.crt", content(t, before.CAFile)+content(t, after.CAFile))
	files.put(t, "password", "first")
	files.certify(t, before)
	files.admit(t, "first")
	settings := agent.NewSettings(t)
	settings.PrometheusKeys = ", web_config_file: '" + files.path("web.yaml") + "'"
	a := agent.StartReady(t, binary, settings)

	job := "- {job_name: %s, scheme: https, tls_config: {ca_file: '" + files.path("ca.crt") + "'}, basic_auth: {username: %s, password_file: '%s'}, static_configs: [{targets: ['" + a.Metrics + "']}]}\n"
	files.put(t, "wrong", "wrong")
	p := servers.StartPrometheusBy(t, fmt.Sprintf(job, "right", "prom", files.path("password"))+
		fmt.Sprintf(job, "wrong", "prom", files.path("wrong"))+fmt.Sprintf(job, "stranger", "somebody", files.path("password"))+
		"- {job_name: clear, static_configs: [{targets: ['"+a.Metrics+"']}]}\n")
	p.WaitFor(t, `up{job="right"}`, only("1"))
	for _, other := range []string{"wrong", "stranger", "clear"} {
		p.WaitFor(t, `up{job="`+other+`"}`, only("0"))
	}
	p.WaitFor(t, `otelnpd_http_requests_total{job="right",code="401"} > bool 1`, only("1"))
	require.True(t, issuedBy(t, a.Metrics, before))

	files.certify(t, after)
	require.True(t, issuedBy(t, a.Metrics, after))
	require.False(t, issuedBy(t, a.Metrics, before))
	p.WaitFor(t, `count_over_time(up{job="right"}[30s]) > bool 4`, only("1"))
	// Where the machine is busy, a scrape may fail by its timeout, of 1 s.
	p.WaitFor(t, `absent_over_time((up{job="right"} == 0 and scrape_duration_seconds{job="right"} < 0.9)[1m:200ms])`, only("1"))

	files.admit(t, "second")
	p.WaitFor(t, `up{job="right"}`, only("0"))
	files.put(t, "password", "second")
	p.WaitFor(t, `up{job="right"}`, only("1"))
}

// A file that is broken serves nobody, and is mended without a reload.
func TestBrokenWebConfigServesNobody(t *testing.T) {
	files := webFiles{t.TempDir()}
	files.certify(t, otlptest.NewAuthority(t))
	settings := agent.NewSettings(t)
	settings.PrometheusKeys = ", web_config_file: '" + files.path("web.yaml") + "'"
	a := agent.Start(t, binary, settings)
	degraded := func() bool {
		status, body := agent.Get(t, "http://"+a.Status+"/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "nobody is served") &&
			strings.Contains(body, "web.yaml: no such file")
	}
	a.WaitReady(t, process.Answers200(http.DefaultClient, "http://"+a.Status+"/healthz", nil))
	require.Eventually(t, degraded, patience, tick)
	_, err := http.Get("http://" + a.Metrics + "/metrics") //nolint:noctx,bodyclose // there is no answer
	require.Error(t, err)

	files.admit(t, "secret")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+a.Metrics+"/metrics", http.NoBody)
	require.NoError(t, err)
	request.SetBasicAuth("prom", "secret")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	a.WaitReady(t, a.Ready())
}

// Prometheus' own toolkit is the oracle of what a web configuration file may hold. Ours
// is stricter where its way is unsafe.
func TestWebConfigAsPrometheusReadsIt(t *testing.T) {
	files := webFiles{t.TempDir()}
	files.certify(t, otlptest.NewAuthority(t))
	const user = "basic_auth_users: {a: '$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi'}\n"
	const base = "cert_file: tls.crt, key_file: tls.key"
	tlsWith := func(keys string) string { return "tls_server_config: {" + base + keys + "}\n" }
	for text, taken := range map[string]bool{
		user: true, tlsWith(""): true, tlsWith("") + user: true,
		tlsWith(", min_version: TLS13, max_version: TLS13"):                                                                         true,
		tlsWith(", min_version: TLS10"):                                                                                             true,
		tlsWith(", cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256], curve_preferences: [X25519]"):                            true,
		tlsWith(", prefer_server_cipher_suites: false"):                                                                             true,
		tlsWith(", client_auth_type: RequireAndVerifyClientCert, client_ca_file: tls.crt"):                                          true,
		tlsWith(", client_auth_type: RequireAndVerifyClientCert, client_ca_file: tls.crt, client_allowed_sans: [a]"):                true,
		tlsWith(", client_auth_type: RequestClientCert"):                                                                            true,
		user + "http_server_config: {http2: false, headers: {X-Frame-Options: sameorigin, Strict-Transport-Security: max-age=1}}\n": true,
		user + "rate_limit: {interval: 1s, burst: 5}\n":                                                                             true,
		tlsWith(", min_version: TLS9"):                                                                                              false,
		tlsWith(", cipher_suites: [TLS_NONE]"):                                                                                      false,
		tlsWith(", curve_preferences: [P1]"):                                                                                        false,
		tlsWith(", client_auth_type: Sometimes"):                                                                                    false,
		tlsWith(", client_ca_file: tls.crt"):                                                                                        false,
		tlsWith(", client_auth_type: RequireAndVerifyClientCert, client_ca_file: no"):                                               false,
		"tls_server_config: {cert_file: tls.crt}":                                                                                   false,
		"tls_server_config: {key_file: tls.key}":                                                                                    false,
		"tls_server_config: {cert_file: tls.key, key_file: tls.crt}":                                                                false,
		"tls_server_config: {cert_file: no, key_file: tls.key}":                                                                     false,
		"basic_auth_users: {a: secret}":                                                                                             false,
		"basic_auth_user: {}":                                                                                                       false,
		user + "http_server_config: {headers: {Server: a}}\n":                                                                       false,
		user + "http_server_config: {headers: {X-Content-Type-Options: a}}\n":                                                       false,
		"junk": false,
	} {
		files.put(t, "web.yaml", text)
		require.Equal(t, taken, web.Validate(files.path("web.yaml")) == nil, "the toolkit: %s", text)
		err := webconfig.Check(files.path("web.yaml"))
		require.Equal(t, taken, err == nil, "%s: %v", text, err)
	}
	for name, text := range map[string]string{
		"nobody is kept out": "", "the same": "http_server_config: {http2: true}\n",
		"names in certificates that nobody verifies": tlsWith(", client_auth_type: RequestClientCert, client_allowed_sans: [a]"),
		"authorities without a certificate":          tlsWith(", client_auth_type: RequireAndVerifyClientCert, client_ca_file: web.yaml"),
		"a limit that lets nobody pass":              user + "rate_limit: {interval: 1s}\n",
		"a password that takes hours to check":       strings.ReplaceAll(user, "$10$", "$31$"),
	} {
		files.put(t, "web.yaml", text)
		require.NoError(t, web.Validate(files.path("web.yaml")), name)
		require.Error(t, webconfig.Check(files.path("web.yaml")), name)
	}
}
