package probe_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/source/probe"
	"github.com/otelnpd/otelnpd/pipeline/source/probe/probetest"
)

// TestWantOfFileDescriptors is an agent that cannot ask: that says nothing of services
// that are well.
func TestWantOfFileDescriptors(t *testing.T) {
	server := probetest.StartServer(t)
	socket := probetest.ShortDir(t) + "/docker.sock"
	probetest.StartSocket(t, socket)
	noMoreFiles(t)
	for _, err := range []error{
		(&probe.Endpoint{URL: server.URL, Proc: "/proc"}).Ask(within(t, long)),
		(&probe.Docker{Socket: socket}).Ask(within(t, long)),
		(&probe.Runtime{Socket: socket}).Ask(within(t, long)),
	} {
		requireUnknown(t, err, "too many open files", "LimitNOFILE")
	}
}

// noMoreFiles lets this process open none until the test ends.
func noMoreFiles(t *testing.T) {
	t.Helper()
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1, Max: limit.Max}))
	t.Cleanup(func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)) })
}
