package apiserver_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
)

func TestNewDoesNothing(t *testing.T) {
	client := apiserver.New(apiserver.DefaultConfig(), apiserver.Options{
		Getenv:  func(string) string { t.Error("looked for credentials"); return "" },
		Observe: func(apiserver.Request) { t.Error("sent a request") },
	})
	client.Close()
	client.Close()
	for verb, request := range requests {
		own := failure(t, request(t.Context(), client))
		require.ErrorIs(t, own, apiserver.ErrClosed, verb)
		require.Equal(t, apiserver.Unreachable, own.Kind)
	}
}

// Close cuts off what is under way, and waits for it.
func TestCloseCutsOff(t *testing.T) {
	arrived := make(chan struct{})
	s := newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // who is about to leave gets no answer, not even an empty one
	})
	before := goleak.IgnoreCurrent()
	client := newClient(t, toServer(s.URL), outside(t))
	errs := make(chan error, len(requests))
	for _, request := range requests {
		go func() { errs <- request(t.Context(), client) }()
		<-arrived
	}
	client.Close()
	for range requests {
		require.ErrorIs(t, <-errs, apiserver.ErrClosed)
	}
	requireOpen(t, s, 0)
	goleak.VerifyNone(t, before)
}

// A connection that is still being made when the client is closed ends too.
func TestCloseEndsDials(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // never answers
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	before := goleak.IgnoreCurrent()
	config := toServer("https://" + listener.Addr().String())
	config.Timeout = 100 * time.Millisecond
	client := newClient(t, config, outside(t))
	require.Equal(t, apiserver.Unreachable, failure(t, requests["GET"](t.Context(), client)).Kind)
	client.Close()
	goleak.VerifyNone(t, before)
}

func TestRateIsKept(t *testing.T) {
	var asked atomic.Int32
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		answer(w, http.StatusUnauthorized, "")
	})
	config := toServer(s.URL)
	config.QPS, config.Burst = 0.01, 2
	client := newClient(t, config, outside(t))
	for range 2 {
		require.Equal(t, apiserver.Unauthorized, failure(t, requests["PUT"](t.Context(), client)).Kind)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	own := failure(t, requests["PUT"](ctx, client)) // new credentials bring no new burst
	require.Equal(t, apiserver.Throttled, own.Kind)
	require.EqualError(t, own, `writing the Event "e" in namespace "default": rate: Wait(n=1) would exceed context deadline`)
	require.Equal(t, "raise apiserver.qps (0.01) and apiserver.burst (2), or find out what makes so many requests", own.Remedy)
	require.EqualValues(t, 2, asked.Load())
}

// Waiting for the rate ends with who waits, and with the client.
func TestRateWaits(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(*apiserver.Client, context.CancelFunc)
		want error
	}{
		"canceled": {end: func(_ *apiserver.Client, cancel context.CancelFunc) { cancel() }, want: context.Canceled},
		"closed":   {end: func(client *apiserver.Client, _ context.CancelFunc) { client.Close() }, want: apiserver.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, aNode("u-1")) })
			config := toServer(s.URL)
			config.QPS, config.Burst = 0.01, 1
			client := newClient(t, config, outside(t))
			works(t, client)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			errs := make(chan error, 1)
			go func() { errs <- requests["PATCH"](ctx, client) }()
			tt.end(client, cancel)
			own := failure(t, <-errs)
			require.ErrorIs(t, own, tt.want)
			require.Equal(t, apiserver.Unreachable, own.Kind)
		})
	}
}

// Many at once, while tokens are refused and files change.
func TestIsSafeForConcurrentUse(t *testing.T) {
	var asked atomic.Int32
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1)%5 == 0 {
			answer(w, http.StatusUnauthorized, "")
			return
		}
		answer(w, http.StatusOK, aNode("u-1"))
	})
	p := newPod(t, s, "one")
	var seen atomic.Int32
	options := p.options()
	options.Observe = func(apiserver.Request) { seen.Add(1) }
	before := goleak.IgnoreCurrent()
	client := newClient(t, apiserver.DefaultConfig(), options)
	var everybody sync.WaitGroup
	for range 8 {
		everybody.Go(func() {
			for range 10 {
				for _, request := range requests {
					if err := request(t.Context(), client); err != nil {
						if kind := apiserver.KindOf(err); kind != apiserver.Unauthorized {
							t.Error(err)
						}
					}
				}
				client.LookAtFiles()
			}
		})
	}
	everybody.Wait()
	require.EqualValues(t, 240, seen.Load())
	client.Close()
	requireOpen(t, s, 0)
	goleak.VerifyNone(t, before)
}
