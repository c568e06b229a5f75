package integration

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
)

// The two simulated problems of the README.
const (
	oops = "kernel: BUG: unable to handle kernel NULL pointer dereference at TESTING"
	hung = "kernel: INFO: task docker:20744 blocked for more than 120 seconds."
)

func TestProblemsWhileRunning(t *testing.T) {
	log := kernellog.Open(t)
	a := agent.StartReady(t, binary, agent.NewSettings(t))
	require.Equal(t, "False", a.Conditions(t)["KernelDeadlock"].Status)
	require.Zero(t, a.Sum(t, "problem_gauge", map[string]string{"type": "KernelDeadlock"}))

	log.Write(t, oops)
	log.Write(t, hung)
	requireProblems(t, a, "TESTING", "docker:20744")
	require.Len(t, a.Console.Events(t, agent.Problem("KernelOops", "TESTING")), 1)
	require.Len(t, a.Console.Events(t, agent.Problem("TaskHung", "docker:20744")), 1)
	require.Len(t, a.Console.Events(t, agent.Turned("KernelDeadlock", "True", "DockerHung")), 1)
	require.InDelta(t, 1, a.Sum(t, "problem_counter", map[string]string{"reason": "KernelOops"}), 0)
}

// The same line again is another problem, but no other transition: nothing about
// the condition has changed.
func TestRepeatedProblemKeepsTheCondition(t *testing.T) {
	log := kernellog.Open(t)
	a := agent.StartReady(t, binary, agent.NewSettings(t))
	log.Write(t, hung)
	a.Console.WaitFor(t, "KernelDeadlock", agent.Turned("KernelDeadlock", "True", "DockerHung"))
	before := a.Conditions(t)["KernelDeadlock"]

	log.Write(t, hung)
	tag := kernellog.Tag()
	log.Write(t, "kernel: BUG: unable to handle kernel NULL pointer dereference at "+tag)
	a.Console.WaitFor(t, "the line after it", agent.Problem("KernelOops", tag))
	require.Len(t, a.Console.Events(t, agent.Turned("KernelDeadlock", "True", "DockerHung")), 1)
	require.Equal(t, before, a.Conditions(t)["KernelDeadlock"])
}

// What is written while the agent starts is seen once, however far it reads back.
func TestProblemsAtStart(t *testing.T) {
	for _, lookback := range []string{"boot", "1m"} {
		t.Run("lookback "+lookback, func(t *testing.T) {
			log := kernellog.Open(t)
			settings := agent.NewSettings(t)
			settings.Lookback = lookback
			tag := kernellog.Tag()
			task := "docker:" + strconv.FormatInt(time.Now().UnixMicro(), 36)

			a := agent.Start(t, binary, settings)
			time.Sleep(100 * time.Millisecond) // the moment is what is tested
			log.Write(t, "kernel: BUG: unable to handle kernel NULL pointer dereference at "+tag)
			log.Write(t, fmt.Sprintf("kernel: INFO: task %s blocked for more than 120 seconds.", task))
			a.WaitReady(t, a.Ready())
			requireProblems(t, a, tag, task)
			require.Len(t, a.Console.Events(t, agent.Problem("KernelOops", tag)), 1)
		})
	}
}

// Lines of before the start count with lookback boot, once, and not with 0s.
func TestProblemsBeforeStart(t *testing.T) {
	log := kernellog.Open(t)
	before, after := kernellog.Tag(), kernellog.Tag()
	log.Write(t, "kernel: BUG: unable to handle kernel NULL pointer dereference at "+before)
	for lookback, want := range map[string]int{"boot": 1, "0s": 0} {
		t.Run("lookback "+lookback, func(t *testing.T) {
			settings := agent.NewSettings(t)
			settings.Lookback = lookback
			a := agent.StartReady(t, binary, settings)
			log.Write(t, "kernel: BUG: unable to handle kernel NULL pointer dereference at "+after)
			a.Console.WaitFor(t, "the line of after the start", agent.Problem("KernelOops", after))
			require.Len(t, a.Console.Events(t, agent.Problem("KernelOops", before)), want)
		})
	}
}

// requireProblems waits for the two problems everywhere that the agent tells them.
func requireProblems(t *testing.T, a *agent.Agent, oopsTag, task string) {
	t.Helper()
	a.Console.WaitFor(t, "KernelOops", agent.Problem("KernelOops", oopsTag))
	a.Console.WaitFor(t, "TaskHung", agent.Problem("TaskHung", task))
	a.Console.WaitFor(t, "KernelDeadlock", agent.Turned("KernelDeadlock", "True", "DockerHung"))

	deadlock := a.Conditions(t)["KernelDeadlock"]
	require.Equal(t, "True", deadlock.Status)
	require.Equal(t, "DockerHung", deadlock.Reason)
	require.Contains(t, deadlock.Message, "docker:")
	_, err := time.Parse(time.RFC3339Nano, deadlock.Transition)
	require.NoError(t, err)

	for _, reason := range []string{"KernelOops", "TaskHung", "DockerHung"} {
		require.GreaterOrEqual(t, a.Sum(t, "problem_counter", map[string]string{"reason": reason}), 1.0, reason)
	}
	gauge := map[string]string{"type": "KernelDeadlock", "reason": "DockerHung"}
	require.InDelta(t, 1, a.Sum(t, "problem_gauge", gauge), 0)
}
