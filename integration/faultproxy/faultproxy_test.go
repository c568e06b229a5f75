package faultproxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// server counts what reaches it and answers with what it was sent.
type server struct {
	*httptest.Server
	CAFile  string
	reached atomic.Int64
}

func startServer(t *testing.T) *server {
	t.Helper()
	s := &server{CAFile: filepath.Join(t.TempDir(), "server.crt")}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.reached.Add(1)
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(append([]byte(r.URL.RawQuery+" "+r.Header.Get("Authorization")+" "), body...))
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	require.NoError(t, os.WriteFile(s.CAFile, content, 0o644))
	return s
}

// client trusts what CAFile holds now, and speaks HTTP/2 or HTTP/1.1.
func client(t *testing.T, p *Proxy, http2 bool) *http.Client {
	t.Helper()
	content, err := os.ReadFile(p.CAFile)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(content))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: http2}
	if !http2 {
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// patch sends a request and returns the status, 0 where there is none, and as much
// of the body as comes.
func patch(t *testing.T, c *http.Client, p *Proxy) (status int, body string, err error) {
	t.Helper()
	return patchUntil(t.Context(), c, p)
}

// patchUntil is patch for a client that leaves when ctx is over. It can be called from any
// goroutine.
func patchUntil(ctx context.Context, c *http.Client, p *Proxy) (status int, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPatch, p.URL+"/api/v1/nodes/n/status?a=b",
		bytes.NewReader([]byte("condition")))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Authorization", "Bearer me")
	request.Header.Set("Content-Type", "application/merge")
	response, err := c.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

const whole = "a=b Bearer me condition"

func TestFaults(t *testing.T) {
	s := startServer(t)
	for name, test := range map[string]struct {
		fault        Fault
		code, done   int
		body, failed string
	}{
		"passes":           {Fault{}, 201, 201, whole, ""},
		"another request":  {Throttled().On(http.MethodPut, ""), 201, 201, whole, ""},
		"another path":     {Throttled().On(http.MethodPatch, "/events/"), 201, 201, whole, ""},
		"throttles":        {Throttled().On(http.MethodPatch, "/nodes/"), 429, 0, "Too many requests, please try again later.\n", ""},
		"fails":            {Failing(503), 503, 0, "Service Unavailable\n", ""},
		"is late":          {Fault{Delay: 300 * time.Millisecond}, 201, 201, whole, ""},
		"cuts before":      {Fault{Cut: CutBefore}, 0, 0, "", "EOF"},
		"cuts after":       {Fault{Cut: CutAfter}, 0, 201, "", "EOF"},
		"cuts in the body": {Fault{Cut: CutBody}, 201, 201, whole[:len(whole)/2], "EOF"},
	} {
		for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
			t.Run(name+" over "+protocol, func(t *testing.T) {
				p := Start(t, s.URL, s.CAFile)
				p.Set(test.fault)
				before, started := s.reached.Load(), time.Now()
				status, body, err := patch(t, client(t, p, protocol == "HTTP/2"), p)
				require.Equal(t, test.code, status)
				require.Equal(t, test.body, body)
				if test.failed == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, test.failed)
				}
				require.GreaterOrEqual(t, time.Since(started), test.fault.Delay)
				require.Equal(t, test.done == 201, s.reached.Load() == before+1)
			})
		}
	}
}

func TestFaultsOfSomeRequests(t *testing.T) {
	s := startServer(t)
	p := Start(t, s.URL, s.CAFile)
	p.Set(Throttled().Next(2), Failing(500).On(http.MethodPatch, "/status").Next(1))
	c := client(t, p, true)
	var codes []int
	for range 4 {
		status, _, err := patch(t, c, p)
		require.NoError(t, err)
		codes = append(codes, status)
	}
	require.Equal(t, []int{429, 429, 500, 201}, codes)

	requests := p.WaitFor(t, "the end of all", 4, func(r Request) bool {
		return Is(http.MethodPatch, "/nodes/n")(r) && !r.Finished.IsZero()
	})
	require.Len(t, requests, 4)
	require.Empty(t, p.Requests(Is(http.MethodGet, "")))
	last := requests[3]
	require.Equal(t, "/api/v1/nodes/n/status", last.Path)
	require.Equal(t, "b", last.Query.Get("a"))
	require.Equal(t, "application/merge", last.ContentType)
	require.Equal(t, "condition", string(last.Body))
	require.Equal(t, []int{201, 201}, []int{last.Code, last.Done})
	require.Equal(t, []int{429, 0}, []int{requests[0].Code, requests[0].Done})
	require.False(t, last.Finished.Before(last.At))
}

func TestHold(t *testing.T) {
	s := startServer(t)
	p := Start(t, s.URL, s.CAFile)
	open := make(chan struct{})
	p.Set(Fault{Hold: open})
	var before int64
	time.AfterFunc(100*time.Millisecond, func() {
		before = s.reached.Load()
		close(open)
	})
	status, _, err := patch(t, client(t, p, true), p)
	require.NoError(t, err)
	require.Equal(t, 201, status)
	require.Zero(t, before, "a request is held before it is forwarded")

	p.Set(Fault{Hold: make(chan struct{})})
	impatient := client(t, p, true)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, _, err := patchUntil(ctx, impatient, p)
		left <- err
	}()
	p.WaitFor(t, "the second", 2, func(Request) bool { return true })
	leave()
	require.ErrorIs(t, <-left, context.Canceled)
	p.WaitFor(t, "the end of the second", 2, func(r Request) bool { return !r.Finished.IsZero() })
	require.EqualValues(t, 1, s.reached.Load(), "a request that its client has left is not forwarded")
}

func TestCloseAndOpen(t *testing.T) {
	s := startServer(t)
	p := Start(t, s.URL, s.CAFile)
	c := client(t, p, true)
	_, _, err := patch(t, c, p)
	require.NoError(t, err)
	p.Close(t)
	_, _, err = patch(t, c, p)
	require.Error(t, err, "an open connection is cut")
	_, _, err = patch(t, client(t, p, true), p)
	require.ErrorContains(t, err, "connection refused")
	p.Open(t)
	_, body, err := patch(t, c, p)
	require.NoError(t, err)
	require.Equal(t, whole, body)
}

func TestServerDown(t *testing.T) {
	s := startServer(t)
	p := Start(t, s.URL, s.CAFile)
	s.Close()
	_, _, err := patch(t, client(t, p, true), p)
	require.Error(t, err)
	require.True(t, strings.Contains(err.Error(), "EOF") || strings.Contains(err.Error(), "reset"), err)
}

func TestRotateCA(t *testing.T) {
	s := startServer(t)
	p := Start(t, s.URL, s.CAFile)
	old := client(t, p, true)
	_, _, err := patch(t, old, p)
	require.NoError(t, err)
	p.RotateCA(t)
	_, _, err = patch(t, old, p)
	require.NoError(t, err, "an open connection lives on")
	old.CloseIdleConnections()
	_, _, err = patch(t, old, p)
	require.ErrorContains(t, err, "x509")
	_, _, err = patch(t, client(t, p, true), p)
	require.ErrorContains(t, err, "x509", "CAFile is still the old one")
	p.WriteCA(t)
	_, _, err = patch(t, client(t, p, true), p)
	require.NoError(t, err)
}
