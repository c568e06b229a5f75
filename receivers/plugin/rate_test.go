package plugin_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/receivers/plugin"
)

// tiny writes the smallest program that there is: it exits with 0. What is measured
// is what running it costs, not what it does.
func (l *lab) tiny() string {
	l.t.Helper()
	programs := map[string]struct {
		machine uint16
		code    []byte
	}{
		"amd64": {62, []byte{0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05}},                   // xor edi, edi; mov eax, 60; syscall
		"arm64": {183, []byte{0, 0, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 0x01, 0, 0, 0xd4}}, // mov x0, 0; mov x8, 93; svc 0
	}
	program, ok := programs[runtime.GOARCH]
	if !ok {
		l.t.Skip("no tiny program for " + runtime.GOARCH)
	}
	const base, head = 0x400000, 64 + 56
	size := uint64(head + len(program.code))
	elf := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...)
	elf = binary.LittleEndian.AppendUint16(elf, 2) // an executable
	elf = binary.LittleEndian.AppendUint16(elf, program.machine)
	elf = binary.LittleEndian.AppendUint32(elf, 1)
	for _, n := range []uint64{base + head, 64, 0} { // entry, program headers, no sections
		elf = binary.LittleEndian.AppendUint64(elf, n)
	}
	elf = binary.LittleEndian.AppendUint32(elf, 0)
	for _, n := range []uint16{64, 56, 1, 64, 0, 0} {
		elf = binary.LittleEndian.AppendUint16(elf, n)
	}
	elf = binary.LittleEndian.AppendUint32(elf, 1) // to be loaded
	elf = binary.LittleEndian.AppendUint32(elf, 5) // read and executed
	for _, n := range []uint64{0, base, base, size, size, 0x1000} {
		elf = binary.LittleEndian.AppendUint64(elf, n)
	}
	path := filepath.Join(l.dir, "tiny")
	require.NoError(l.t, os.WriteFile(path, append(elf, program.code...), 0o755))
	return path
}

// cpuTime is what this process and its children have used.
func cpuTime(t *testing.T) (used time.Duration) {
	t.Helper()
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var usage syscall.Rusage
		require.NoError(t, syscall.Getrusage(who, &usage))
		used += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	return used
}

// bareCost is what it costs to start and reap a program, and no more.
func bareCost(t *testing.T, path string) time.Duration {
	t.Helper()
	const runs = 200
	before := cpuTime(t)
	for range runs {
		pid, err := syscall.ForkExec(path, []string{path}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true}})
		require.NoError(t, err)
		var status syscall.WaitStatus
		_, err = syscall.Wait4(pid, &status, 0, nil)
		require.NoError(t, err)
		require.Zero(t, status.ExitStatus())
	}
	return (cpuTime(t) - before) / runs
}

// delays returns the share of runs that began at most 100 ms after they were due.
func (l *lab) delays() (share float64, runs uint64) {
	l.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(l.t, l.reader.Collect(l.t.Context(), &all))
	for _, scope := range all.ScopeMetrics {
		for _, one := range scope.Metrics {
			data, ok := one.Data.(metricdata.Histogram[float64])
			if !ok || one.Name != "otelnpd.check.start_delay" {
				continue
			}
			point := data.DataPoints[0]
			last := slices.Index(point.Bounds, 0.1)
			require.Positive(l.t, last)
			for _, n := range point.BucketCounts[:last+1] {
				share += float64(n)
			}
			return share / float64(point.Count), point.Count
		}
	}
	return 0, 0
}

// bareDelays returns the share of the ticks of a plain timer that came at most 100 ms
// late: what this machine has to give now.
func bareDelays(lasting time.Duration) float64 {
	const every, late = 10 * time.Millisecond, 100 * time.Millisecond
	began, ticks, inTime := time.Now(), 0, 0
	for due := began; due.Sub(began) < lasting; due = due.Add(every) {
		time.Sleep(time.Until(due))
		ticks++
		if time.Since(due) <= late {
			inTime++
		}
	}
	return float64(inTime) / float64(ticks)
}

// Many plugins a second run on although two among them hang, and each costs little more
// than its process. OTELNPD_SOAK=1: 500 a second for a minute, which keep their schedule
// as well as a plain timer does.
func TestManyPlugins(t *testing.T) {
	plugins, timeout := 100, time.Hour // those that hang do so for as long as the test
	soak := os.Getenv("OTELNPD_SOAK") != ""
	if soak {
		plugins, timeout = 500, 2*time.Second
	}
	l := newLab(t)
	l.config.Interval, l.config.Spread, l.config.Concurrency, l.config.Timeout = time.Second, true, 50, timeout
	path := l.tiny()
	for i := range plugins {
		l.config.Checks = append(l.config.Checks, plugin.Check{ID: fmt.Sprintf("tiny-%d", i), Path: path, Declaration: check.Declaration{Reason: "Broken"}})
	}
	for i := range 2 {
		l.check(fmt.Sprintf("slow-%d", i), "exec sleep 1000")
	}
	bare := bareCost(t, path)
	before, began := cpuTime(t), time.Now()
	l.start()
	var bareShare float64
	if soak {
		bareShare = bareDelays(time.Minute)
		t.Logf("of the ticks of a plain timer %.2f %% come within 100 ms", 100*bareShare)
	} else { // how long that takes is the machine's
		require.Eventually(t, func() bool { _, runs := l.delays(); return runs > uint64(3*plugins) }, time.Minute, 100*time.Millisecond)
	}
	took, used := time.Since(began), cpuTime(t)-before
	share, runs := l.delays()
	l.stop()
	each := used / time.Duration(runs)
	t.Logf("%d runs in %s: %.1f a second, %.2f %% begun within 100 ms, %s of processor each (a bare process: %s), %.1f %% of one processor",
		runs, took, float64(runs)/took.Seconds(), 100*share, each, bare, 100*used.Seconds()/took.Seconds())
	if soak {
		require.Greater(t, float64(runs), 0.8*float64(plugins)*(took.Seconds()-1), "runs are skipped")
		require.GreaterOrEqual(t, share, bareShare-0.2)
	}
	if soak && bareShare >= 0.999 { // the machine had nothing better to do
		require.GreaterOrEqual(t, share, 0.99, "the 99th percentile is over 100 ms")
	}
	require.Less(t, each, 20*bare)
	for _, record := range l.sink.Records() {
		if record.Problem != nil && record.Problem.Message == "" {
			require.Equal(t, pipeline.StateOK, record.Problem.State)
		}
	}
}
