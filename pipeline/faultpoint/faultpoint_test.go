package faultpoint_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/faultpoint"
)

// childVariable makes the test binary a process that reaches the points a and b
// by turns, three times each, and says what it has passed.
const childVariable = "OTELNPD_FAULTPOINT_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		for range 3 {
			faultpoint.Reach("a")
			fmt.Print("a")
			faultpoint.Reach("b")
			fmt.Print("b")
		}
		return
	}
	os.Exit(m.Run())
}

// build makes this test a binary with the given build tags.
func build(t *testing.T, tags string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "faultpoint.test")
	output, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags", tags, "-o", path, ".").CombinedOutput()
	if err != nil && os.Getenv("CI") != "true" {
		t.Skipf("needs the go command: %v: %s", err, output)
	}
	require.NoError(t, err, "%s", output)
	return path
}

func run(t *testing.T, binary, plan string) (string, *exec.ExitError) {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary)
	command.Env = []string{childVariable + "=1", faultpoint.Variable + "=" + plan}
	output, err := command.Output()
	if err == nil {
		return string(output), nil
	}
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	return string(output), exit
}

func TestArmed(t *testing.T) {
	binary := build(t, "faultpoints")
	for plan, want := range map[string]string{
		"a": "", "b": "a", "a:2": "ab", "b:3": "ababa", "b:2,a:3": "aba", "c:9,a:2": "ab",
	} {
		output, exit := run(t, binary, plan)
		require.NotNil(t, exit, plan)
		status, ok := exit.Sys().(syscall.WaitStatus)
		require.True(t, ok)
		require.Equal(t, syscall.SIGKILL, status.Signal(), plan)
		require.Equal(t, want, output, plan)
	}
	for _, plan := range []string{"", "a:4", "c"} {
		output, exit := run(t, binary, plan)
		require.Nil(t, exit, plan)
		require.Equal(t, "ababab", output, plan)
	}
	begun := time.Now()
	output, exit := run(t, binary, "b=stall:300ms")
	require.Nil(t, exit)
	require.Equal(t, "ababab", output)
	require.GreaterOrEqual(t, time.Since(begun), 300*time.Millisecond)

	output, exit = run(t, binary, "a=explode")
	require.NotNil(t, exit, "a plan that cannot be read ends the program")
	require.Empty(t, output)
	require.Contains(t, string(exit.Stderr), `"explode" is no action`)
}

// Ordinary builds know nothing of points: neither the plan nor the function is in
// the binary.
func TestOrdinaryBuild(t *testing.T) {
	binary := build(t, "")
	output, exit := run(t, binary, "a")
	require.Nil(t, exit)
	require.Equal(t, "ababab", output)
	require.NotContains(t, symbols(t, binary), "/faultpoint.Reach")
	require.Contains(t, symbols(t, build(t, "faultpoints")), "/faultpoint.Reach", "so would it be seen")
}

func symbols(t *testing.T, binary string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "go", "tool", "nm", binary).Output()
	require.NoError(t, err)
	return strings.ReplaceAll(string(output), "%2e", ".")
}

// BenchmarkReach costs what an empty loop does. (B.Loop would keep the call from
// being inlined.)
func BenchmarkReach(b *testing.B) {
	for range b.N {
		faultpoint.Reach("a")
	}
}
