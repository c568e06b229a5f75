package process

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// readyTimeout is how long a server may take to start on a busy machine.
const readyTimeout = 2 * time.Minute

// WaitReady returns once ask has returned nil, and fails the test where the process
// ends before that or takes too long.
func (p *Process) WaitReady(t testing.TB, ask func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), readyTimeout)
	defer cancel()
	started := time.Now()
	for {
		err := ask(ctx)
		if err == nil {
			t.Logf("%s is ready after %s", p.name, time.Since(started).Round(time.Millisecond))
			return
		}
		select {
		case <-p.exited:
			require.FailNow(t, p.name+" ended before it was ready", "%v", p.err)
		case <-ctx.Done():
			require.FailNow(t, p.name+" is not ready in time", "after %s: %v", readyTimeout, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Answers200 asks whether a GET of url is answered by 200.
func Answers200(client *http.Client, url string, headers http.Header) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		request.Header = headers
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("GET %s: %s", url, response.Status)
		}
		return nil
	}
}

var givenAddresses sync.Map

// FreeAddress returns 127.0.0.1 with a port that was free a moment ago and that
// this process has not given out before.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		address := listener.Addr().String()
		require.NoError(t, listener.Close())
		if _, given := givenAddresses.LoadOrStore(address, true); !given {
			return address
		}
	}
}
