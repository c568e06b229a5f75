package collector

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/regularfile"
)

// TLS says how connections are secured. Files are read anew for each connection that
// is made after a failure.
type TLS struct {
	// Insecure sends without TLS where the endpoint has no scheme.
	Insecure bool `yaml:"insecure"`
	// CAFile is the path of certificates, in PEM, by which the Collector is trusted;
	// empty: by those of the system.
	CAFile string `yaml:"ca_file"`
	// CertFile is the path of the client's own certificate, in PEM.
	CertFile string `yaml:"cert_file"`
	// KeyFile is the path of that certificate's key, in PEM.
	KeyFile string `yaml:"key_file"`
	// ServerName is the name that the Collector's certificate is to have; empty: that of
	// the endpoint.
	ServerName string `yaml:"server_name"`
	// InsecureSkipVerify trusts any certificate of the Collector: whoever is between can
	// then read all that is sent, the headers too.
	InsecureSkipVerify bool `yaml:"insecure_skip_verify"`
}

var _ pipeline.Config = (*TLS)(nil)

// Validate reports all that is wrong.
func (t *TLS) Validate() error {
	var pair, unused error
	switch {
	case t.CertFile == "" && t.KeyFile != "":
		pair = pipeline.At("cert_file", errors.New("is missing beside key_file: write the path of the client's certificate"))
	case t.CertFile != "" && t.KeyFile == "":
		pair = pipeline.At("key_file", errors.New("is missing beside cert_file: write the path of the certificate's key"))
	}
	if t.Insecure && t.secures() {
		unused = pipeline.At("insecure", errors.New("is true, and other keys of tls are set, which it makes useless: remove it or them"))
	}
	return errors.Join(
		pipeline.At("ca_file", absolute(t.CAFile)),
		pipeline.At("cert_file", absolute(t.CertFile)),
		pipeline.At("key_file", absolute(t.KeyFile)),
		pair, unused,
	)
}

// secures tells whether anything is set that has a meaning with TLS alone.
func (t *TLS) secures() bool { return *t != TLS{Insecure: t.Insecure} }

// Fits returns an error, of a key of t, if what is set makes no sense with an endpoint.
func (t *TLS) Fits(endpoint Endpoint) error {
	switch {
	case t.Insecure && endpoint.Secure:
		return pipeline.At("insecure", errors.New("is true, and the endpoint says https: remove one of them"))
	case !endpoint.Secure && t.secures():
		return errors.New("has keys that are of no use without TLS: write https:// before the endpoint, or remove them")
	default:
		return nil
	}
}

func absolute(path string) error {
	if path != "" && !filepath.IsAbs(path) {
		return fmt.Errorf("%q is no absolute path: write one like /etc/otelnpd/ca.crt", path)
	}
	return nil
}

// maxFile bounds a file of certificates: those of a whole system have less.
const maxFile = 4 << 20

// pair reads the client's own certificate.
func (t *TLS) pair() (tls.Certificate, error) {
	certificate, err := regularfile.Read(t.CertFile, maxFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := regularfile.Read(t.KeyFile, maxFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certificate, key)
}

// config reads the files.
func (t *TLS) config() (*tls.Config, error) {
	made := &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: t.ServerName,
		InsecureSkipVerify: t.InsecureSkipVerify, //nolint:gosec // the operator's choice, told as such
	}
	if t.CAFile != "" {
		content, err := regularfile.Read(t.CAFile, maxFile)
		if err != nil {
			return nil, fmt.Errorf("read tls.ca_file: %w", err)
		}
		made.RootCAs = x509.NewCertPool()
		if !made.RootCAs.AppendCertsFromPEM(content) {
			return nil, fmt.Errorf("read tls.ca_file: there is no certificate in PEM in %s", t.CAFile)
		}
	}
	if t.CertFile != "" {
		pair, err := t.pair()
		if err != nil {
			return nil, fmt.Errorf("read tls.cert_file and tls.key_file: %w", err)
		}
		made.Certificates = []tls.Certificate{pair}
	}
	return made, nil
}
