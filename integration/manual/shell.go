package manual

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/process"
)

// Shell is a bash at a terminal, which runs one command after another, as for somebody
// who types. What runs in the background goes on until the test ends.
type Shell struct {
	*process.Process
	dir, private string
	commands     *os.File
	count        int
	screen       *screen
	done         *regexp.Regexp
}

// driver is what the shell does: each line of descriptor 3 is a file of commands. The
// terminal gets a mark behind what they print, with the exit code; a pipe that its reader
// has closed (141) is no failure. How jobs in the background do goes to a file: running,
// or an exit code other than 0 and those of the signals that end a job politely.
const driver = `set -o pipefail
manual_jobs=()
manual_tell_jobs() {
	local job code running=()
	for job in "${manual_jobs[@]}"; do
		if kill -0 "$job"; then
			running+=("$job")
			echo running
			continue
		fi
		wait "$job"
		code=$?
		case $code in 0|130|143) ;; *) echo "$code" ;; esac
	done >%[1]s 2>/dev/null
	manual_jobs=("${running[@]}")
}
while IFS= read -r -u 3 REPLY; do
	manual_before=$!
	. "$REPLY" </dev/null 3<&-
	set -- $?
	[ $1 != 141 ] || set -- 0
	[ "$!" = "$manual_before" ] || manual_jobs+=("$!")
	for REPLY in $(jobs -p); do # those that a command has started before its last
		[[ " ${manual_jobs[*]} " == *" $REPLY "* ]] || manual_jobs+=("$REPLY")
	done
	manual_tell_jobs
	printf '\036%[2]s %%d\036' $1
done
`

// StartShell starts a shell in a folder and with an environment. The flags are those of
// clone(2), for namespaces of its own.
func StartShell(t testing.TB, dir string, environment []string, flags uintptr) *Shell {
	t.Helper()
	mark := rand.Text()
	s := &Shell{
		dir: dir, private: t.TempDir(), screen: &screen{changed: make(chan struct{}, 1)},
		done: regexp.MustCompile("\x1e" + mark + ` (\d+)` + "\x1e"),
	}
	commands, feed, err := os.Pipe()
	require.NoError(t, err)
	master, terminal, err := pty.Open()
	require.NoError(t, err)
	require.NoError(t, pty.Setsize(master, &pty.Winsize{Rows: 50, Cols: 200}))

	cmd := exec.Command("bash", "--noprofile", "--norc", "-c", fmt.Sprintf(driver, s.jobsFile(), mark))
	cmd.Dir, cmd.Env = dir, environment
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = terminal, terminal, []*os.File{commands}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	s.Process, s.commands = process.Start(t, "bash", cmd), feed
	require.NoError(t, terminal.Close())
	require.NoError(t, commands.Close())
	s.watch(t, master)
	return s
}

// watch reads the terminal until the test ends, and then ends the shell.
func (s *Shell) watch(t testing.TB, master *os.File) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.screen.read(master)
	}()
	mounts, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", s.PID()))
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = s.commands.Close()
		_ = syscall.Kill(-s.PID(), syscall.SIGKILL) // with its jobs, which go on when it ends by itself
		s.Kill(t)
		require.NoError(t, endAll(mounts))
		_ = master.Close()
		<-ended
	})
}

func (s *Shell) jobsFile() string { return filepath.Join(s.private, "jobs") }

// Run runs a command to its end and returns its exit code. What it prints is on the
// screen from the returned place on.
func (s *Shell) Run(ctx context.Context, command string) (exitCode, place int, err error) {
	s.count++
	file := filepath.Join(s.private, strconv.Itoa(s.count))
	if err := os.WriteFile(file, []byte(command+"\n"), 0o600); err != nil {
		return 0, 0, err
	}
	place = s.screen.size()
	if _, err := fmt.Fprintln(s.commands, file); err != nil {
		return 0, place, fmt.Errorf("the shell has ended: %w", err)
	}
	for {
		if found := s.done.FindStringSubmatch(s.screen.since(place)); found != nil {
			exitCode, err := strconv.Atoi(found[1])
			return exitCode, place, err
		}
		select {
		case <-s.screen.changed:
		case <-s.Exited():
			return 0, place, fmt.Errorf("the shell has ended by `%s`", command)
		case <-ctx.Done():
			return 0, place, fmt.Errorf("`%s` does not end: %w", command, ctx.Err())
		}
	}
}

// jobs tells whether something runs in the background, and the exit codes of what has
// failed there since the command before.
func (s *Shell) jobs() (running bool, failed []string, err error) {
	jobs, err := os.ReadFile(s.jobsFile())
	for job := range strings.FieldsSeq(string(jobs)) {
		if job == "running" {
			running = true
		} else {
			failed = append(failed, job)
		}
	}
	return running, failed, err
}

// Output returns what was printed from a place on.
func (s *Shell) Output(place int) string { return plain(s.screen.since(place)) }
