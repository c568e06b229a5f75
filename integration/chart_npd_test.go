package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/servers"
)

// npdMonitors is what the monitors of node-problem-detector's chart (kernel, docker and
// readonly) declare: the conditions with their healthy reasons, and the reasons of
// their rules.
type npdMonitors struct {
	conditions map[string]string
	reasons    []string
}

func knownNPDMonitors() npdMonitors {
	return npdMonitors{
		conditions: map[string]string{
			"KernelDeadlock": "KernelHasNoDeadlock", "XfsShutdown": "XfsHasNotShutDown",
			"CperHardwareErrorFatal": "CperHardwareHasNoFatalError", "ReadonlyFilesystem": "FilesystemIsNotReadOnly",
			"CorruptDockerOverlay2": "NoCorruptDockerOverlay2",
		},
		reasons: []string{"OOMKilling", "KernelOops", "DockerHung", "CorruptDockerImage", "DockerContainerStartupFailure"},
	}
}

// npd runs the preset npd. With the data of OTELNPD_SHARED it is held against all that
// node-problem-detector's files say.
func (s chartTests) npd(t *testing.T) {
	p := s.startPod(t, "node-npd", "--values", chart+"/presets/npd.yaml")
	want := []npdMonitors{knownNPDMonitors()}
	if shared := os.Getenv("OTELNPD_SHARED"); shared != "" {
		for _, monitor := range chartMonitors(t, shared) {
			want = append(want, readMonitor(t, filepath.Join(shared, "npd-config", filepath.Base(monitor))))
		}
	}
	for _, monitor := range want {
		for conditionType, reason := range monitor.conditions {
			p.waitCondition(t, conditionType, "False", reason)
		}
		for _, reason := range monitor.reasons {
			require.Contains(t, p.MetricsText(t), `problem_counter{reason="`+reason+`"`)
		}
	}
	p.requireServed(t, "cpu_usage_time", "cpu_load_1m", "memory_bytes_used", "system_procs_running", "system_os_feature")
	require.NotContains(t, p.MetricsText(t), "\nsystem_cpu_time")
	kmsg, err := os.OpenFile(filepath.Join(p.root, "dev/kmsg"), os.O_RDWR, 0)
	require.NoError(t, err)
	defer kmsg.Close()
	for i, line := range []string{
		"BUG: unable to handle kernel NULL pointer dereference at 0000000000000000",
		"INFO: task docker:20744 blocked for more than 120 seconds.",
	} {
		_, err = fmt.Fprintf(kmsg, "4,%d,%d,-;%s\n", i+1, sinceBoot(t), line)
		require.NoError(t, err)
	}
	p.waitCondition(t, "KernelDeadlock", "True", "DockerHung")
	p.journal(t, "SYSLOG_IDENTIFIER=dockerd", "PRIORITY=3",
		"MESSAGE=Handler for POST /v1.41/containers/create returned error: readlink /var/lib/docker/overlay2/l: invalid argument")
	p.waitCondition(t, "CorruptDockerOverlay2", "True", "CorruptDockerOverlay2")
	s.requireSource(t, "KernelOops", "kernel-monitor")
	s.requireSource(t, "DockerHung", "kernel-monitor")
	s.requireSource(t, "CorruptDockerOverlay2", "docker-monitor")
}

// requireSource waits for an Event of the node and demands the component that it names.
func (s chartTests) requireSource(t *testing.T, reason, component string) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, e := range s.k.Events(t, "default", "node-npd") {
			if e.Reason == reason {
				return e.Source.Component == component
			}
		}
		return false
	}, patience, tick, reason)
}

// chartMonitors are the monitors that node-problem-detector's chart runs.
func chartMonitors(t *testing.T, shared string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shared, "npd-config/chart/values.yaml"))
	require.NoError(t, err)
	list, _ := servers.Object(decode(t, string(text))).At("settings", "log_monitors").([]any)
	require.Len(t, list, 3)
	var names []string
	for _, name := range list {
		names = append(names, name.(string))
	}
	return names
}

func readMonitor(t *testing.T, path string) npdMonitors {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var file struct {
		Conditions []struct{ Type, Reason string }
		Rules      []struct{ Reason string }
	}
	require.NoError(t, json.Unmarshal(data, &file))
	read := npdMonitors{conditions: map[string]string{}}
	for _, c := range file.Conditions {
		read.conditions[c.Type] = c.Reason
	}
	for _, rule := range file.Rules {
		read.reasons = append(read.reasons, rule.Reason)
	}
	return read
}
