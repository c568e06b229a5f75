package manual

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// OwnMachine are the namespaces of a shell in which a page can do what it likes: mounts
// and a network of its own. It sees the processes of the machine, without which an agent
// says that it is in a container. It needs root.
const OwnMachine = OwnFiles | unix.CLONE_NEWNET

// OwnFiles are those of a shell with the network of the machine.
const OwnFiles = unix.CLONE_NEWNS

// private makes the files of the machine the shell's own: what is changed in these
// folders is seen by nobody else and gone with the shell. What runs on the machine is
// not seen in /run.
const private = `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs %[1]s
for folder in etc opt root srv usr var; do
	mkdir -p %[1]s/$folder %[1]s/$folder.work
	mount -t overlay overlay -o lowerdir=/$folder,upperdir=%[1]s/$folder,workdir=%[1]s/$folder.work /$folder
done
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /var/lib/otelnpd /var/lib/kubelet /usr/local/bin
mount -t tmpfs -o mode=700 tmpfs /var/lib/otelnpd
cd .
set +e
`

// MakePrivate gives a shell that has mounts of its own files of its own.
func (s *Shell) MakePrivate(t testing.TB) {
	t.Helper()
	exitCode, place, err := s.Run(t.Context(), fmt.Sprintf(private, t.TempDir()))
	require.NoError(t, err)
	require.Zero(t, exitCode, "%s", s.Output(place))
}

// EnableLoopback lets a shell that has a network of its own reach itself, and nobody else.
func (s *Shell) EnableLoopback(t testing.TB) {
	t.Helper()
	exitCode, place, err := s.Run(t.Context(), "ip link set lo up")
	require.NoError(t, err)
	require.Zero(t, exitCode, "%s", s.Output(place))
}

// Listen listens on a free port of 127.0.0.1 in the network of the shell.
func (s *Shell) Listen(t testing.TB) net.Listener {
	t.Helper()
	type result struct {
		listener net.Listener
		err      error
	}
	results := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		listener, err := listenIn(t.Context(), fmt.Sprintf("/proc/%d/ns/net", s.PID()))
		results <- result{listener, err}
	}()
	r := <-results
	require.NoError(t, r.err)
	t.Cleanup(func() { _ = r.listener.Close() })
	return r.listener
}

// listenIn listens in a network namespace, into which it brings the calling thread.
func listenIn(ctx context.Context, namespace string) (net.Listener, error) {
	file, err := os.Open(namespace)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("enter %s: %w", namespace, err)
	}
	return (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
}

// endAll kills all processes that have mounts of the shell's: what has left its process
// group, too.
func endAll(mounts string) error {
	own, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil || mounts == own {
		return err
	}
	for {
		links, err := filepath.Glob("/proc/[0-9]*/ns/mnt")
		if err != nil {
			return err
		}
		found := false
		for _, link := range links {
			if theirs, err := os.Readlink(link); err != nil || theirs != mounts {
				continue // it has ended, or is none of them
			}
			pid, err := strconv.Atoi(strings.Split(link, "/")[2])
			if err != nil {
				return err
			}
			found = true
			_ = unix.Kill(pid, unix.SIGKILL) // it may have ended
		}
		if !found {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}
