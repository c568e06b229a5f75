package integration

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// BenchmarkKubernetesLatency measures the time from a write to /dev/kmsg to a watch
// that shows the condition, where nothing was patched in the second before: the agent
// patches at most once a second. There is no proxy between.
func BenchmarkKubernetesLatency(b *testing.B) {
	r := benchmarkRig(b)
	r.start(b)
	r.waitCondition(b, "False", noDeadlock)
	var times []time.Duration
	for b.Loop() {
		time.Sleep(1200 * time.Millisecond)
		task := kernellog.Tag()
		before, started := len(r.watch.Seen(b)), time.Now()
		r.hang(b, task)
		seen := r.watch.WaitFor(b, task, before, func(seen servers.NodeSeen) bool {
			return strings.Contains(seen.Condition(deadlock).Message, task)
		})
		times = append(times, seen.At.Sub(started))
		before = len(r.watch.Seen(b))
		r.clear(b)
		r.watch.WaitFor(b, "the clear", before, servers.Is(deadlock, "False", noDeadlock))
	}
	reportQuantiles(b, times, "on-the-Node")
}

// BenchmarkKubernetesIdle measures what an agent costs that has nothing to do, with the
// exporters kubernetes and prometheus.
func BenchmarkKubernetesIdle(b *testing.B) {
	info, err := os.Stat(binary)
	require.NoError(b, err)
	for b.Loop() {
		r := benchmarkRig(b)
		r.settings.Packs = "kernel"
		r.settings.Conditions = ""
		r.settings.Rules = ""
		a := r.start(b)
		r.waitCondition(b, "False", noDeadlock)
		before := cpuTime(b, a.PID())
		const idle = 10 * time.Second
		time.Sleep(idle)
		b.ReportMetric(float64(procStatus(b, a.PID(), "VmRSS"))/1024, "MiB-RSS")
		b.ReportMetric(float64(procStatus(b, a.PID(), "VmHWM"))/1024, "MiB-peak-RSS")
		b.ReportMetric((cpuTime(b, a.PID())-before).Seconds()/idle.Seconds()*1000, "CPU-ms/s")
		b.ReportMetric(float64(info.Size())/(1<<20), "MiB-binary")
		b.ReportMetric(0, "ns/op")
	}
}

func benchmarkRig(b *testing.B) *rig {
	b.Helper()
	s := kubernetesTests{k: servers.StartKubernetes(b), log: kernellog.Open(b)}
	r := s.rigOnNode(b)
	r.settings.Kubernetes = agent.KubernetesKeys(s.k.Kubeconfig(servers.Detector).Write(b))
	return r
}
