package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// How long a server may take to start and to stop on a busy machine.
const (
	readyTimeout = 2 * time.Minute
	stopTimeout  = 20 * time.Second
)

// process is a running server.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	// exited is closed once the process has been waited for.
	exited chan struct{}
	err    error
}

// start starts a program in a process group of its own, its output in a file of the
// test's, of which the end is shown where the test fails. It is stopped when the
// test ends, and killed by the kernel should the test's process die before.
func start(t testing.TB, name, path string, args ...string) *process {
	t.Helper()
	output, err := os.Create(filepath.Join(t.TempDir(), name+".log"))
	require.NoError(t, err)
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &process{name: name, cmd: cmd, log: output.Name(), exited: make(chan struct{})}
	started := make(chan error, 1)
	go p.run(started)
	err = <-started
	require.NoError(t, errors.Join(err, output.Close()), "start %s", name)
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			content, _ := os.ReadFile(p.log)
			t.Logf("the end of the log of %s:\n%s", name, tail(content, 8192))
		}
	})
	return p
}

// run starts the program and waits for it on one locked thread: the kernel sends
// the parent's death signal when the thread that started the child ends.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.exited)
	err := p.cmd.Start()
	started <- err
	if err == nil {
		p.err = p.cmd.Wait()
	}
}

// stop ends the whole process group: politely first, and by force after a while.
func (p *process) stop(t testing.TB) {
	t.Helper()
	group := -p.cmd.Process.Pid
	_ = unix.Kill(group, unix.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(stopTimeout):
		t.Logf("%s did not stop within %s of SIGTERM: killing it", p.name, stopTimeout)
	}
	_ = unix.Kill(group, unix.SIGKILL) // what is left of the group
	<-p.exited
}

// waitReady returns once ask has returned nil, and fails the test where the process
// ends before that or takes too long.
func (p *process) waitReady(t testing.TB, ask func(context.Context) error) {
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
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// answers200 asks whether a GET of url is answered by 200.
func answers200(client *http.Client, url string, headers http.Header) func(context.Context) error {
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

var givenPorts sync.Map

// FreeAddress returns 127.0.0.1 with a port that was free a moment ago and that
// this process has not given out before.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		address := listener.Addr().String()
		require.NoError(t, listener.Close())
		if _, given := givenPorts.LoadOrStore(address, true); !given {
			return address
		}
	}
}

func portOf(t testing.TB, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	_, err = strconv.Atoi(port)
	require.NoError(t, err)
	return port
}

// getOrSkip returns the folder of a recipe's programs; without it the test cannot
// run.
func getOrSkip(t testing.TB, recipeOf func() (*recipe, error)) string {
	t.Helper()
	r, err := recipeOf()
	require.NoError(t, err)
	folder, err := r.get(t.Context())
	if err != nil && os.Getenv("CI") != "true" {
		t.Skipf("no %s here: %v", r.name, err)
	}
	require.NoError(t, err)
	return folder
}
