package integration

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/servers"
)

func TestPrometheusScrapes(t *testing.T) {
	log := kernellog.Open(t)
	a := agent.StartReady(t, binary, agent.NewSettings(t))
	prometheus := servers.StartPrometheus(t, a.Metrics)
	is := func(value string) func([]servers.Sample) bool {
		return func(samples []servers.Sample) bool { return len(samples) == 1 && samples[0].Value == value }
	}
	prometheus.WaitFor(t, "up", is("1"))
	// A series that starts at zero is what lets rate() see the first problem.
	prometheus.WaitFor(t, `problem_counter{reason="KernelOops"}`, is("0"))
	prometheus.WaitFor(t, `problem_gauge{type="KernelDeadlock",reason="DockerHung"}`, is("0"))

	log.Write(t, oops)
	log.Write(t, hung)
	prometheus.WaitFor(t, `problem_counter{reason="KernelOops"}`, is("1"))
	prometheus.WaitFor(t, `problem_counter{reason="DockerHung"}`, is("1"))
	prometheus.WaitFor(t, `problem_gauge{type="KernelDeadlock",reason="DockerHung"}`, is("1"))
	prometheus.WaitFor(t, `count(problem_gauge == 1)`, is("1"))
	prometheus.WaitFor(t, `sum(otelnpd_component_up)`, func(samples []servers.Sample) bool {
		return len(samples) == 1 && samples[0].Value != "0"
	})
}

// NPD's two names imply three findings: they contain their types, and a counter
// should end in _total. The agent's own metrics are clean.
func TestPromtoolFindsWhatNamesImply(t *testing.T) {
	a := agent.StartReady(t, binary, agent.NewSettings(t))
	text := a.MetricsText(t)
	require.Contains(t, text, "problem_counter{")
	require.Contains(t, text, "otelnpd_build_info{")
	require.Equal(t, []string{
		`problem_counter counter metrics should have "_total" suffix`,
		`problem_counter metric name should not include type 'counter'`,
		`problem_gauge metric name should not include type 'gauge'`,
	}, servers.CheckMetrics(t, []byte(text)))
	own := withoutFamilies(text, "problem_counter", "problem_gauge")
	require.Empty(t, servers.CheckMetrics(t, []byte(own)))
}

// withoutFamilies leaves metric families out of metrics in the text format.
func withoutFamilies(text string, names ...string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		name := strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE ")
		if end := strings.IndexAny(name, " {"); end >= 0 {
			name = name[:end]
		}
		left := false
		for _, leave := range names {
			left = left || name == leave
		}
		if !left {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
