package integration

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
)

// BenchmarkIdle measures what an agent costs that has nothing to do, and the size of
// its program.
func BenchmarkIdle(b *testing.B) {
	info, err := os.Stat(binary)
	require.NoError(b, err)
	for b.Loop() {
		settings := agent.NewSettings(b)
		settings.Lookback = "boot"
		a := agent.StartReady(b, binary, settings)
		before := cpuTime(b, a.PID())
		const idle = 10 * time.Second
		time.Sleep(idle)
		b.ReportMetric(float64(procStatus(b, a.PID(), "VmRSS"))/1024, "MiB-RSS")
		b.ReportMetric(float64(procStatus(b, a.PID(), "VmHWM"))/1024, "MiB-peak-RSS")
		b.ReportMetric(float64(procStatus(b, a.PID(), "Threads")), "threads")
		b.ReportMetric((cpuTime(b, a.PID())-before).Seconds()/idle.Seconds()*1000, "CPU-ms/s")
		b.ReportMetric(float64(info.Size())/(1<<20), "MiB-binary")
		b.ReportMetric(0, "ns/op")
	}
}

// BenchmarkStart measures the time from exec to /readyz answering 200, having read
// the kernel's log back to the boot.
func BenchmarkStart(b *testing.B) {
	var times []time.Duration
	for b.Loop() {
		settings := agent.NewSettings(b)
		settings.Lookback = "boot"
		started := time.Now()
		a := agent.Start(b, binary, settings)
		for ready := a.Ready(); ready(b.Context()) != nil; time.Sleep(200 * time.Microsecond) {
			require.Less(b, time.Since(started), time.Minute, "not ready")
		}
		times = append(times, time.Since(started))
		a.Signal(b, os.Interrupt)
		require.Zero(b, a.Wait(b, 15*time.Second))
	}
	reportQuantiles(b, times, "ready")
}

// BenchmarkLatency measures the time from a write to /dev/kmsg to the transition on
// the console, and to the answer of /conditions that shows it. The condition is
// asked without pause, over one connection. Each line is an instance of its own, of
// which a rule may have 256.
func BenchmarkLatency(b *testing.B) {
	log := kernellog.Open(b)
	settings := agent.NewSettings(b)
	settings.Conditions = `{Probed: {healthy: {reason: NotProbed, message: not probed}}}`
	settings.Rules = `rules: [{id: probe, pattern: 'otelnpd probe (?P<n>\w+)$', condition: Probed, reason: Probe, message: 'probe {n}', instance: '{n}'}]`
	a := agent.StartReady(b, binary, settings)
	var console, conditions []time.Duration
	for b.Loop() {
		tag := kernellog.Tag()
		started := time.Now()
		log.Write(b, "otelnpd probe "+tag)
		message := "probe " + tag
		for !strings.HasPrefix(a.Conditions(b)["Probed"].Message, message) {
			require.Less(b, time.Since(started), time.Minute, "not in /conditions")
		}
		conditions = append(conditions, time.Since(started))
		told := a.Console.WaitFor(b, tag, func(e agent.Event) bool { return e.Condition == "Probed" && strings.HasPrefix(e.Message, message) })
		console = append(console, told.Seen.Sub(started))
	}
	reportQuantiles(b, conditions, "conditions")
	reportQuantiles(b, console, "console")
}

// BenchmarkBurst measures how a burst at full speed ends: how much of it is seen,
// what it costs, and how soon the next line is told.
func BenchmarkBurst(b *testing.B) {
	log := kernellog.Open(b)
	a := agent.StartReady(b, binary, agent.NewSettings(b))
	var next []time.Duration
	before, lines := cpuTime(b, a.PID()), 0
	for b.Loop() {
		tag := kernellog.Tag()
		require.NoError(b, log.WriteMany(burstLines, func(buffer []byte, i int) []byte {
			return fmt.Appendf(buffer, "otelnpd burst %s line %d of an ordinary length, which no rule matches", tag, i)
		}))
		lines += burstLines
		started := time.Now()
		log.Write(b, "kernel: BUG: unable to handle kernel NULL pointer dereference at "+tag)
		next = append(next, a.Console.WaitFor(b, tag, agent.Problem("KernelOops", tag)).Seen.Sub(started))
	}
	b.ReportMetric(a.Sum(b, acceptedRecords, nil)/float64(lines)*100, "%-accepted")
	b.ReportMetric(float64((cpuTime(b, a.PID())-before).Nanoseconds())/float64(lines), "CPU-ns/line")
	b.ReportMetric(float64(procStatus(b, a.PID(), "VmHWM"))/1024, "MiB-peak-RSS")
	reportQuantiles(b, next, "next-line")
}

func reportQuantiles(b *testing.B, times []time.Duration, name string) {
	b.Helper()
	slices.Sort(times)
	at := func(q float64) float64 {
		return float64(times[min(len(times)-1, int(q*float64(len(times))))].Microseconds()) / 1000
	}
	b.ReportMetric(at(0.5), "p50-ms-"+name)
	b.ReportMetric(at(0.99), "p99-ms-"+name)
	b.ReportMetric(0, "ns/op")
}

// procStatus returns a number of /proc/PID/status: KiB for sizes (proc(5)).
func procStatus(b *testing.B, pid int, key string) int {
	b.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(b, err)
	for line := range strings.Lines(string(content)) {
		if name, value, _ := strings.Cut(line, ":"); name == key {
			number, err := strconv.Atoi(strings.Fields(value)[0])
			require.NoError(b, err)
			return number
		}
	}
	require.FailNow(b, "no "+key)
	return 0
}

// cpuTime returns the processor time of a process: the fields utime and stime of
// /proc/PID/stat, in ticks of which USER_HZ (100 on Linux) make a second (proc(5)).
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(b, err)
	// The name in parentheses may hold spaces; field 3 follows it.
	fields := strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
	var ticks int
	for _, field := range fields[11:13] {
		number, err := strconv.Atoi(field)
		require.NoError(b, err)
		ticks += number
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
