package httpserve

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client keeps no connection open, so that none outlives a test.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}

// reports is a channel of statuses, with room for all that a test makes.
type reports chan pipeline.Status

func newServer(t *testing.T, endpoint string, handler http.Handler) (*Server, reports) {
	t.Helper()
	statuses := make(reports, 100)
	server := New(Config{
		Endpoint: endpoint, Key: "exporters.status", Handler: handler,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Report: func(status pipeline.Status) { statuses <- status },
	})
	server.firstRetry, server.lastRetry = time.Millisecond, 10*time.Millisecond
	return server, statuses
}

// await returns the first status in a state.
func (r reports) await(t *testing.T, state pipeline.ComponentState) pipeline.Status {
	t.Helper()
	for {
		select {
		case status := <-r:
			if status.State == state {
				return status
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("waited in vain to be %s", state)
		}
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	response, err := client.Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })

func TestServes(t *testing.T) {
	server, statuses := newServer(t, "127.0.0.1:0", hello)
	require.Nil(t, server.Addr())
	server.Start(t.Context())
	require.Equal(t, pipeline.ComponentOK, (<-statuses).State, "the first try is over when Start returns")
	code, body := get(t, "http://"+server.Addr().String())
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "hello", body)
	require.NoError(t, server.Shutdown(t.Context()))
	require.NoError(t, server.Shutdown(t.Context()))
	require.Nil(t, server.Addr())
}

func TestShutdownWithoutStart(t *testing.T) {
	server, _ := newServer(t, "127.0.0.1:0", hello)
	require.NoError(t, server.Shutdown(t.Context()))
}

func TestTakenPortIsTriedAgain(t *testing.T) {
	holder, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server, statuses := newServer(t, holder.Addr().String(), hello)
	server.Start(t.Context())
	defer func() { require.NoError(t, server.Shutdown(context.Background())) }()

	first, again := statuses.await(t, pipeline.ComponentDegraded), statuses.await(t, pipeline.ComponentDegraded)
	require.Equal(t, first, again)
	require.ErrorIs(t, first.Err, syscall.EADDRINUSE)
	require.Contains(t, first.Reason, holder.Addr().String())
	require.Contains(t, first.Remedy, "exporters.status.endpoint")

	require.NoError(t, holder.Close())
	statuses.await(t, pipeline.ComponentOK)
	_, body := get(t, "http://"+holder.Addr().String())
	require.Equal(t, "hello", body)
}

func TestHostThatIsNone(t *testing.T) {
	server, statuses := newServer(t, "host.invalid:1", hello)
	begun := time.Now()
	server.Start(t.Context())
	require.Less(t, time.Since(begun), 10*time.Second, "a start does not wait for DNS")
	require.Contains(t, statuses.await(t, pipeline.ComponentDegraded).Reason, "host.invalid")
	require.NoError(t, server.Shutdown(t.Context()))
}

func TestShutdownEndsTheRetries(t *testing.T) {
	holder, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, holder.Close()) }()
	server, statuses := newServer(t, holder.Addr().String(), hello)
	server.firstRetry = time.Hour
	server.Start(t.Context())
	statuses.await(t, pipeline.ComponentDegraded)
	require.NoError(t, server.Shutdown(t.Context()))
}

// failingListener is a listener whose Accept fails for good, as one does whose
// descriptor was closed.
type failingListener struct{ net.Listener }

func (failingListener) Accept() (net.Conn, error) {
	return nil, errors.New("accept: bad file descriptor")
}

func TestListensAnewWhenServingEnds(t *testing.T) {
	server, statuses := newServer(t, "127.0.0.1:0", hello)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server.done.Go(func() { server.run(t.Context(), failingListener{listener}) })
	require.Contains(t, statuses.await(t, pipeline.ComponentDegraded).Reason, "bad file descriptor")
	statuses.await(t, pipeline.ComponentOK)
	_, body := get(t, "http://"+server.Addr().String())
	require.Equal(t, "hello", body)
	require.NoError(t, server.Shutdown(t.Context()))
}

// Who does not come to an end leaves their time to the exporters that end later, and is no
// failure of the agent.
func TestShutdownDoesNotWaitForLong(t *testing.T) {
	reached := make(chan struct{})
	server, _ := newServer(t, "127.0.0.1:0", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(reached)
		<-r.Context().Done()
	}))
	server.patience = time.Millisecond
	server.Start(t.Context())
	asked := make(chan error, 1)
	go func() {
		response, err := client.Get("http://" + server.Addr().String()) //nolint:noctx // Shutdown ends it
		if err == nil {
			_ = response.Body.Close()
		}
		asked <- err
	}()
	<-reached
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, server.Shutdown(ctx))
	require.NoError(t, ctx.Err())
	require.Error(t, <-asked)
}

func TestShutdownCutsOffWhoeverHangs(t *testing.T) {
	reached, release := make(chan struct{}), make(chan struct{})
	server, _ := newServer(t, "127.0.0.1:0", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(reached)
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}))
	server.Start(t.Context())
	asked := make(chan error, 1)
	go func() {
		response, err := client.Get("http://" + server.Addr().String()) //nolint:noctx // Shutdown ends it
		if err == nil {
			_ = response.Body.Close()
		}
		asked <- err
	}()
	<-reached
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, server.Shutdown(ctx), context.Canceled)
	require.Error(t, <-asked)
	close(release)
}

func TestLargeHeadersAreRefused(t *testing.T) {
	server, _ := newServer(t, "127.0.0.1:0", hello)
	server.Start(t.Context())
	defer func() { require.NoError(t, server.Shutdown(context.Background())) }()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+server.Addr().String(), nil)
	require.NoError(t, err)
	request.Header.Set("X-Large", strings.Repeat("x", 64<<10))
	response, err := client.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, response.StatusCode)
}

// Who sends or takes slowly holds nothing for long.
func TestRequestsHaveTheirTime(t *testing.T) {
	server, _ := newServer(t, "127.0.0.1:0", hello)
	require.Equal(t, 10*time.Second, server.http.ReadHeaderTimeout)
	require.Equal(t, 10*time.Second, server.http.ReadTimeout)
	require.Equal(t, 30*time.Second, server.http.WriteTimeout)
}

func TestRemedies(t *testing.T) {
	server, _ := newServer(t, "127.0.0.1:0", hello)
	for err, want := range map[error]string{
		syscall.EADDRINUSE:    "end the process",
		syscall.EACCES:        "NET_BIND_SERVICE",
		syscall.EADDRNOTAVAIL: "address of this host",
		io.EOF:                "correct exporters.status.endpoint",
	} {
		require.Contains(t, server.remedy(err), want)
	}
}

func TestValidateEndpoint(t *testing.T) {
	for _, endpoint := range []string{"127.0.0.1:20257", ":20257", "[::1]:0", "localhost:65535"} {
		require.NoError(t, ValidateEndpoint(endpoint))
	}
	for endpoint, want := range map[string]string{
		"":                 `"" is no endpoint: write HOST:PORT`,
		"127.0.0.1":        `"127.0.0.1" is no endpoint`,
		"::1:20257":        `is no endpoint`,
		"http://me:pw@a:1": `"http://…@a:1" is no endpoint`,
		"127.0.0.1:":       `has no port between 0 and 65535`,
		"127.0.0.1:65536":  `has no port`,
		"127.0.0.1:-1":     `has no port`,
		"127.0.0.1:+80":    `has no port`,
		"127.0.0.1:http":   `has no port`,
		"127.0.0.1:020257": `has no port`,
	} {
		require.ErrorContains(t, ValidateEndpoint(endpoint), want)
	}
}

func TestPage(t *testing.T) {
	server, _ := newServer(t, "127.0.0.1:0", Page("otelnpd <1>", Link{"/metrics?a&b", "figures"}))
	server.Start(t.Context())
	defer func() { require.NoError(t, server.Shutdown(context.Background())) }()
	_, body := get(t, "http://"+server.Addr().String())
	require.Contains(t, body, "<h1>otelnpd &lt;1&gt;</h1>")
	require.Contains(t, body, `<a href="/metrics?a&amp;b">/metrics?a&amp;b</a> – figures`)
}
