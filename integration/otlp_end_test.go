package integration

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/servers"
)

// At the agent's end one Collector hangs for as long as it is let. The other one gets
// the last metrics all the same: the time is not used up before its turn.
func otlpMetricsEnd(t *testing.T) {
	t.Parallel()
	r := newOTLPMetricsRig(t, "grpc")
	hung := servers.StartCollector(t)
	hung.Signal(t, syscall.SIGSTOP)
	// The one that hangs comes first.
	r.settings.OTLP = otlpKeys("http://"+hung.GRPC, "metrics: {interval: 1h}") +
		"\n  otlp/second: " + otlpKeys("http://"+r.collector.GRPC, "metrics: {interval: 1h}")
	r.settings.MetricsPipeline = "{exporters: [otlp, otlp/second]}"
	a := r.live(t, binary)
	r.awaitValue(t, "problem_counter", map[string]string{"reason": markedReason}, 0)
	require.NoError(t, r.mark(0))
	require.Eventually(t, func() bool { return a.Sum(t, "problem_counter", map[string]string{"reason": markedReason}) == 1 }, patience, tick)
	a.Signal(t, syscall.SIGTERM)
	<-a.Exited()
	r.awaitValue(t, "problem_counter", map[string]string{"reason": markedReason}, 1)
}
