package apiserver

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	"k8s.io/client-go/util/connrotation"

	"github.com/otelnpd/otelnpd/pipeline/redact"
)

// Limits of a connection that is being made. The kernel notices a peer that is
// gone with keepAlive; for HTTP/2 the transport itself asks.
const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	keepAlive        = 30 * time.Second
)

// idleConnections is how many HTTP/1.1 connections are kept: one for the
// conditions and one for the Events.
const idleConnections = 2

// session is a client made with credentials as they were at one moment. Its
// transport is its own: client-go would share one for all that name the same
// files, which keeps an old CA for minutes, and gives no way to end it.
type session struct {
	rest  *rest.RESTClient
	close func()
	files *fileWatch

	// Guarded by Client.mu: how many requests use it, and whether new ones must
	// not.
	users   int
	retired bool
}

// newSession makes the client of a configuration that loads its files.
func newSession(config *rest.Config, files *fileWatch) (*session, error) {
	authenticated, closeAll, err := newTransport(config)
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		Transport: authenticated,
		// A redirect would take the token to wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	restClient, err := newREST(config, client)
	if err != nil {
		closeAll()
		return nil, err
	}
	return &session{rest: restClient, close: closeAll, files: files}, nil
}

// newTransport makes what authenticates and sends, and what ends all its
// connections.
func newTransport(config *rest.Config) (http.RoundTripper, func(), error) {
	options, err := config.TransportConfig()
	if err != nil {
		return nil, nil, err
	}
	tlsConfig, err := transport.TLSConfigFor(options)
	if err != nil {
		return nil, nil, err
	}
	dial := (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext
	if options.DialHolder != nil {
		dial = options.DialHolder.Dial // of an exec plugin: it ends connections when it has a new certificate
	}
	dialer := connrotation.NewDialer(dial)
	base := utilnet.SetTransportDefaults(&http.Transport{
		Proxy:               options.Proxy,
		TLSHandshakeTimeout: handshakeTimeout,
		TLSClientConfig:     tlsConfig,
		MaxIdleConnsPerHost: idleConnections,
		DialContext:         dialer.DialContext,
		DisableCompression:  true,
	})
	closeAll := func() {
		base.CloseIdleConnections() // and ends dials that nobody waits for
		dialer.CloseAll()
	}
	authenticated, err := transport.HTTPWrappersForConfig(options, watched{next: base})
	if err != nil {
		closeAll()
		return nil, nil, err
	}
	if config.ExecProvider != nil {
		authenticated = newPatient(authenticated, config.ExecProvider.Command)
	}
	return authenticated, closeAll, nil
}

// contentType is that of all bodies but patches. Bodies are made and read here: no
// codec of Kubernetes' own is needed.
const contentType = "application/json"

// newREST makes what builds requests to core/v1. It does not limit their rate: the
// client itself waits, across sessions.
func newREST(config *rest.Config, client *http.Client) (*rest.RESTClient, error) {
	config.APIPath, config.GroupVersion = "/api", &schema.GroupVersion{Version: "v1"}
	base, path, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, err
	}
	content := rest.ClientContentConfig{AcceptContentTypes: contentType, ContentType: contentType, GroupVersion: *config.GroupVersion}
	return rest.NewRESTClient(base, path, content, nil, client)
}

// open makes a session of the credentials as they are now.
func (c *Client) open() (*session, error) {
	files := newFileWatch()
	config, err := c.credentials(files)
	if err != nil {
		return nil, err
	}
	config.UserAgent = c.options.UserAgent
	files.add(config.CAFile, config.CertFile, config.KeyFile)
	opened, err := newSession(config, files)
	if err != nil {
		return nil, noCredentials(fmt.Errorf("using the credentials for %s: %w", redact.URL(config.Host), redact.Error(err)),
			"mend the server, CA, certificate or token that the credentials name")
	}
	return opened, nil
}

// acquire returns the session to use, opened anew where the files have changed.
// It is given back to release.
func (c *Client) acquire() (*session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil || c.current.files.changed() {
		opened, err := c.open()
		switch {
		case err == nil:
			c.retire(c.current)
			c.current = opened
		case c.current == nil:
			return nil, err
		}
		// Files that are being written may be unusable for a moment; what was read
		// before holds until the server refuses it.
	}
	c.current.users++
	return c.current, nil
}

// release gives a session back. After a failure its files are looked at before
// it is used again; where the credentials themselves failed it is not used again.
func (c *Client) release(s *session, failure *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.users--
	switch {
	case s.retired || failure != nil && (failure.Kind == Unauthorized || certificateFailed(failure)):
		c.retire(s)
	case failure != nil && failure.Kind == Unreachable:
		s.files.hurry() // a server that does not take a certificate may just hang up
	}
}

// retire ends a session as soon as nobody uses it. The caller holds c.mu.
func (c *Client) retire(s *session) {
	if s == nil {
		return
	}
	s.retired = true
	if c.current == s {
		c.current = nil
	}
	if s.users == 0 {
		s.close()
	}
}
