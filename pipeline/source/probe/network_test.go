package probe

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestTheNodesNetworkIsKnown(t *testing.T) { require.Nil(t, nodeNetwork("/proc")) }

func TestAnotherNetworkIsNotTheNodes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making a network namespace needs root")
	}
	// The namespace is the thread's: it ends with this goroutine, which stays locked to it.
	found := make(chan *Unknown)
	go func() {
		runtime.LockOSThread()
		if unix.Unshare(unix.CLONE_NEWNET) != nil {
			runtime.UnlockOSThread()
			close(found)
			return
		}
		found <- nodeNetwork("/proc")
	}()
	unknown, ok := <-found
	if !ok {
		t.Skip("no network namespace can be made here")
	}
	require.NotNil(t, unknown)
	require.ErrorContains(t, unknown, "loopback is not the node's here")
	require.Equal(t, "run with hostNetwork: true", unknown.Remedy)
}

func TestWhatIsNoProcOfANodeTellsNothing(t *testing.T) {
	proc := t.TempDir()
	require.Contains(t, nodeNetwork(proc).Remedy, "hostNetwork")
	// As in a mount of the node's /proc, of which too little may be read.
	require.NoError(t, os.Symlink("1", filepath.Join(proc, "self")))
	require.Contains(t, nodeNetwork(proc).Remedy, "service.host.proc")
	require.NoError(t, os.MkdirAll(filepath.Join(proc, "1/net"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(proc, "1/net/unix"), []byte("Num RefCount Protocol Flags Type St Inode Path\n"), 0o600))
	require.ErrorContains(t, nodeNetwork(proc), "loopback is not the node's here")
}
