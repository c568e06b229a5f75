package telemetry

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

// The agent's own process, by the names that every dashboard knows (Prometheus,
// "Writing client libraries", process metrics). The client library's collectors
// for the same give 20 series more, among them process_network_*, which tells of
// the network namespace and not of the process, hold 2.5 MB more of memory and
// make a scrape three times as slow.
var (
	cpuSeconds = prometheus.NewDesc("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", nil, nil)
	resident   = prometheus.NewDesc("process_resident_memory_bytes", "Resident memory size in bytes.", nil, nil)
	openFDs    = prometheus.NewDesc("process_open_fds", "Number of open file descriptors.", nil, nil)
	maxFDs     = prometheus.NewDesc("process_max_fds", "Maximum number of open file descriptors.", nil, nil)
	startTime  = prometheus.NewDesc("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", nil, nil)
	goroutines = prometheus.NewDesc("go_goroutines", "Number of goroutines that currently exist.", nil, nil)
)

// process collects them. A figure that cannot be read is left out.
type process struct{ started time.Time }

// Describe implements prometheus.Collector.
func (process) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{cpuSeconds, resident, openFDs, maxFDs, startTime, goroutines} {
		to <- desc
	}
}

// Collect implements prometheus.Collector.
func (p process) Collect(to chan<- prometheus.Metric) {
	send := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64) {
		// It fails only for labels, and there are none.
		if metric, err := prometheus.NewConstMetric(desc, kind, value); err == nil {
			to <- metric
		}
	}
	gauge := func(desc *prometheus.Desc, value float64) { send(desc, prometheus.GaugeValue, value) }
	gauge(startTime, float64(p.started.UnixMilli())/1000)
	gauge(goroutines, float64(runtime.NumGoroutine()))
	if pages, err := residentPages(); err == nil {
		gauge(resident, float64(pages)*float64(os.Getpagesize()))
	}
	// The directory that is being read is one of the open files.
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		gauge(openFDs, float64(len(open)-1))
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		gauge(maxFDs, float64(limit.Cur))
	}
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) == nil {
		spent := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		send(cpuSeconds, prometheus.CounterValue, spent.Seconds())
	}
}

// residentPages is the second field of /proc/self/statm (proc_pid_statm(5)).
func residentPages() (uint64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm has %d fields", len(fields))
	}
	return strconv.ParseUint(string(fields[1]), 10, 64)
}
