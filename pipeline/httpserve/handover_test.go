package httpserve

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

// handOver ends a server as a reload does.
func handOver(t *testing.T, server *Server) {
	t.Helper()
	now, cancel := context.WithCancel(t.Context())
	cancel()
	_ = server.Shutdown(now) // it may have had answers under way
}

func freeEndpoint(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

// Who connects between two servers of a reload waits for the next one.
func TestNobodyIsRefusedAtAHandOver(t *testing.T) {
	endpoint := freeEndpoint(t)
	server, _ := newServer(t, endpoint, hello)
	server.Start(t.Context())
	for range 5 {
		handOver(t, server)
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", endpoint)
		require.NoError(t, err, "the port is open")
		next, now := newServer(t, endpoint, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
		next.Inherit(server)
		next.Start(t.Context())
		now.await(t, pipeline.ComponentOK)
		require.Equal(t, endpoint, next.Addr().String())
		_, err = connection.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
		require.NoError(t, err)
		answer := make([]byte, 12)
		_, err = connection.Read(answer)
		require.NoError(t, err)
		require.Equal(t, "HTTP/1.0 418", string(answer), "the next one answers")
		require.NoError(t, connection.Close())
		require.NoError(t, server.Shutdown(t.Context()), "the end of the old one takes nothing from it")
		code, _ := get(t, "http://"+endpoint)
		require.Equal(t, http.StatusTeapot, code)
		server = next
	}
	require.NoError(t, server.Shutdown(t.Context()))
	requireClosed(t, endpoint)
}

// The same with one who connects all the time.
func TestNobodyIsRefusedAtManyHandOvers(t *testing.T) {
	endpoint := freeEndpoint(t)
	server, _ := newServer(t, endpoint, hello)
	server.Start(t.Context())
	var refused, taken atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	asking.Go(func() {
		for ctx.Err() == nil {
			connection, err := (&net.Dialer{Timeout: 20 * time.Second}).DialContext(ctx, "tcp", endpoint)
			switch {
			case err == nil:
				taken.Add(1)
				_ = connection.Close()
			case ctx.Err() == nil:
				refused.Add(1)
			}
		}
	})
	const enough = 100
	for i := 0; i < enough || taken.Load() < enough; i++ {
		handOver(t, server)
		next, _ := newServer(t, endpoint, hello)
		next.Inherit(server)
		next.Start(t.Context())
		server = next
	}
	stop()
	asking.Wait()
	require.Zero(t, refused.Load())
	require.Positive(t, taken.Load())
	require.NoError(t, server.Shutdown(t.Context()))
}

func TestAPortThatNobodyTakesIsClosed(t *testing.T) {
	t.Run("at the end", func(t *testing.T) {
		endpoint := freeEndpoint(t)
		server, _ := newServer(t, endpoint, hello)
		server.Start(t.Context())
		handOver(t, server)
		require.NoError(t, server.Shutdown(t.Context()))
		requireClosed(t, endpoint)
	})
	t.Run("by one who listens elsewhere", func(t *testing.T) {
		endpoint, other := freeEndpoint(t), freeEndpoint(t)
		server, _ := newServer(t, endpoint, hello)
		server.Start(t.Context())
		handOver(t, server)
		next, statuses := newServer(t, other, hello)
		next.Inherit(server)
		requireClosed(t, endpoint)
		next.Start(t.Context())
		statuses.await(t, pipeline.ComponentOK)
		require.Equal(t, other, next.Addr().String())
		require.NoError(t, next.Shutdown(t.Context()))
	})
	t.Run("by one who never starts", func(t *testing.T) {
		endpoint := freeEndpoint(t)
		server, _ := newServer(t, endpoint, hello)
		server.Start(t.Context())
		handOver(t, server)
		next, _ := newServer(t, endpoint, hello)
		next.Inherit(server)
		require.NoError(t, next.Shutdown(t.Context()))
		requireClosed(t, endpoint)
	})
}

// A port that was taken by others when the old one ended is tried on by the next.
func TestHandOverOfAServerThatDoesNotListen(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server, statuses := newServer(t, taken.Addr().String(), hello)
	server.Start(t.Context())
	statuses.await(t, pipeline.ComponentDegraded)
	handOver(t, server)
	next, now := newServer(t, taken.Addr().String(), hello)
	next.Inherit(server)
	next.Start(t.Context())
	now.await(t, pipeline.ComponentDegraded)
	require.NoError(t, taken.Close())
	now.await(t, pipeline.ComponentOK)
	require.NoError(t, next.Shutdown(t.Context()))
}

func requireClosed(t *testing.T, endpoint string) {
	t.Helper()
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", endpoint)
	if err == nil {
		_ = connection.Close()
	}
	require.Error(t, err, "%s is still open", endpoint)
}
