package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// recordedNode writes a node's /proc, /sys and /etc as they were recorded.
func recordedNode(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	text, err := os.ReadFile("testdata/node.txt")
	require.NoError(t, err)
	var made unix.Statx_t // of the file system that is asked in the place of the node's
	require.NoError(t, unix.Statx(unix.AT_FDCWD, dir, 0, unix.STATX_MNT_ID, &made))
	recorded := strings.NewReplacer("NODE", dir, "MOUNT", strconv.FormatUint(made.Mnt_id, 10)).Replace(string(text))
	for part := range strings.SplitSeq(recorded, "\n-- ") {
		head, content, _ := strings.Cut(part, " --\n")
		head = strings.TrimPrefix(head, "-- ")
		path, target, isLink := strings.Cut(head, " -> ")
		path = filepath.Join(dir, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if isLink {
			require.NoError(t, os.Symlink(strings.TrimSuffix(target, " --"), path))
			continue
		}
		require.NoError(t, os.WriteFile(path, []byte(content+"\n"), 0o644))
	}
	return dir
}

// rewrite changes a file of a recorded node.
func rewrite(t *testing.T, path, pattern, with string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	changed := regexp.MustCompile(pattern).ReplaceAllString(string(text), with)
	require.NotEqual(t, string(text), changed)
	require.NoError(t, os.WriteFile(path+".new", []byte(changed), 0o644))
	require.NoError(t, os.Rename(path+".new", path)) // never half of it
}

// passTime lets the CPUs of a recorded node have been idle a little longer.
func passTime(t *testing.T, proc string) {
	t.Helper()
	rewrite(t, filepath.Join(proc, "stat"), `(?m)^(cpu +\d+ \d+ \d+ )(\d+)`, "${1}1${2}")
}

// page is what a scrape of an agent shows.
type page struct{ url string }

// scrape returns the page, or nothing where there is none. Any goroutine may call it.
func (p page) scrape(ctx context.Context) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, http.NoBody)
	if err != nil {
		return ""
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer func() { _ = response.Body.Close() }()
	body, _ := io.ReadAll(response.Body)
	return string(body)
}

// await waits for a page on which all is, and returns it.
func (p page) await(t *testing.T, what ...string) (body string) {
	t.Helper()
	eventually(t, "the page to have "+strings.Join(what, ", "), func() bool {
		body = p.scrape(t.Context())
		return !slices.ContainsFunc(what, func(one string) bool { return !strings.Contains(body, one) })
	})
	return body
}

// typesOf are the metrics of a page that begin with one of these, and what they are.
func typesOf(body string, prefixes ...string) (types []string) {
	for line := range strings.Lines(body) {
		name, isType := strings.CutPrefix(line, "# TYPE ")
		if isType && slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			types = append(types, strings.TrimSpace(name))
		}
	}
	return types
}

// The agent with NPD's flags and a file of its kind tells every metric of NPD's under
// its name.
func TestNPDTellsOfTheNode(t *testing.T) {
	node := recordedNode(t)
	dir := t.TempDir()
	fifo := filepath.Join(dir, "kmsg")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	t.Setenv(socketVariable, filepath.Join(dir, "s"))
	t.Setenv(stateDirVariable, filepath.Join(dir, "state"))
	stats := filepath.Join(dir, "stats.json")
	text, err := os.ReadFile("testdata/system-stats.json")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(stats, []byte(strings.ReplaceAll(string(text), "NODE", node)), 0o600))
	port := freePort(t)
	a := &liveAgent{fifo: fifo, code: make(chan int, 1), stdout: &pipelinetest.Output{}, stderr: &pipelinetest.Output{}}
	ctx, stop := context.WithCancel(t.Context())
	args := []string{
		"node-problem-detector", "--config.system-log-monitor=" + monitor(t, fifo, "KernelDeadlock"), "--config.system-stats-monitor=" + stats,
		"--enable-k8s-exporter=false", "--port=0", "--prometheus-port=" + port,
	}
	go func() { a.code <- execute(ctx, args, strings.NewReader(""), a.stdout, a.stderr) }()
	t.Cleanup(func() { t.Log(a.stderr.String()) })
	body := page{"http://127.0.0.1:" + port + "/metrics"}.await(t, "disk_avg_queue_len{", "problem_counter{")
	require.Equal(t, strings.Split(strings.TrimSpace(npdTypes), "\n"),
		typesOf(body, "cpu_", "disk_", "host_", "memory_", "net_", "system_"))
	for _, want := range []string{
		`cpu_load_1m 0.5`, `cpu_load_quarter 0.25`, `cpu_usage_time{state="user"} 100`, `system_cpu_stat{cpu="cpu1",stage="softIRQ"} 0.5`,
		`disk_operation_bytes_count{device_name="sda",direction="read"} 512000`, `memory_bytes_used{state="used"} 5.24288e+06`,
		`net_rx_bytes{interface_name="eth0"} 1000`, `system_processes_total 4242`,
	} {
		require.Contains(t, body, want+"\n")
	}
	stop()
	require.Zero(t, <-a.code, a.stderr.String())
}

// npdTypes are the metrics of NPD's table on a page of Prometheus.
const npdTypes = `
cpu_load_1m gauge
cpu_load_5m gauge
cpu_load_quarter gauge
cpu_runnable_task_count gauge
cpu_usage_time counter
disk_avg_queue_len gauge
disk_bytes_used gauge
disk_io_time counter
disk_merged_operation_count counter
disk_operation_bytes_count counter
disk_operation_count counter
disk_operation_time counter
disk_percent_used gauge
disk_weighted_io counter
host_uptime gauge
memory_anonymous_used gauge
memory_bytes_used gauge
memory_dirty_used gauge
memory_page_cache_used gauge
memory_percent_used gauge
memory_unevictable_used gauge
net_rx_bytes counter
net_rx_compressed counter
net_rx_dropped counter
net_rx_errors counter
net_rx_fifo counter
net_rx_frame counter
net_rx_multicast counter
net_rx_packets counter
net_tx_bytes counter
net_tx_carrier counter
net_tx_collisions counter
net_tx_compressed counter
net_tx_dropped counter
net_tx_errors counter
net_tx_fifo counter
net_tx_packets counter
system_cpu_stat counter
system_interrupts_total counter
system_os_feature gauge
system_processes_total counter
system_procs_blocked gauge
system_procs_running gauge
`

// measuring starts an agent with a metrics pipeline over a recorded node.
func measuring(t *testing.T, node, naming string) (*liveAgent, page) {
	t.Helper()
	port := freePort(t)
	a := startAgent(t, func(config string) string {
		config = strings.Replace(config, "receivers:\n", "receivers:\n  hoststats: {interval: 1s}\n", 1)
		config = strings.Replace(config, "prometheus: {endpoint: '127.0.0.1:0'}", "prometheus: {endpoint: '127.0.0.1:"+port+"'}", 1)
		return config + "    metrics: {receivers: [hoststats], exporters: [prometheus]}\n" +
			"  telemetry: {naming: " + naming + "}\n" +
			"  host: {root: '" + node + "', proc: '" + node + "/proc', sys: '" + node + "/sys'}\n"
	})
	return a, page{"http://127.0.0.1:" + port + "/metrics"}
}

func TestTellsOfTheNode(t *testing.T) {
	node := recordedNode(t)
	a, metrics := measuring(t, node, "semconv")
	metrics.await(t, "system_disk_io_bytes_total{")
	passTime(t, filepath.Join(node, "proc"))
	body := metrics.await(t, "system_cpu_utilization_ratio{")
	require.Equal(t, strings.Split(strings.TrimSpace(semconvTypes), "\n"), typesOf(body, "system_", "k8s_node_uptime"))
	require.Empty(t, typesOf(body, "cpu_", "disk_", "host_", "memory_", "net_"))
	for _, want := range []string{
		`system_cpu_time_seconds_total{cpu_mode="user"} 100`, `system_memory_usage_bytes{system_memory_state="free"} 4.194304e+06`,
		`system_network_io_bytes_total{network_interface_name="eth0",network_io_direction="receive"} 1000`,
		`system_paging_faults_total{system_paging_fault_type="major"} 7`, `k8s_node_uptime_seconds 3600.5`, `system_process_created_total 4242`,
	} {
		require.Contains(t, body, want+"\n")
	}
	// An interface goes.
	rewrite(t, filepath.Join(node, "proc/1/net/dev"), ` *eth0:.*\n`, "")
	eventually(t, "the interface to be gone", func() bool { return !strings.Contains(metrics.scrape(t.Context()), "eth0") })
	require.Contains(t, metrics.scrape(t.Context()), `network_interface_name="lo"`)
	// A part cannot be read: all else goes on.
	require.NoError(t, os.Remove(filepath.Join(node, "proc/meminfo")))
	eventually(t, "the memory to be missing", func() bool { return !strings.Contains(metrics.scrape(t.Context()), "system_memory_usage") })
	body = metrics.scrape(t.Context())
	require.Contains(t, body, "system_cpu_time_seconds_total{")
	require.Contains(t, body, `otelnpd_component_up{component="hoststats",kind="receiver"} 0`)
	a.stop()
	require.Zero(t, <-a.code, a.stderr.String())
}

// semconvTypes are the metrics by semantic conventions on a page of Prometheus.
const semconvTypes = `
k8s_node_uptime_seconds gauge
system_cpu_logical_count gauge
system_cpu_time_seconds_total counter
system_cpu_utilization_ratio gauge
system_disk_io_bytes_total counter
system_disk_io_time_seconds_total counter
system_disk_limit_bytes gauge
system_disk_merged_total counter
system_disk_operation_time_seconds_total counter
system_disk_operations_total counter
system_filesystem_limit_bytes gauge
system_filesystem_usage_bytes gauge
system_filesystem_utilization_ratio gauge
system_memory_limit_bytes gauge
system_memory_linux_available_bytes gauge
system_memory_linux_hugepages_limit gauge
system_memory_linux_hugepages_page_size_bytes gauge
system_memory_linux_hugepages_reserved gauge
system_memory_linux_hugepages_surplus gauge
system_memory_linux_hugepages_usage gauge
system_memory_linux_hugepages_utilization_ratio gauge
system_memory_linux_shared_bytes gauge
system_memory_linux_slab_usage_bytes gauge
system_memory_usage_bytes gauge
system_memory_utilization_ratio gauge
system_network_errors_total counter
system_network_io_bytes_total counter
system_network_packet_count_total counter
system_network_packet_dropped_total counter
system_paging_faults_total counter
system_paging_operations_total counter
system_paging_usage_bytes gauge
system_paging_utilization_ratio gauge
system_process_count gauge
system_process_created_total counter
system_uptime_seconds gauge
`

// Both families on one page, and a reload in the middle: no scrape is without a
// figure that the agent before and after has.
func TestReloadKeepsFigures(t *testing.T) {
	node := recordedNode(t)
	a, metrics := measuring(t, node, "both")
	kept := []string{"\ncpu_load_1m 0.5\n", "\nsystem_uptime_seconds 3600.5\n", `net_rx_bytes{interface_name="eth0"} 1000`, `system_network_io_bytes_total{`}
	metrics.await(t, kept...)
	ctx, stop := context.WithCancel(t.Context())
	missing := make(chan string, 1)
	go func() {
		defer close(missing)
		for ctx.Err() == nil {
			body := metrics.scrape(t.Context())
			for _, one := range kept {
				if !strings.Contains(body, one) {
					missing <- one
					return
				}
			}
		}
	}()
	for _, change := range [][2]string{
		{"{interval: 1s}", "{interval: 2s, memory: {enabled: false}}"},
		{"{interval: 2s, memory: {enabled: false}}", "{interval: 3s, npd: {names: {cpu/load_5m: node/load}}}"},
		{"{interval: 3s, npd: {names: {cpu/load_5m: node/load}}}", "{interval: 1s}"},
	} {
		a.edit(t, change[0], change[1])
		reloaded := otelnpd(t, "", "reload", "--socket", a.socket)
		require.Zero(t, reloaded.code, reloaded.stderr)
	}
	stop()
	require.Empty(t, <-missing)
	body := metrics.scrape(t.Context())
	require.Contains(t, body, "\nmemory_bytes_used{")
	require.Contains(t, body, "\ncpu_load_5m ")
	require.NotContains(t, body, "node_load")
	a.end(t)
}

func TestTwoReceiversOfOneMetric(t *testing.T) {
	config := `receivers: {hoststats: , hoststats/2: }
exporters: {prometheus: }
service: {pipelines: {metrics: {receivers: [hoststats, hoststats/2], exporters: [prometheus]}}}
`
	got := otelnpd(t, config, "validate", "--config", "-")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "receivers.hoststats/2: needs the metrics of the group cpu, which receivers.hoststats has: only one can")
}
