package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/process"
)

// BenchmarkScrape measures, in one run, what scrapes cost an agent without figures of the
// node, on this node, and on one of 512 CPUs and 200 disks; the latter two as multiples
// of the first. Interfaces cannot be made up: the agent sees that they are not the host's.
// BenchmarkScrape of receivers/hoststats has 2,000 of them.
func BenchmarkScrape(b *testing.B) {
	const scrapes = 50
	large := largeNode(b)
	for b.Loop() {
		var cpu [3]float64
		for i, node := range []string{"without", "this", "large"} {
			settings := agent.NewSettings(b)
			if i > 0 {
				settings.Naming = "both"
				settings.Hoststats = "{interval: 1h, cpu: {logical_numbers: true}, network: {enabled: true, exclude: []}}"
			}
			if node == "large" {
				settings.Host = "proc: '" + filepath.Join(large, "proc") + "', sys: '" + filepath.Join(large, "sys") + "'"
			}
			a := agent.Start(b, binary, settings)
			// What the made up node lacks leaves the agent degraded.
			a.WaitReady(b, process.Answers200(http.DefaultClient, "http://"+a.Metrics+"/metrics", nil))
			require.Eventually(b, func() bool {
				return i == 0 || strings.Contains(a.MetricsText(b), "system_cpu_stat{")
			}, patience, tick)
			series, err := a.Scrape(b.Context())
			require.NoError(b, err)
			before, bytes := cpuTime(b, a.PID()), 0
			for range scrapes {
				bytes = len(a.MetricsText(b))
			}
			cpu[i] = (cpuTime(b, a.PID()) - before).Seconds()
			b.ReportMetric(cpu[i]/scrapes*1000, "CPU-ms/scrape-"+node)
			b.ReportMetric(float64(len(series.Values)), "series-"+node)
			b.ReportMetric(float64(bytes)/1024, "KiB/scrape-"+node)
			b.ReportMetric(float64(procStatus(b, a.PID(), "VmRSS"))/1024, "MiB-RSS-"+node)
			a.Signal(b, os.Interrupt)
			require.Zero(b, a.Wait(b, patience))
		}
		b.ReportMetric(cpu[1]/cpu[0], "ratio-this")
		b.ReportMetric(cpu[2]/cpu[0], "ratio-large")
		b.ReportMetric(0, "ns/op")
	}
}

// largeNode makes the files of a large node, as far as they grow with it.
func largeNode(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	write := func(path, text string) {
		require.NoError(b, os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o750))
		require.NoError(b, os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600))
	}
	var stat, disks strings.Builder
	stat.WriteString("cpu  1 2 3 4 5 6 7 8 9 10\n")
	for i := range 512 {
		fmt.Fprintf(&stat, "cpu%d 1 2 3 4 5 6 7 8 9 10\n", i)
	}
	stat.WriteString("intr 1 0\nctxt 2\nbtime 1700000000\nprocesses 3\nprocs_running 1\nprocs_blocked 0\n")
	for i := range 200 {
		fmt.Fprintf(&disks, "8 %d sd%d 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n", i, i)
		write(fmt.Sprintf("sys/block/sd%d/size", i), "1000000\n")
		write(fmt.Sprintf("sys/block/sd%d/dev", i), fmt.Sprintf("8:%d\n", i))
	}
	write("proc/stat", stat.String())
	write("proc/diskstats", disks.String())
	write("proc/loadavg", "1.00 2.00 3.00 1/100 1000\n")
	write("proc/uptime", "1000.00 2000.00\n")
	write("proc/meminfo", "MemTotal: 1000000 kB\nMemFree: 500000 kB\nBuffers: 1000 kB\nCached: 1000 kB\nSlab: 1000 kB\n")
	write("proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n")
	return dir
}
