package integration

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/process"
)

// A line that the agent has accepted is on the console before it ends, and it ends
// with 0.
func TestSignalsDrain(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			log := kernellog.Open(t)
			a := agent.StartReady(t, binary, agent.NewSettings(t))
			const lines = 200
			tag := kernellog.Tag()
			for range lines {
				log.Write(t, "kernel: BUG: unable to handle kernel NULL pointer dereference at "+tag)
			}
			a.Console.WaitFor(t, "the first line", agent.Problem("KernelOops", tag))
			accepted := a.Sum(t, "problem_counter", map[string]string{"reason": "KernelOops"})
			a.Signal(t, signal)
			require.Zero(t, a.Wait(t, patience), a.Log())
			told := len(a.Console.Events(t, agent.Problem("KernelOops", tag)))
			require.GreaterOrEqual(t, float64(told), accepted, "accepted, but not told")
			_, err := os.Stat(a.Socket)
			require.ErrorIs(t, err, os.ErrNotExist, "the operator's socket is left behind")
		})
	}
}

// Nobody reads the console: that stalls nothing, and a signal still ends the agent
// within its shutdown_timeout.
func TestUnreadConsoleStallsNothing(t *testing.T) {
	log := kernellog.Open(t)
	settings := agent.NewSettings(t)
	settings.StatusKeys = ", stall_limit: 1s"
	a := startUnread(t, settings)
	tag := kernellog.Tag()
	const lines = 3000 // of more than 300 bytes: far beyond a pipe's 64 KiB
	require.NoError(t, log.WriteMany(lines, func(buffer []byte, _ int) []byte {
		return append(buffer, "kernel: BUG: unable to handle kernel NULL pointer dereference at "+tag...)
	}))
	reason := map[string]string{"reason": "KernelOops"}
	require.Eventually(t, func() bool { return a.Sum(t, "problem_counter", reason) > 1000 }, patience, tick)
	time.Sleep(1500 * time.Millisecond) // longer than stall_limit
	require.Eventually(t, func() bool { // a busy machine stalls for a moment what a console would for good
		status, _ := agent.Get(t, "http://"+a.Status+"/healthz")
		return status == 200
	}, patience, tick)
	log.Write(t, hung)
	require.Eventually(t, func() bool { return a.Conditions(t)["KernelDeadlock"].Status == "True" }, patience, tick)

	a.Signal(t, syscall.SIGTERM)
	a.Wait(t, patience)
}

// startUnread starts an agent whose standard output is a pipe that nobody reads.
func startUnread(t *testing.T, settings agent.Settings) *agent.Agent {
	t.Helper()
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = reader.Close() })
	cmd := exec.Command(binary, "run", "--config", settings.WriteConfig(t))
	cmd.Stdout = writer
	a := &agent.Agent{Process: process.Start(t, "otelnpd", cmd), Settings: settings}
	require.NoError(t, writer.Close())
	a.WaitReady(t, a.Ready())
	return a
}
