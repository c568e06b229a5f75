package capability

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// asChild tells the test program that it is to give up all but what it names, and
// then to show the rights of its threads and of a process that it starts.
const asChild = "OTELNPD_TEST_KEEP"

// withoutCapset tells it to be where capset(2) is refused, as a unit of systemd does.
const withoutCapset = "OTELNPD_TEST_WITHOUT_CAPSET"

func TestMain(m *testing.M) {
	keep, child := os.LookupEnv(asChild)
	if !child {
		os.Exit(m.Run())
	}
	if err := showRights(keep); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func showRights(keep string) error {
	release := manyThreads(8)
	defer release()
	var names []Name
	for word := range strings.FieldsSeq(keep) {
		names = append(names, Name(word))
	}
	if held, refused := os.LookupEnv(withoutCapset); refused {
		if err := refuseCapset(Name(held)); err != nil {
			return err
		}
	}
	if err := Keep(names); err != nil {
		return err
	}
	threads, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		return err
	}
	for _, path := range threads {
		status, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Println(string(status))
	}
	started := exec.Command("cat", "/proc/self/status")
	started.Stdout, started.Stderr = os.Stdout, os.Stderr
	return started.Run()
}

// manyThreads keeps threads of the system busy until release is called.
func manyThreads(count int) (release func()) {
	done := make(chan struct{})
	var locked sync.WaitGroup
	for range count {
		locked.Add(1)
		go func() {
			runtime.LockOSThread()
			locked.Done()
			<-done
		}()
	}
	locked.Wait()
	return func() { close(done) }
}

func child(t *testing.T, keep string, environment ...string) (output string, err error) {
	t.Helper()
	if os.Geteuid() != 0 {
		require.NotEqual(t, "true", os.Getenv("CI"), "this test needs root in CI")
		t.Skip("needs root: others have no capabilities to give up")
	}
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(append(os.Environ(), asChild+"="+keep), environment...)
	text, err := cmd.CombinedOutput()
	return string(text), err
}

var capLine = regexp.MustCompile(`(?m)^(Cap\w+|NoNewPrivs):\s+(\w+)$`)

// rightsAfter returns the different values of each line, over all threads and the
// process started, and how many statuses were shown.
func rightsAfter(t *testing.T, keep string, environment ...string) (values map[string][]string, statuses int) {
	t.Helper()
	output, err := child(t, keep, environment...)
	require.NoError(t, err, output)
	values = map[string][]string{}
	for _, found := range capLine.FindAllStringSubmatch(output, -1) {
		if found[1] == "NoNewPrivs" {
			statuses++
		}
		if !slices.Contains(values[found[1]], found[2]) {
			values[found[1]] = append(values[found[1]], found[2])
		}
	}
	return values, statuses
}

func TestKeepNone(t *testing.T) {
	values, statuses := rightsAfter(t, "")
	require.Greater(t, statuses, 9)
	for _, line := range []string{"CapPrm", "CapEff", "CapInh", "CapBnd", "CapAmb"} {
		require.Equal(t, []string{"0000000000000000"}, values[line], line)
	}
	require.Equal(t, []string{"1"}, values["NoNewPrivs"])
}

func TestKeepOne(t *testing.T) {
	values, _ := rightsAfter(t, "SYSLOG")
	for _, line := range []string{"CapPrm", "CapEff", "CapBnd"} {
		require.Equal(t, []string{"0000000400000000"}, values[line], line) // 1<<34
	}
}

// Who has no more than it is to keep needs no system call that may be refused.
func TestKeepWhatIsHeld(t *testing.T) {
	values, _ := rightsAfter(t, "NET_ADMIN SYSLOG", withoutCapset+"=SYSLOG")
	require.Equal(t, []string{"0000000400000000"}, values["CapEff"])
	require.Equal(t, []string{"1"}, values["NoNewPrivs"])
	output, err := child(t, "NET_ADMIN", withoutCapset+"=SYSLOG")
	require.Error(t, err)
	require.Contains(t, output, "give up capabilities, so as to keep [NET_ADMIN] alone: ")
}

func TestWords(t *testing.T) {
	words := Name("").Words()
	require.Len(t, words, 41)
	for _, word := range []string{"SYSLOG", "NET_ADMIN", "CHECKPOINT_RESTORE", "CHOWN"} {
		require.Contains(t, words, word)
	}
}
