package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/processconv"
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
	if bytes, err := residentBytes(); err == nil {
		gauge(resident, float64(bytes))
	}
	if open, err := openFiles(); err == nil {
		gauge(openFDs, float64(open))
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		gauge(maxFDs, float64(limit.Cur))
	}
	if user, system, err := cpuTime(); err == nil {
		send(cpuSeconds, prometheus.CounterValue, (user + system).Seconds())
	}
}

// newProcess makes the metrics of the agent's process: Prometheus' own, and for
// exporters that push those of the semantic conventions.
func (t *Telemetry) newProcess(started time.Time) error {
	if err := t.registry.Register(process{started: started}); err != nil {
		return err
	}
	t.process = sdkmetric.NewMeterProvider(sdkmetric.WithReader(t.newReader(Process)), sdkmetric.WithView(t.catalog.viewOfPushed()))
	meter := t.process.Meter(Scope, metric.WithSchemaURL(semconv.SchemaURL))
	_, errCPU := processconv.NewCPUTime(meter, metric.WithFloat64Callback(observeCPUTime))
	_, errMemory := processconv.NewMemoryUsageObservable(meter, metric.WithInt64Callback(observe(residentBytes)))
	_, errFiles := processconv.NewUnixFileDescriptorCountObservable(meter, metric.WithInt64Callback(observe(openFiles)))
	_, errUptime := processconv.NewUptimeObservable(meter, metric.WithFloat64Callback(
		func(_ context.Context, observer metric.Float64Observer) error {
			observer.Observe(time.Since(started).Seconds())
			return nil
		}))
	return errors.Join(errCPU, errMemory, errFiles, errUptime)
}

func observe(read func() (int64, error)) metric.Int64Callback {
	return func(_ context.Context, observer metric.Int64Observer) error {
		value, err := read()
		if err != nil {
			return err
		}
		observer.Observe(value)
		return nil
	}
}

func observeCPUTime(_ context.Context, observer metric.Float64Observer) error {
	user, system, err := cpuTime()
	if err != nil {
		return err
	}
	observer.Observe(user.Seconds(), metric.WithAttributes(semconv.CPUModeUser))
	observer.Observe(system.Seconds(), metric.WithAttributes(semconv.CPUModeSystem))
	return nil
}

func cpuTime() (user, system time.Duration, err error) {
	var usage unix.Rusage
	err = unix.Getrusage(unix.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano()), time.Duration(usage.Stime.Nano()), err
}

// openFiles counts the open file descriptors, but for that of the directory which is
// read for it.
func openFiles() (int64, error) {
	open, err := os.ReadDir("/proc/self/fd")
	return int64(len(open)) - 1, err
}

// residentBytes is the second field of /proc/self/statm (proc_pid_statm(5)), which is
// in pages.
func residentBytes() (int64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm has %d fields", len(fields))
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize()), err
}
