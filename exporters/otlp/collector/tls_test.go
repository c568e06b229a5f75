package collector_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/exporters/otlp/otlptest"
)

func TestTLS(t *testing.T) {
	authority, other := otlptest.NewAuthority(t), otlptest.NewAuthority(t)
	for _, protocol := range protocols {
		for name, tt := range map[string]struct {
			server     *tls.Config
			scheme     string
			tls        collector.TLS
			wantError  []string // one of them
			wantRemedy string
		}{
			"trusted by its authority": {authority.Server(false), "https", collector.TLS{CAFile: authority.CAFile}, nil, ""},
			"not trusted":              {authority.Server(false), "https", collector.TLS{CAFile: other.CAFile}, []string{"x509:"}, "tls.ca_file"},
			"not checked":              {authority.Server(false), "https", collector.TLS{InsecureSkipVerify: true}, nil, ""},
			"of another name":          {authority.Server(false), "https", collector.TLS{CAFile: authority.CAFile, ServerName: "gateway"}, []string{"x509:"}, "name"},
			"by that name":             {authority.Server(false), "https", collector.TLS{CAFile: authority.CAFile, ServerName: "localhost"}, nil, ""},
			"mutual": {authority.Server(true), "https",
				collector.TLS{CAFile: authority.CAFile, CertFile: authority.CertFile, KeyFile: authority.KeyFile}, nil, ""},
			"mutual, none": {authority.Server(true), "https", collector.TLS{CAFile: authority.CAFile},
				[]string{"certificate required", "broken pipe", "connection reset"}, ""},
			"mutual, another's": {authority.Server(true), "https",
				collector.TLS{CAFile: authority.CAFile, CertFile: other.CertFile, KeyFile: other.KeyFile},
				[]string{"unknown certificate authority", "bad certificate", "broken pipe", "connection reset", "unknown authority"}, ""},
			"none, and wanted": {nil, "https", collector.TLS{CAFile: authority.CAFile},
				[]string{"first record does not look like a TLS handshake", "gave HTTP response to HTTPS client", "EOF"}, ""},
			"a missing file":     {authority.Server(false), "https", collector.TLS{CAFile: "/none/ca.crt"}, []string{"read tls.ca_file: open /none/ca.crt"}, "put the file in place"},
			"a file without any": {authority.Server(false), "https", collector.TLS{CAFile: authority.KeyFile}, []string{"no certificate in PEM"}, "put the file in place"},
			"a missing key": {authority.Server(false), "https", collector.TLS{CAFile: authority.CAFile, CertFile: authority.CertFile, KeyFile: "/none/tls.key"},
				[]string{"read tls.cert_file and tls.key_file"}, "put the file in place"},
		} {
			t.Run(string(protocol)+" "+name, func(t *testing.T) {
				server := otlptest.Start(t, tt.server)
				options := optionsFor(t, protocol, server, tt.scheme)
				options.TLS = tt.tls
				_, err := newClient(t, options).Export(t.Context(), request("a"))
				if tt.wantError == nil {
					require.NoError(t, err)
					return
				}
				got := failure(t, err)
				require.Equal(t, collector.Again, got.Kind)
				require.Contains(t, got.Remedy, tt.wantRemedy)
				found := false
				for _, want := range tt.wantError {
					found = found || strings.Contains(err.Error(), want)
				}
				require.True(t, found, "%v", err)
			})
		}
	}
}

// A rotated certificate is taken on after the failure that it makes.
func TestFilesAreReadAnewAfterAFailure(t *testing.T) {
	authority, other := otlptest.NewAuthority(t), otlptest.NewAuthority(t)
	for _, protocol := range protocols {
		server := otlptest.Start(t, authority.Server(false))
		options := optionsFor(t, protocol, server, "https")
		options.TLS.CAFile = filepath.Join(t.TempDir(), "ca.crt")
		copyFile(t, other.CAFile, options.TLS.CAFile)
		client := newClient(t, options)
		_, err := client.Export(t.Context(), request("a"))
		require.ErrorContains(t, err, "x509")
		copyFile(t, authority.CAFile, options.TLS.CAFile)
		_, err = client.Export(t.Context(), request("a"))
		require.NoError(t, err)
	}
}

func TestFilesThatAreFIFOsAreNotWaitedFor(t *testing.T) {
	authority := otlptest.NewAuthority(t)
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	for _, protocol := range protocols {
		options := optionsFor(t, protocol, otlptest.Start(t, authority.Server(false)), "https")
		for _, files := range []collector.TLS{{CAFile: fifo}, {CertFile: fifo, KeyFile: fifo}} {
			options.TLS = files
			_, err := newClient(t, options).Export(t.Context(), request("a"))
			require.ErrorContains(t, err, "it is no regular file")
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, content, 0o600))
}

func TestTLSConfiguration(t *testing.T) {
	for want, wrong := range map[string]collector.TLS{
		`ca_file: "ca.crt" is no absolute path`:            {CAFile: "ca.crt"},
		"key_file: is missing beside cert_file":            {CertFile: "/tls.crt"},
		"cert_file: is missing beside key_file":            {KeyFile: "/tls.key"},
		"insecure: is true, and other keys of tls are set": {Insecure: true, ServerName: "x"},
	} {
		require.ErrorContains(t, wrong.Validate(), want)
	}
	require.NoError(t, (&collector.TLS{CertFile: "/a", KeyFile: "/b", CAFile: "/c"}).Validate())
	secure, plain := collector.Endpoint{Secure: true}, collector.Endpoint{}
	require.ErrorContains(t, (&collector.TLS{Insecure: true}).Fits(secure), "the endpoint says https")
	require.ErrorContains(t, (&collector.TLS{CAFile: "/c"}).Fits(plain), "of no use without TLS")
	require.NoError(t, (&collector.TLS{Insecure: true}).Fits(plain))
	require.NoError(t, (&collector.TLS{CAFile: "/c"}).Fits(secure))
}
