package integration

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/googlecloud/googlecloudtest"
	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/servers"
	"github.com/otelnpd/otelnpd/pipeline/source/probe/probetest"
)

// All monitors that the image otelnpd-compat ships, and its exporter for Stackdriver, in
// one privileged Pod in its own root file system, by the paths there: first all is well
// and the logs tell problems, then what the plugins ask has some. Plugins are run by the
// image's shell. The containerd, the D-Bus, journald, the kernel's log and iptables are
// real. Servers stand in for the kubelet and docker, and one on the bus for systemd: it
// is not pid 1 here. So do files for /proc/sys/net, whose table of connections is not to
// be filled here, and for /etc/hosts: there is no cluster's DNS. The image has no
// systemctl: whether the clock is set stays unknown. Nor does the Pod see the file systems
// of the node, which is told.
func TestMonitorsInImage(t *testing.T) {
	if os.Geteuid() != 0 {
		require.NotEqual(t, "true", os.Getenv("CI"), "this test needs root in CI")
		t.Skip("a privileged Pod needs root")
	}
	k, log := servers.StartKubernetes(t), kernellog.Open(t)
	m := newImageMonitors(t, k)
	m.image = startImage(t, k, log, npdFiles(t, filepath.Join(m.root, "config")), func(im *image) *agent.Agent { return m.start(t, im) })
	m.check(t)
	m.google.awaitCount(t, "DockerHung", 1)
	m.google.requireGuestMetrics(t, m.agent.MetricsText(t), nil)
	require.Equal(t, "/containers/json", m.docker.Asked().URL.Path)
	require.Zero(t, m.agent.Sum(t, "otelnpd_plugin_failed_runs_total", nil))
	before := m.agent.Conditions(t)
	m.stop(t)
	m.requireTroubles(t, before)
	m.stop(t)
	require.Empty(t, m.google.Refused())
	require.Equal(t, []string{"Bearer a-token"}, m.google.Authorizations())
}

// expectUnwell notes what is to come of plugins that do not say that all is well, which is
// told from the start.
func (im *image) expectUnwell(answers map[string]answer) {
	im.unknown = map[string]string{}
	for _, f := range im.plugins {
		for _, rule := range f.Rules {
			said := answers[filepath.Base(rule.Path)]
			switch {
			case said.code == 0:
			case rule.Condition == "":
				im.events[npdEvent{f.Source, rule.Reason, said.message}] = 1
				im.repeats = append(im.repeats, rule.Reason)
			default:
				im.unknown[rule.Condition] = said.message
				im.events[f.turned(rule.Condition, "Unknown", f.Conditions[0].Reason, said.message).npdEvent] = 1
			}
		}
	}
}

// expectPlugins notes the series of the plugins.
func (im *image) expectPlugins() {
	for _, f := range im.plugins {
		for _, c := range f.Conditions {
			im.series[gaugeOf(npdRule{Reason: c.Reason, Condition: c.Type})] = 0
		}
		for _, rule := range f.Rules {
			im.series[counterOf(rule.Reason)] = 0
			if rule.Condition != "" {
				im.series[gaugeOf(npdRule{Reason: rule.Reason, Condition: rule.Condition})] = 0
			}
		}
	}
	for _, reason := range im.repeats {
		im.series[counterOf(reason)] = 1
	}
}

func (m *imageMonitors) stop(t *testing.T) {
	t.Helper()
	m.agent.Signal(t, syscall.SIGTERM)
	require.Zero(t, m.agent.Wait(t, patience))
}

// counted is the condition that the logs have turned before a count finds it, too, and
// the reason of both.
const counted = "CorruptDockerOverlay2"

// turn is a condition that becomes True by a plugin.
type turn struct{ source, condition, reason, message string }

// turns are those of makeTrouble. The counts count one line of those that the logs have
// told before, too, but for the kernel's: no monitor reads those in the journal.
func turns() []turn {
	return []turn{
		{"health-checker", kubeletUnhealthy, "KubeletUnhealthy", kubeletSick},
		{"health-checker", runtimeUnhealthy, "ContainerdUnhealthy", containerdSick},
		{"kernel-monitor", "FrequentUnregisterNetDevice", "UnregisterNetDevice", found(10, 3)},
		{"systemd-monitor", "FrequentKubeletRestart", "FrequentKubeletRestart", found(11, 5)},
		{"systemd-monitor", "FrequentDockerRestart", "FrequentDockerRestart", found(11, 5)},
		{"systemd-monitor", "FrequentContainerdRestart", "FrequentContainerdRestart", found(11, 5)},
	}
}

// found is what log-counter says.
func found(lines, threshold int) string {
	return fmt.Sprintf("Found %d matching logs, which meets the threshold of %d", lines, threshold)
}

// makeTrouble gives the plugins problems to find, and notes the Events that come of them.
func (m *imageMonitors) makeTrouble(t *testing.T) {
	t.Helper()
	m.kubelet.Be(probetest.Fails)
	m.containerd.Kill(t)
	track(t, m.net, 10)
	require.NoError(t, os.WriteFile(m.hosts, []byte("127.0.0.1 localhost\n"), 0o644))
	writeCounted(m.logs.journal)
	for _, f := range m.files { // it reads them, too
		for range countedTimes {
			for _, line := range countedLines()[f.PluginConfig["source"]] {
				m.expect(t, f, line)
			}
		}
	}
	again := turn{"docker-monitor", counted, counted, found(11, 10)} // of what docker-monitor.json has found
	for _, one := range append(turns(), again) {
		file := pluginFile{Source: one.source}
		m.events[file.turned(one.condition, "True", one.reason, one.message).npdEvent] = 1
	}
	for reason, plugin := range map[string]string{"ConntrackFull": "network_problem.sh", "DNSUnreachable": "dns_problem.sh"} {
		m.events[npdEvent{"network-custom-plugin-monitor", reason, problemMessages[plugin]}] = 1
		m.repeats = append(m.repeats, reason)
	}
}

// requireTroubles starts the Pod again where the plugins find problems, and requires what
// is to come of them. What was told before stays as it is.
func (m *imageMonitors) requireTroubles(t *testing.T, before map[string]agent.Condition) {
	t.Helper()
	m.makeTrouble(t)
	m.agent = m.run(t)
	for _, one := range turns() {
		seen := m.watch.WaitFor(t, one.condition+" True "+one.reason, 0, servers.Is(one.condition, "True", one.reason))
		require.Equal(t, one.message, seen.Condition(one.condition).Message)
	}
	m.requireRepaired(t)
	m.requireEvents(t)
	now := m.agent.Conditions(t)
	both := before[counted]
	both.Message = found(11, 10) + " (and 1 more)"
	before[counted] = both
	for name, condition := range before {
		if condition.Status != "False" {
			require.Equal(t, condition, now[name])
		}
	}
	m.requireTroubleMeasured(t)
}

// requireRepaired requires that the kubelet was started again by systemd and is well, and
// that containerd was asked for the same, once.
func (m *imageMonitors) requireRepaired(t *testing.T) {
	t.Helper()
	healthy := m.conditions()[kubeletUnhealthy]
	require.Eventually(t, func() bool {
		return servers.Is(kubeletUnhealthy, "False", healthy.Reason)(m.watch.Last())
	}, time.Minute, tick)
	file := pluginFile{Source: "health-checker"}
	m.events[file.turned(kubeletUnhealthy, "False", healthy.Reason, healthy.Message).npdEvent] = 1
	require.ElementsMatch(t, []probetest.Kill{
		{Unit: "kubelet.service", Whom: "main", Signal: syscall.SIGTERM}, {Unit: "containerd.service", Whom: "main", Signal: syscall.SIGTERM},
	}, m.systemd.Kills())
}

// requireTroubleMeasured requires the problems in what is scraped and in Cloud Monitoring.
func (m *imageMonitors) requireTroubleMeasured(t *testing.T) {
	t.Helper()
	for _, one := range turns() {
		labels, want := map[string]string{"type": one.condition, "reason": one.reason}, 1.0
		if one.condition == kubeletUnhealthy {
			want = 0 // it is well again
		}
		require.InDelta(t, want, m.agent.Sum(t, "problem_gauge", labels), 0, "%v", labels)
		require.InDelta(t, 1, m.agent.Sum(t, "problem_counter", map[string]string{"reason": one.reason}), 0, one.reason)
		labels["instance_name"] = "gke-a-pool-1"
		require.Eventually(t, func() bool {
			last, written := m.google.last("compute.googleapis.com/guest/system/problem_state", labels)
			return written && last == want
		}, patience, tick, "%v", labels)
	}
	m.google.awaitCount(t, "ConntrackFull", 1)
	m.google.awaitCount(t, "DNSUnreachable", 1)
}

// last is what was written last of a series.
func (g *google) last(metricType string, labels map[string]string) (value float64, written bool) {
	for _, one := range g.of(metricType) {
		if maps.Equal(one.GetMetric().GetLabels(), labels) {
			value, written = googlecloudtest.Number(one.GetPoints()[0]), true
		}
	}
	return value, written
}
