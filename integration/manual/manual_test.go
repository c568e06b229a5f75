package manual

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// do does a page in a shell without namespaces.
func do(t *testing.T, source string, within time.Duration) (dir string, err error) {
	t.Helper()
	parsed, err := Parse("page.md", []byte(source))
	require.NoError(t, err)
	ctx, stop := context.WithTimeout(t.Context(), within)
	defer stop()
	dir = t.TempDir()
	return dir, StartShell(t, dir, []string{"PATH=" + os.Getenv("PATH"), "NAME=node-1"}, 0).Do(ctx, parsed)
}

func TestDo(t *testing.T) {
	dir, err := do(t, "<!-- commands: node -->\n```yaml file=sub/a.yaml\nkey: value\n```\n"+block(`
$ cd sub && name=$NAME             # one shell a page
$ cat a.yaml && echo $name >&2
key: value
node-…
$ [ -t 1 ] && ! [ -t 0 ]           # a terminal, at which nobody types
$ cat
$ yes | head -n 1
y
$ (while [ ! -e go ]; do sleep 0.01; done; sleep 0.1; echo begun; sleep 1000) &
$ touch go
begun
$ kill %1
`)[len("<!-- commands: node -->\n"):], time.Minute)
	require.NoError(t, err)
	content, err := os.ReadFile(filepath.Join(dir, "sub", "a.yaml"))
	require.NoError(t, err)
	require.Equal(t, "key: value\n", string(content))
}

func TestDoFails(t *testing.T) {
	for name, test := range map[string]struct{ lines, want string }{
		"by its exit code":       {"$ true\n$ echo why; (exit 3)\n", "page.md:4: `echo why; (exit 3)` failed with exit code 3; it has printed:\nwhy"},
		"within a pipe":          {"$ false | cat\n", "page.md:3: `false | cat` failed with exit code 1"},
		"by no command":          {"$ no-such-command\n", "exit code 127; it has printed:\n"},
		"without its output":     {"$ echo one; echo two\none\nthree\n", "page.md:5: `echo one; echo two` (line 3) does not print, behind the lines before it:\nthree\n"},
		"with output of another": {"$ echo one\n$ echo two\none\n", "page.md:5: `echo two` (line 4) does not print"},
		"by the end of a shell":  {"$ exit 0\n", "page.md:3: the shell has ended by `exit 0`"},
		"the first of two":       {"$ (sleep 0.2; exit 4) & sleep 1000 &\n$ sleep 0.5\n", "something in the background has failed with exit code 4"},
		"no command behind":      {"$ no-such-command &\n$ sleep 0.2\n", "something in the background has failed with exit code 127"},
		"in the background":      {"$ (exit 4) &\n$ sleep 0.2\n", "something in the background has failed with exit code 4"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := do(t, block(test.lines), time.Minute)
			require.ErrorContains(t, err, test.want)
		})
	}
	_, err := do(t, block("$ echo hangs; sleep 1000\n"), time.Second)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "page.md:3: `echo hangs; sleep 1000` does not end: context deadline exceeded; it has printed:")
}

// What a page changes and starts is gone with its shell; what it listens on is not seen.
func TestMachineIsItsOwn(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("namespaces and mounts of its own need root")
	}
	var pid int
	t.Run("used", func(t *testing.T) {
		dir := t.TempDir()
		shell := StartShell(t, dir, []string{"PATH=" + os.Getenv("PATH")}, OwnMachine)
		shell.MakePrivate(t)
		shell.EnableLoopback(t)
		listener := shell.Listen(t)
		page, err := Parse("page.md", []byte(block(`
$ echo of the page > /etc/otelnpd-manual && cat /etc/otelnpd-manual
of the page
$ touch /usr/bin/otelnpd-manual /run/otelnpd-manual /var/lib/otelnpd/manual
$ ls -1 /run /var/lib/otelnpd
otelnpd-manual
manual
$ (exec 5<>/dev/tcp/`+strings.Replace(listener.Addr().String(), ":", "/", 1)+`)
$ setsid sleep 1000 &
$ echo $! > pid
`)))
		require.NoError(t, err)
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		require.NoError(t, shell.Do(ctx, page))
		_, err = (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", listener.Addr().String())
		require.Error(t, err)
		content, err := os.ReadFile(filepath.Join(dir, "pid"))
		require.NoError(t, err)
		pid, err = strconv.Atoi(strings.TrimSpace(string(content)))
		require.NoError(t, err)
	})
	require.NotZero(t, pid)
	require.Eventually(t, func() bool { return unix.Kill(pid, 0) == unix.ESRCH }, 10*time.Second, time.Millisecond)
	for _, path := range []string{"/etc/otelnpd-manual", "/usr/bin/otelnpd-manual", "/run/otelnpd-manual", "/var/lib/otelnpd/manual"} {
		require.NoFileExists(t, path)
	}
}
