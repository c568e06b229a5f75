package logcounter_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// plugins are the argument lists of a configuration of node-problem-detector, by
// reason. The files are not part of this repository: OTELNPD_SHARED names the directory
// that has them.
func plugins(t *testing.T, name string) map[string][]string {
	t.Helper()
	shared := os.Getenv("OTELNPD_SHARED")
	if shared == "" {
		t.Skip("OTELNPD_SHARED names no folder with sample files")
	}
	text, err := os.ReadFile(filepath.Join(shared, "npd-config", name))
	require.NoError(t, err)
	var file struct {
		Rules []struct {
			Reason string
			Args   []string
		}
	}
	require.NoError(t, json.Unmarshal(text, &file))
	lists := map[string][]string{}
	for _, rule := range file.Rules {
		require.Equal(t, "--log-path=/var/log/journal", rule.Args[1])
		lists[rule.Reason] = rule.Args
	}
	return lists
}

// each writes messages of a source, ten seconds apart, the last one now.
func each(identifier string, messages ...string) (lines []line) {
	for i, message := range messages {
		lines = append(lines, line{time.Duration(len(messages)-1-i) * 10 * time.Second, identifier, message})
	}
	return lines
}

func repeated(n int, messages ...string) (all []string) {
	for range n {
		all = append(all, messages...)
	}
	return all
}

// What node-problem-detector ships does what it is for, over a journal that has what it
// looks for.
func TestShippedConfigurations(t *testing.T) {
	const kubelet = "kubelet.service - kubelet: The Kubernetes Node Agent"
	const docker = "docker.service - Docker Application Container Engine"
	const containerd = "containerd container runtime"
	overlay := "Handler for POST /containers/x/start returned error: readlink /var/lib/docker/overlay2/l: invalid argument"
	for _, c := range []struct {
		file, reason, name string
		lines              []line
		want               int
	}{
		{"kernel-monitor-counter.json", "UnregisterNetDevice", "waits", each("kernel",
			repeated(3, "unregister_netdevice: waiting for eth0 to become free. Usage count = 1", "eth0: up")...), 3},
		{"docker-monitor-counter.json", "CorruptDockerOverlay2", "corrupt", each("dockerd", repeated(10, overlay, "ok")...), 10},
		{"docker-monitor-counter.json", "CorruptDockerOverlay2", "another program", each("containerd", repeated(10, overlay)...), 0},
		{"systemd-monitor-counter.json", "FrequentKubeletRestart", "crashes", each("systemd", repeated(5, "Started "+kubelet+".")...), 5},
		{"systemd-monitor-counter.json", "FrequentKubeletRestart", "old words", each("systemd", repeated(6, "Started Kubernetes kubelet.", "Started cron.")...), 6},
		{"systemd-monitor-counter.json", "FrequentKubeletRestart", "restarted by hand", each("systemd",
			repeated(6, "Stopping "+kubelet+"...", "Stopped "+kubelet+".", "Started "+kubelet+".")...), 0},
		{"systemd-monitor-counter.json", "FrequentDockerRestart", "crashes", each("systemd", repeated(7, "Starting "+docker+"...", "Started "+docker+".")...), 7},
		{"systemd-monitor-counter.json", "FrequentDockerRestart", "another unit", each("systemd", repeated(7, "Starting "+containerd+"...")...), 0},
		{"systemd-monitor-counter.json", "FrequentContainerdRestart", "crashes, and once by hand", each("systemd",
			append(repeated(6, "Starting "+containerd+"..."), "Stopping "+containerd+"...")...), 5},
	} {
		t.Run(c.reason+"/"+strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			args := plugins(t, c.file)[c.reason]
			require.NotEmpty(t, args)
			args[1] = "--log-path=" + journalOf(t, c.lines...)
			requireFound(t, c.want, hostAt(t, now), args...)
		})
	}
}

// The kernel's file works where no journal is written, too.
func TestShippedKernelConfigurationWithoutJournal(t *testing.T) {
	args := plugins(t, "kernel-monitor-counter.json")["UnregisterNetDevice"]
	args[1] = "--log-path=" + t.TempDir()
	host := hostAt(t, now)
	const waits = "unregister_netdevice: waiting for veth1 to become free. Usage count = 12"
	kernelLog(t, host.Kmsg, map[time.Duration]string{2 * time.Minute: waits, time.Minute: waits}, 2*time.Minute, time.Minute)
	requireFound(t, 2, host, args...)
}
