package integration

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
)

// The agent ends with 0 at the end of a saved kernel log, having told its problems,
// in each form that a log is saved in.
func TestInput(t *testing.T) {
	for _, file := range []string{"testdata/dmesg.txt", "testdata/kmsg.txt"} {
		t.Run(file, func(t *testing.T) {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			fromFile := agent.Run(t, binary, "", "run", "--input", file, "--output", "json")
			requireInputsProblems(t, fromFile)
			fromStdin := agent.Run(t, binary, string(content), "run", "--input", "-", "--output", "json")
			requireInputsProblems(t, fromStdin)
			text := agent.Run(t, binary, "", "run", "--input", file, "--output", "text")
			require.Zero(t, text.ExitCode, text.Stderr)
			require.Contains(t, text.Stdout, "KernelOops")
			require.Contains(t, text.Stdout, "DockerHung")
		})
	}
	t.Run("ordinary lines", func(t *testing.T) {
		ordinary := strings.Repeat("[    1.000000] systemd[1]: all is well\n", 1000)
		result := agent.Run(t, binary, ordinary, "run", "--input", "-", "--output", "json")
		require.Zero(t, result.ExitCode, result.Stderr)
		for _, event := range events(t, result.Stdout) {
			require.Equal(t, agent.EventTransition, event.Event, "%+v", event)
			require.NotEqual(t, "True", event.Status, "%+v", event)
		}
	})
	t.Run("no such file", func(t *testing.T) {
		result := agent.Run(t, binary, "", "run", "--input", "testdata/none.txt")
		require.Equal(t, 1, result.ExitCode)
		require.Contains(t, result.Stderr, "testdata/none.txt")
	})
}

func requireInputsProblems(t *testing.T, result agent.Result) {
	t.Helper()
	require.Zero(t, result.ExitCode, result.Stderr)
	problems := map[string]int{}
	var turned []agent.Event
	for _, event := range events(t, result.Stdout) {
		if event.Event == agent.EventProblem {
			problems[event.Reason]++
		}
		if agent.Turned("KernelDeadlock", "True", "DockerHung")(event) {
			turned = append(turned, event)
		}
	}
	require.Equal(t, 2, problems["KernelOops"], "%v", problems)
	require.Equal(t, 1, problems["TaskHung"], "%v", problems)
	require.Len(t, turned, 1)
}

func events(t *testing.T, stdout string) []agent.Event {
	t.Helper()
	var list []agent.Event
	for line := range strings.Lines(stdout) {
		var event agent.Event
		require.NoError(t, json.Unmarshal([]byte(line), &event), "%q", line)
		list = append(list, event)
	}
	return list
}

// How long to wait for what takes a moment, and how often to look.
const (
	patience = 30 * time.Second
	tick     = 10 * time.Millisecond
)
