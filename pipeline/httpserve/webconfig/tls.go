package webconfig

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/regularfile"
)

// tlsServer is the part tls_server_config. Each of the three documents, in PEM, stands
// in it or in a file that it names.
type tlsServer struct {
	Cert              string   `yaml:"cert"`
	CertFile          string   `yaml:"cert_file"`
	Key               string   `yaml:"key"`
	KeyFile           string   `yaml:"key_file"`
	ClientCA          string   `yaml:"client_ca"`
	ClientCAFile      string   `yaml:"client_ca_file"`
	ClientAuth        string   `yaml:"client_auth_type"`
	ClientAllowedSANs []string `yaml:"client_allowed_sans"`
	CipherSuites      []string `yaml:"cipher_suites"`
	Curves            []string `yaml:"curve_preferences"`
	MinVersion        string   `yaml:"min_version"`
	MaxVersion        string   `yaml:"max_version"`
	// PreferServerCipherSuites has no effect, as in Prometheus.
	PreferServerCipherSuites bool `yaml:"prefer_server_cipher_suites"`
}

var (
	versions = map[string]uint16{
		"TLS13": tls.VersionTLS13, "TLS12": tls.VersionTLS12, "TLS11": tls.VersionTLS11, "TLS10": tls.VersionTLS10,
	}
	curves = map[string]tls.CurveID{
		"CurveP256": tls.CurveP256, "CurveP384": tls.CurveP384, "CurveP521": tls.CurveP521, "X25519": tls.X25519,
	}
	clientAuths = map[string]tls.ClientAuthType{
		"": tls.NoClientCert, "NoClientCert": tls.NoClientCert,
		"RequestClientCert":    tls.RequestClientCert,
		"RequireAnyClientCert": tls.RequireAnyClientCert, "RequireClientCert": tls.RequireAnyClientCert,
		"VerifyClientCertIfGiven": tls.VerifyClientCertIfGiven, "RequireAndVerifyClientCert": tls.RequireAndVerifyClientCert,
	}
)

// enabled tells whether anything asks for TLS.
func (t *tlsServer) enabled() bool {
	return cmp.Or(t.Cert, t.CertFile, t.Key, t.KeyFile, t.ClientCA, t.ClientCAFile, t.ClientAuth) != "" ||
		len(t.ClientAllowedSANs) > 0
}

// within makes relative paths begin at a directory.
func (t *tlsServer) within(dir string) {
	for _, path := range []*string{&t.CertFile, &t.KeyFile, &t.ClientCAFile} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
}

// validate checks what does not stand in other files.
func (t *tlsServer) validate() error {
	if !t.enabled() {
		return nil
	}
	errs := []error{
		pipeline.At("cert_file", required(t.Cert, t.CertFile, "the certificate is missing")),
		pipeline.At("key_file", required(t.Key, t.KeyFile, "the certificate's key is missing")),
		pipeline.At("min_version", oneOf(versions, t.MinVersion)),
		pipeline.At("max_version", oneOf(versions, t.MaxVersion)),
		pipeline.At("client_auth_type", t.validateClientAuth()),
	}
	for i, name := range t.Curves {
		errs = append(errs, pipeline.At(fmt.Sprintf("curve_preferences[%d]", i), oneOf(curves, name)))
	}
	for i, name := range t.CipherSuites {
		if suiteOf(name) == nil {
			errs = append(errs, pipeline.At(fmt.Sprintf("cipher_suites[%d]", i), fmt.Errorf("%q is no cipher suite that is safe", name)))
		}
	}
	return errors.Join(errs...)
}

func required(text, path, message string) error {
	if text == "" && path == "" {
		return errors.New(message)
	}
	return nil
}

func (t *tlsServer) validateClientAuth() error {
	auth, known := clientAuths[t.ClientAuth]
	switch {
	case !known:
		return oneOf(clientAuths, t.ClientAuth)
	case auth == tls.NoClientCert && cmp.Or(t.ClientCA, t.ClientCAFile) != "":
		return errors.New("client_ca has no effect without it: write RequireAndVerifyClientCert")
	case auth != tls.RequireAndVerifyClientCert && len(t.ClientAllowedSANs) > 0:
		return errors.New("client_allowed_sans need certificates that are verified: write RequireAndVerifyClientCert")
	}
	return nil
}

// oneOf checks that a word is among the keys of words.
func oneOf[V any](words map[string]V, word string) error {
	allowed := make([]string, 0, len(words))
	for one := range words {
		allowed = append(allowed, one)
	}
	slices.Sort(allowed)
	return pipeline.OneOf(word, allowed...)
}

func suiteOf(name string) *tls.CipherSuite {
	for _, suite := range tls.CipherSuites() {
		if suite.Name == name {
			return suite
		}
	}
	return nil
}

// load reads the certificate, its key and the clients' authorities, as they are now.
func (t *tlsServer) load(http2 bool) (*tls.Config, error) {
	certificate, err := t.certificate()
	if err != nil {
		return nil, err
	}
	made := &tls.Config{
		Certificates: []tls.Certificate{certificate},
		MinVersion:   versions[t.MinVersion],
		MaxVersion:   versions[t.MaxVersion],
		ClientAuth:   clientAuths[t.ClientAuth],
		NextProtos:   []string{"http/1.1"},
		// A ticket would outlive the certificates by which it was given.
		SessionTicketsDisabled: true,
	}
	if http2 {
		made.NextProtos = []string{"h2", "http/1.1"}
	}
	for _, name := range t.CipherSuites {
		made.CipherSuites = append(made.CipherSuites, suiteOf(name).ID)
	}
	for _, name := range t.Curves {
		made.CurvePreferences = append(made.CurvePreferences, curves[name])
	}
	if len(t.ClientAllowedSANs) > 0 {
		made.VerifyConnection = t.allowed
	}
	made.ClientCAs, err = t.clientAuthorities()
	return made, err
}

func (t *tlsServer) certificate() (tls.Certificate, error) {
	cert, err := document(t.Cert, t.CertFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("tls_server_config.cert_file: %w", err)
	}
	key, err := document(t.Key, t.KeyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("tls_server_config.key_file: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("tls_server_config: take the certificate %s and the key %s: %w", t.CertFile, t.KeyFile, err)
	}
	return pair, nil
}

func (t *tlsServer) clientAuthorities() (*x509.CertPool, error) {
	if cmp.Or(t.ClientCA, t.ClientCAFile) == "" {
		return nil, nil //nolint:nilnil // there are none
	}
	text, err := document(t.ClientCA, t.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("tls_server_config.client_ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("tls_server_config.client_ca_file: there is no certificate in PEM in %s", t.ClientCAFile)
	}
	return pool, nil
}

// document returns what stands in a file, or else in the configuration itself.
func document(text, path string) ([]byte, error) {
	if path == "" {
		return []byte(text), nil
	}
	return regularfile.Read(path, maxBytes)
}

// allowed checks the names in a client's certificate, which has been verified.
func (t *tlsServer) allowed(state tls.ConnectionState) error {
	for _, name := range subjects(state.PeerCertificates[0]) {
		if slices.Contains(t.ClientAllowedSANs, name) {
			return nil
		}
	}
	return errors.New("none of the names in the client's certificate is among client_allowed_sans")
}

// subjects returns the alternative names in a certificate.
func subjects(of *x509.Certificate) []string {
	names := slices.Concat(of.DNSNames, of.EmailAddresses)
	for _, address := range of.IPAddresses {
		names = append(names, address.String())
	}
	for _, uri := range of.URIs {
		names = append(names, uri.String())
	}
	return names
}
