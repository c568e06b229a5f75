// Package faultproxy is a proxy before a kube-apiserver that ends TLS, records every
// request and fails as networks, load balancers and overloaded servers do, when it
// is told to.
package faultproxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/process"
)

// Proxy is a running proxy. It is safe for concurrent use.
type Proxy struct {
	// URL is its base address, CAFile the certificate it is to be trusted by.
	URL, CAFile string

	address string
	forward *httputil.ReverseProxy

	mu       sync.Mutex
	server   *http.Server
	served   chan struct{}
	ca       *authority
	faults   []*active
	requests []Request
	changed  chan struct{}
}

// Start starts a proxy before a server that is to be trusted by a certificate, until
// the test ends.
func Start(t testing.TB, server, caFile string) *Proxy {
	t.Helper()
	target, err := url.Parse(server)
	require.NoError(t, err)
	content, err := os.ReadFile(caFile)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(content), caFile)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}
	p := &Proxy{CAFile: filepath.Join(t.TempDir(), "ca.crt"), changed: make(chan struct{})}
	p.forward = &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:    transport,
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, //nolint:forbidigo // net/http's way to cut
		ErrorLog:     log.New(io.Discard, "", 0),
	}
	p.RotateCA(t)
	p.WriteCA(t)
	p.listen(t, process.FreeAddress(t)) // which is still free at the next Open
	p.URL = "https://" + p.address
	t.Cleanup(func() {
		p.Close(t)
		transport.CloseIdleConnections()
	})
	return p
}

func (p *Proxy) listen(t testing.TB, address string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	require.NoError(t, err)
	p.address = listener.Addr().String()
	server := &http.Server{
		Handler: p, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig:   &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: p.certificate},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connection{}, c) },
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.ServeTLS(listener, "", "")
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server, p.served = server, served
}

// Close refuses connections from now on and cuts those that are open.
func (p *Proxy) Close(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	server, served := p.server, p.served
	p.server = nil
	p.mu.Unlock()
	if server == nil {
		return
	}
	err := server.Close()
	require.True(t, err == nil || errors.Is(err, net.ErrClosed), "%v", err)
	<-served
}

// Open listens again on the same port after Close.
func (p *Proxy) Open(t testing.TB) {
	t.Helper()
	p.listen(t, p.address)
}

// Set replaces all faults. None lets everything pass.
func (p *Proxy) Set(faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = nil
	for _, f := range faults {
		left := f.Times
		if left == 0 {
			left = -1
		}
		p.faults = append(p.faults, &active{Fault: f, left: left})
	}
}

// RotateCA replaces the proxy's certificate by one of another authority, which
// CAFile does not hold until WriteCA is called. Connections that are open live on.
func (p *Proxy) RotateCA(t testing.TB) {
	t.Helper()
	ca, err := newAuthority()
	require.NoError(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ca = ca
}

// WriteCA replaces CAFile by the authority of now, as a rotation in a Pod's volume
// does.
func (p *Proxy) WriteCA(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	content := p.ca.pem
	p.mu.Unlock()
	next := p.CAFile + ".next"
	require.NoError(t, os.WriteFile(next, content, 0o644))
	require.NoError(t, os.Rename(next, p.CAFile))
}

func (p *Proxy) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ca.server, nil
}
