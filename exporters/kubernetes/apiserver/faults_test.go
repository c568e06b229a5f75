package apiserver_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
)

// unanswered makes a request of a server that gives no answer.
func unanswered(t *testing.T, config apiserver.Config, verb string) *apiserver.Error {
	t.Helper()
	var seen []apiserver.Request
	options := outside(t)
	options.Observe = func(r apiserver.Request) { seen = append(seen, r) }
	own := failure(t, requests[verb](t.Context(), newClient(t, config, options)))
	require.Equal(t, apiserver.Unreachable, own.Kind)
	require.Zero(t, own.Code)
	require.Len(t, seen, 1)
	require.Zero(t, seen[0].Code)
	return own
}

func TestNobodyListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	own := unanswered(t, toServer("https://"+address), "GET")
	require.EqualError(t, own, `reading the Node "node-1": dial tcp `+address+`: connect: connection refused`)
	require.Equal(t, "check that kube-apiserver runs, and that this node reaches it: address, routes, DNS, firewall, proxy", own.Remedy)
}

func TestLateAnswer(t *testing.T) {
	over := make(chan struct{})
	s := newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-over:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler) // who is about to leave gets no answer, not even an empty one
	})
	t.Cleanup(func() { close(over) })
	config := toServer(s.URL)
	config.Timeout = 100 * time.Millisecond
	for verb := range requests {
		own := unanswered(t, config, verb)
		require.ErrorIs(t, own, context.DeadlineExceeded)
		require.Equal(t, "look at the load of kube-apiserver and at the way to it; raise apiserver.timeout if it is only slow", own.Remedy)
	}
}

// A connection that ends in the middle may have carried the request out.
func TestConnectionsAreCut(t *testing.T) {
	for name, text := range map[string]string{
		"before the answer": "",
		"in the middle":     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"kind\":",
	} {
		for verb := range requests {
			t.Run(name+" of "+verb, func(t *testing.T) {
				asked := 0
				s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
					asked++
					_, _ = io.Copy(io.Discard, r.Body)
					conn, _, err := w.(http.Hijacker).Hijack()
					if err == nil {
						_, _ = conn.Write([]byte(text))
						_ = conn.Close()
					}
				})
				s.TLS.NextProtos = []string{"http/1.1"}
				own := unanswered(t, toServer(s.URL), verb)
				require.ErrorContains(t, own, "EOF")
				require.Equal(t, 1, asked)
			})
		}
	}
}

func TestPlainTextWhereTLSIsExpected(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	plain := &http.Server{Handler: http.NotFoundHandler()}
	done := make(chan error, 1)
	go func() { done <- plain.Serve(listener) }()
	t.Cleanup(func() {
		require.NoError(t, plain.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
	own := unanswered(t, toServer("https://"+listener.Addr().String()), "GET")
	require.ErrorContains(t, own, "server gave HTTP response to HTTPS client")
	require.Equal(t, "write http:// in place of https://, or the port that speaks TLS", own.Remedy)
}

func TestTLSWherePlainTextIsExpected(t *testing.T) {
	s := newServer(t, func(http.ResponseWriter, *http.Request) {})
	config := toServer("http://" + s.Listener.Addr().String())
	own := failure(t, requests["PUT"](t.Context(), newClient(t, config, outside(t))))
	require.EqualError(t, own, `writing the Event "e" in namespace "default": 400 Bad Request: Client sent an HTTP request to an HTTPS server.`)
	require.Equal(t, apiserver.ServerError, own.Kind, "no Event is lost by it")
}

func TestAnswersAreBounded(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		spaces := strings.Repeat(" ", 1<<20)
		for range apiserver.MaxAnswerBytes/len(spaces) + 1 {
			if _, err := io.WriteString(w, spaces); err != nil {
				return
			}
		}
		_, _ = io.WriteString(w, aNode("u-1"))
	})
	own := failure(t, requests["GET"](t.Context(), newClient(t, toServer(s.URL), outside(t))))
	require.EqualError(t, own, `reading the Node "node-1": the answer has more than 8388608 bytes`)
	require.Equal(t, apiserver.ServerError, own.Kind)
}

func TestWhoAsksStopsWaiting(t *testing.T) {
	arrived := make(chan struct{}, 1)
	s := newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("shutting down")
	go func() {
		<-arrived
		cancel(why)
	}()
	own := failure(t, requests["GET"](ctx, newClient(t, toServer(s.URL), outside(t))))
	require.ErrorIs(t, own, why)
	require.Equal(t, apiserver.Unreachable, own.Kind)
	require.Equal(t, "nothing: the agent is stopping, or had no more time for it", own.Remedy)
}

func TestErrorsSaySomething(t *testing.T) {
	require.EqualError(t, &apiserver.Error{Kind: apiserver.NoCredentials}, "no_credentials")
	require.EqualError(t, &apiserver.Error{Kind: apiserver.Conflict, Code: 409}, "conflict (409)")
	require.Equal(t, "Kind(0)", apiserver.Kind(0).String())
	require.Equal(t, "Kind(99)", apiserver.Kind(99).String())
	require.Zero(t, apiserver.KindOf(io.EOF))
	require.Equal(t, apiserver.Refused, apiserver.KindOf(errors.Join(io.EOF, &apiserver.Error{Kind: apiserver.Refused})))
}

// Whoever answers cannot send the token elsewhere.
func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := newServer(t, func(http.ResponseWriter, *http.Request) { t.Error("the token went elsewhere") })
	for _, code := range []int{
		http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
	} {
		s := newServer(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, code) })
		config := toServer(s.URL)
		config.ServiceAccountToken = true
		client := newClient(t, config, newPod(t, s, "secret").options())
		for _, request := range requests {
			own := failure(t, request(t.Context(), client))
			require.Equal(t, apiserver.ServerError, own.Kind)
			require.Equal(t, code, own.Code)
		}
	}
}
