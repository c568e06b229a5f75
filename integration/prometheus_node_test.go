package integration

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// npdMetric is a metric of node-problem-detector as Prometheus has it, and its labels.
type npdMetric struct {
	kind   string
	labels []string
	// own marks what a machine may lack: the metric is then not there.
	own bool
}

// npdMetrics is node-problem-detector's table of metrics.
func npdMetrics() map[string]npdMetric {
	table := map[string]npdMetric{
		"cpu_load_1m": {kind: "gauge"}, "cpu_load_5m": {kind: "gauge"}, "cpu_load_15m": {kind: "gauge"}, "cpu_runnable_task_count": {kind: "gauge"},
		"cpu_usage_time":         {kind: "counter", labels: []string{"state"}},
		"system_processes_total": {kind: "counter"}, "system_interrupts_total": {kind: "counter"},
		"system_procs_running": {kind: "gauge"}, "system_procs_blocked": {kind: "gauge"},
		"system_cpu_stat": {kind: "counter", labels: []string{"cpu", "stage"}},
		"disk_io_time":    {kind: "counter", labels: []string{"device_name"}, own: true}, "disk_weighted_io": {kind: "counter", labels: []string{"device_name"}, own: true},
		"disk_avg_queue_len": {kind: "gauge", labels: []string{"device_name"}, own: true},
		"disk_bytes_used":    {kind: "gauge", labels: []string{"device_name", "fs_type", "mount_option", "state"}, own: true},
		"disk_percent_used":  {kind: "gauge", labels: []string{"device_name"}, own: true},
		"host_uptime":        {kind: "gauge", labels: []string{"kernel_version", "os_version"}},
		"memory_bytes_used":  {kind: "gauge", labels: []string{"state"}}, "memory_percent_used": {kind: "gauge", labels: []string{"state"}},
		"memory_anonymous_used": {kind: "gauge", labels: []string{"state"}}, "memory_page_cache_used": {kind: "gauge", labels: []string{"state"}},
		"memory_dirty_used": {kind: "gauge", labels: []string{"state"}}, "memory_unevictable_used": {kind: "gauge"},
		"system_os_feature": {kind: "gauge", labels: []string{"os_feature", "value"}},
		"problem_counter":   {kind: "counter", labels: []string{"reason"}}, "problem_gauge": {kind: "gauge", labels: []string{"reason", "type"}},
	}
	for _, name := range []string{"operation_count", "merged_operation_count", "operation_bytes_count", "operation_time"} {
		table["disk_"+name] = npdMetric{kind: "counter", labels: []string{"device_name", "direction"}, own: true}
	}
	for _, name := range []string{
		"rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "rx_fifo", "rx_compressed", "rx_frame", "rx_multicast",
		"tx_bytes", "tx_packets", "tx_errors", "tx_dropped", "tx_fifo", "tx_compressed", "tx_collisions", "tx_carrier",
	} {
		table["net_"+name] = npdMetric{kind: "counter", labels: []string{"interface_name"}}
	}
	return table
}

const everyGroup = "{interval: 1s, network: {enabled: true, exclude: []}}"

func nodeSettings(t *testing.T, naming string) agent.Settings {
	t.Helper()
	settings := agent.NewSettings(t)
	settings.Naming, settings.Hoststats = naming, everyGroup
	return settings
}

// A real Prometheus has every metric of node-problem-detector's table, with its labels,
// and beside them those by OpenTelemetry's names.
func TestPrometheusHasBothFamilies(t *testing.T) {
	a := agent.StartReady(t, binary, nodeSettings(t, "both"))
	p := servers.StartPrometheus(t, a.Metrics)
	p.WaitFor(t, "count(net_rx_bytes) > bool 0", only("1"))
	kinds := kindsOf(a.MetricsText(t))
	for name, want := range npdMetrics() {
		samples, err := p.Query(t.Context(), "last_over_time("+name+"[5m])") // also where the last scrape has failed
		require.NoError(t, err)
		if len(samples) == 0 {
			require.True(t, want.own, "%s has no series", name)
			t.Logf("this machine has nothing of %s", name)
			continue
		}
		for _, sample := range samples {
			if _, told := sample.Labels["value"]; name == "system_os_feature" && !told {
				sample.Labels["value"] = "" // to Prometheus an empty label is none
			}
			require.ElementsMatch(t, append([]string{"__name__", "instance", "job"}, want.labels...), keysOf(sample.Labels), name)
		}
		require.Equal(t, want.kind, kinds[name], name)
	}
	// The same node by both families' names.
	p.WaitFor(t, `sum(k8s_node_condition_status{k8s_node_condition_status="true"}) == bool sum(problem_gauge)`, only("1"))
	p.WaitFor(t, `sum(otelnpd_problems_total) == bool sum(problem_counter)`, only("1"))
	p.WaitFor(t, `count(k8s_node_condition_status) == bool 3 * count(count by (k8s_node_condition_type) (k8s_node_condition_status))`, only("1"))
	p.WaitFor(t, `abs(sum(host_uptime) - sum(system_uptime_seconds)) < bool 5`, only("1"))
}

func keysOf(labels map[string]string) (keys []string) {
	for key := range labels {
		keys = append(keys, key)
	}
	return keys
}

var typeLine = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)

// kindsOf are the types of the metrics in the text format.
func kindsOf(text string) map[string]string {
	kinds := map[string]string{}
	for _, match := range typeLine.FindAllStringSubmatch(text, -1) {
		kinds[match[1]] = match[2]
	}
	return kinds
}

// promtool finds in what follows OpenTelemetry no more than that two of its names end in
// count, and in node-problem-detector's family what its names imply.
func TestPromtoolOnBothFamilies(t *testing.T) {
	a := agent.StartReady(t, binary, nodeSettings(t, "both"))
	p := npdMetrics()
	require.Eventually(t, func() bool { return strings.Contains(a.MetricsText(t), "net_rx_bytes{") }, patience, tick)
	text := a.MetricsText(t)
	own := slices.DeleteFunc(servers.CheckMetrics(t, []byte(text)), func(finding string) bool {
		name, _, _ := strings.Cut(finding, " ")
		_, npd := p[name]
		return npd
	})
	named := []string{
		`system_cpu_logical_count non-histogram and non-summary metrics should not have "_count" suffix`,
		`system_process_count non-histogram and non-summary metrics should not have "_count" suffix`,
	}
	require.ElementsMatch(t, named, own, "what follows OpenTelemetry")
	require.ElementsMatch(t, append(named, impliedFindings(kindsOf(text))...), servers.CheckMetrics(t, []byte(text)))
}

// impliedFindings are what promtool must find in the metrics of node-problem-detector's
// table that are served.
func impliedFindings(kinds map[string]string) (findings []string) {
	for name, metric := range npdMetrics() {
		if kinds[name] == "" {
			continue
		}
		total, count := strings.HasSuffix(name, "_total"), strings.HasSuffix(name, "_count")
		if metric.kind == "counter" && !total {
			findings = append(findings, name+` counter metrics should have "_total" suffix`)
		}
		if count {
			findings = append(findings, name+` non-histogram and non-summary metrics should not have "_count" suffix`)
		}
		for _, kind := range []string{"counter", "gauge"} {
			if strings.HasSuffix(name, "_"+kind) {
				findings = append(findings, fmt.Sprintf("%s metric name should not include type '%s'", name, kind))
			}
		}
	}
	return findings
}

// Two configurations take turns, each with a group that the other lacks. No scrape
// meanwhile shows a part of a group, or both, or a figure twice.
func TestScrapesDuringReloadsAreWhole(t *testing.T) {
	settings := nodeSettings(t, "both").Durable(t)
	with := map[bool]string{
		false: "{interval: 1s, memory: {enabled: false}, network: {enabled: true, exclude: []}}",
		true:  "{interval: 1s, memory: {enabled: true}, network: {enabled: false}}",
	}
	settings.Hoststats = with[false]
	a := agent.StartReady(t, binary, settings)
	network := groupOf(t, a, "net_", "system_network_")
	settings.Hoststats = with[true]
	reloadAs(t, a, settings)
	memory := groupOf(t, a, "memory_", "system_memory_")

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	failed, scraped := make(chan error, 1), make(chan int, 1)
	go func() {
		count := 0
		for ctx.Err() == nil {
			scrape, err := a.Scrape(ctx)
			if ctx.Err() != nil {
				break
			}
			if err == nil {
				err = oneOf(scrape, memory, network)
			}
			if count++; err != nil {
				failed <- fmt.Errorf("scrape %d: %w", count, err)
				break
			}
		}
		scraped <- count
	}()
	reloads := loadReloads() / 4
	for i := range reloads {
		settings.Hoststats = with[i%2 == 1]
		reloadAs(t, a, settings)
	}
	stop()
	count := <-scraped
	select {
	case err := <-failed:
		require.NoError(t, err)
	default:
	}
	require.Greater(t, count, reloads)
	t.Logf("%d scrapes during %d reloads", count, reloads)
}

// groupOf waits for a group, and returns its metrics.
func groupOf(t *testing.T, a *agent.Agent, prefixes ...string) map[string]bool {
	t.Helper()
	var group map[string]bool
	require.Eventually(t, func() bool {
		scrape, err := a.Scrape(t.Context())
		require.NoError(t, err)
		group = namesWith(scrape, prefixes)
		return len(group) > len(prefixes)
	}, patience, tick)
	return group
}

func namesWith(scrape agent.Scrape, prefixes []string) map[string]bool {
	names := map[string]bool{}
	for series := range scrape.Values {
		name, _, _ := strings.Cut(series, "{")
		if slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			names[name] = true
		}
	}
	return names
}

// oneOf checks that a scrape has all of one group and nothing of the other, or neither,
// since a group that is new waits for its first reading, and that the memory is no more
// than there is.
func oneOf(scrape agent.Scrape, memory, network map[string]bool) error {
	seen := namesWith(scrape, []string{"net_", "system_network_", "memory_", "system_memory_"})
	for _, group := range []map[string]bool{memory, network, {}} {
		if len(seen) == len(group) && !slices.ContainsFunc(keysOfSet(group), func(name string) bool { return !seen[name] }) {
			return wholeMemory(scrape)
		}
	}
	return fmt.Errorf("half a state: %v", keysOfSet(seen))
}

func keysOfSet(set map[string]bool) (keys []string) {
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// wholeMemory checks that no value is there twice: the parts are the whole.
func wholeMemory(scrape agent.Scrape) error {
	sum := 0.0
	for series, value := range scrape.Values {
		if strings.HasPrefix(series, "memory_bytes_used{") {
			sum += value
		}
	}
	if limit := memoryTotal(); sum > limit*1.01 || sum != 0 && sum < limit*0.99 {
		return fmt.Errorf("the memory's parts are %v bytes of %v", sum, limit)
	}
	return nil
}

// memoryTotal is MemTotal of /proc/meminfo, in bytes.
func memoryTotal() float64 {
	content, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	var kib float64
	_, _ = fmt.Sscanf(string(content), "MemTotal: %f kB", &kib)
	return kib * 1024
}

// reloadAs has the agent take on a configuration.
func reloadAs(t *testing.T, a *agent.Agent, settings agent.Settings) {
	t.Helper()
	reloads := func() float64 {
		return a.Sum(t, "otelnpd_config_reloads_total", map[string]string{"outcome": "success"})
	}
	before := reloads()
	require.NoError(t, settings.Save(settings.Config))
	a.Signal(t, syscall.SIGHUP)
	require.Eventually(t, func() bool { return reloads() > before }, patience, tick)
}
