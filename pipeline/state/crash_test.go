package state_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/faultpoint"
	"github.com/otelnpd/otelnpd/pipeline/state"
)

// childVariable makes the test binary an agent that keeps a number, in the
// directory that the variable names: it goes on from the number there, writes one
// after another, and prints each when it is durable.
const childVariable = "OTELNPD_STATE_CHILD"

// stallVariable is a child's StallLimit.
const stallVariable = "OTELNPD_STATE_STALL"

// childWrites is how many numbers a child writes.
const childWrites = 20

func child(dir string) {
	value := 0
	stall, _ := time.ParseDuration(os.Getenv(stallVariable)) // 0, the default, where it is not set
	w, err := state.NewWriter(state.Options{
		Dir: dir, Clock: pipeline.SystemClock{}, Logger: slog.New(slog.NewTextHandler(os.Stdout, nil)),
		Meter: noop.NewMeterProvider().Meter("test"), Version: "v1", Node: "node-1", BootID: "boot-1",
		Capture: func() (map[string]pipeline.Encode, error) {
			text := childText(value)
			return map[string]pipeline.Encode{"value": func() ([]byte, error) { return []byte(text), nil }}, nil
		},
		Report:          func(status pipeline.Status) { fmt.Println("status", status.State) },
		ChangedInterval: time.Nanosecond, StallLimit: stall,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if document, err := w.Open(context.Background()); err == nil {
		value = childValue(document)
	} else {
		fmt.Println(err)
	}
	_ = w.Start(context.Background()) // it has no error to return
	for range childWrites {
		value++
		if err := w.Sync(context.Background()); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("durable", value)
	}
	fmt.Println("end", w.Shutdown(context.Background()))
}

// childText is a section that is larger than a page of the disk.
func childText(value int) string {
	return fmt.Sprintf(`{"value":%d,"padding":"%s"}`, value, strings.Repeat(strconv.Itoa(value%10), 9000))
}

// childValue reads it back; -1: it is not what a child wrote.
func childValue(document state.Document) int {
	text := string(document.Sections["value"])
	value := -1
	if _, err := fmt.Sscanf(text, `{"value":%d,`, &value); err != nil || text != childText(value) {
		return -1
	}
	return value
}

// faultpoints builds this test with its points armed.
func faultpoints(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.test")
	output, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags", "faultpoints", "-o", path, ".").CombinedOutput()
	if err != nil && os.Getenv("CI") != "true" {
		t.Skipf("needs the go command: %v: %s", err, output)
	}
	require.NoError(t, err, "%s", output)
	return path
}

// runChild returns what a child printed, and whether it was killed.
func runChild(t *testing.T, binary, dir, plan string, env ...string) (output string, killed bool) {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary)
	command.Env = append(env, childVariable+"="+dir, faultpoint.Variable+"="+plan)
	text, err := command.Output()
	if err == nil {
		return string(text), false
	}
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	status, ok := exit.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	require.Equal(t, syscall.SIGKILL, status.Signal(), "%s%s", text, exit.Stderr)
	return string(text), true
}

// lastDurable is the last number that a child said to be on the disk.
func lastDurable(output string, before int) int {
	for line := range strings.Lines(output) {
		if _, err := fmt.Sscanf(line, "durable %d\n", &before); err != nil {
			continue
		}
	}
	return before
}

func TestProcess(t *testing.T) {
	binary := faultpoints(t)
	t.Run("killed at every point", func(t *testing.T) { killedAtEveryPoint(t, binary) })
	t.Run("killed at random", func(t *testing.T) { killedAtRandom(t, binary) })
	t.Run("on a disk that hangs", func(t *testing.T) { stalled(t, binary) })
}

// Killed at any point of any write, an agent leaves the file it had written, or
// the one it was about to, and the next goes on.
func killedAtEveryPoint(t *testing.T, binary string) {
	t.Helper()
	for point, renamed := range map[string]bool{
		"state.create": false, "state.write": false, "state.fsync": false, "state.rename": true, "state.directory": true,
	} {
		t.Run(point, func(t *testing.T) {
			dir := t.TempDir()
			value := 0
			for n := 1; n <= 5; n++ {
				output, killed := runChild(t, binary, dir, fmt.Sprintf("%s:%d", point, n))
				require.True(t, killed, output)
				durable := lastDurable(output, value)
				require.Equal(t, value+n-1, durable)
				document, err := state.Read(t.Context(), dir)
				if durable == 0 && !renamed {
					require.ErrorIs(t, err, os.ErrNotExist)
					continue
				}
				require.NoError(t, err)
				value = durable
				if renamed {
					value++
				}
				require.Equal(t, value, childValue(document))
				require.Subset(t, []string{"lock", "state.json", "state.json.new"}, names(t, dir))
			}
			output, killed := runChild(t, binary, dir, "")
			require.False(t, killed)
			require.Contains(t, output, fmt.Sprintf("durable %d\nend <nil>\n", value+childWrites))
			require.Equal(t, []string{"lock", "state.json"}, names(t, dir))
		})
	}
}

// Killed at any moment, not only at ours.
func killedAtRandom(t *testing.T, binary string) {
	t.Helper()
	began := time.Now()
	_, killed := runChild(t, binary, t.TempDir(), "")
	require.False(t, killed)
	whole := time.Since(began) // on this machine, as busy as it is
	dir := t.TempDir()
	value := 0
	const rounds = 40
	for round := range rounds {
		command := exec.CommandContext(t.Context(), binary)
		command.Env = []string{childVariable + "=" + dir}
		pipe, err := command.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, command.Start())
		timer := time.AfterFunc(whole*time.Duration(round)/rounds, func() { _ = command.Process.Kill() })
		var output strings.Builder
		buffer := make([]byte, 4096)
		for n := 0; err == nil; n, err = pipe.Read(buffer) {
			output.Write(buffer[:n])
		}
		_ = command.Wait() // killed, or not
		timer.Stop()
		durable := lastDurable(output.String(), value)
		document, err := state.Read(t.Context(), dir)
		if durable == 0 && err != nil {
			require.ErrorIs(t, err, os.ErrNotExist)
			continue
		}
		require.NoError(t, err)
		value = childValue(document)
		require.Contains(t, []int{durable, durable + 1}, value)
		require.Subset(t, []string{"lock", "state.json", "state.json.new"}, names(t, dir))
	}
	require.Greater(t, value, 40, "most have come to write")
}

// A call to the kernel that hangs stops nobody but the writer's goroutine.
func stalled(t *testing.T, binary string) {
	t.Helper()
	output, killed := runChild(t, binary, t.TempDir(), "state.fsync:2=stall:1h", stallVariable+"=2s")
	require.False(t, killed)
	require.Contains(t, output, "durable 1\nstatus degraded\nstate is degraded: the disk does not answer: a write takes more than 2s\n")
}
