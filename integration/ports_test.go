package integration

import (
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/process"
)

// A taken port costs its exporter alone, until it is free.
func TestTakenPort(t *testing.T) {
	log := kernellog.Open(t)
	settings := agent.NewSettings(t)
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", settings.Metrics)
	require.NoError(t, err)
	defer taken.Close()
	a := agent.Start(t, binary, settings)
	a.WaitReady(t, process.Answers200(http.DefaultClient, "http://"+a.Status+"/healthz", nil))
	waitComponent(t, a, "receiver", "kmsg", "ok") // a line before that is none of this agent's

	log.Write(t, oops)
	a.Console.WaitFor(t, "KernelOops", agent.Problem("KernelOops", "TESTING"))
	status, body := agent.Get(t, "http://"+a.Status+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, body, a.Metrics)
	require.Contains(t, body, "exporters.prometheus.endpoint", "the remedy names the key to change")
	status, body = agent.Get(t, "http://"+a.Status+"/healthz")
	require.Equal(t, http.StatusOK, status, "a taken port is no standstill: %s", body)
	require.Equal(t, "ok", body)

	require.NoError(t, taken.Close())
	a.WaitReady(t, a.Ready())
	require.InDelta(t, 1, a.Sum(t, "problem_counter", map[string]string{"reason": "KernelOops"}), 0)
}
