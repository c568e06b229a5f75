package process

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
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
// this process has not given out before. The kernel gives it to no outgoing connection, so
// that it stays free while a program that listens there starts again.
func FreeAddress(t testing.TB) string {
	t.Helper()
	least, beyond := listeningPorts(t)
	for {
		address := fmt.Sprintf("127.0.0.1:%d", least+rand.IntN(beyond-least))
		if _, given := givenAddresses.LoadOrStore(address, true); given {
			continue
		}
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		require.NoError(t, err)
		require.NoError(t, listener.Close())
		return address
	}
}

// listeningPorts are those from which FreeAddress takes: below the first that the kernel
// gives to outgoing connections (its Documentation/networking/ip-sysctl.rst), and by
// default above those of node-problem-detector, 20256 and 20257. A machine that leaves
// hardly any there has to do with those of outgoing connections.
func listeningPorts(t testing.TB) (least, beyond int) {
	t.Helper()
	const count, privileged = 12_000, 1024
	content, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	require.NoError(t, err)
	var last int
	_, err = fmt.Sscan(string(content), &beyond, &last)
	require.NoError(t, err)
	if beyond < count {
		return beyond, last + 1
	}
	return max(beyond-count, privileged), beyond
}
