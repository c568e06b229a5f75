package npd_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config/npd"
)

// update writes what is made as what is wanted: go test ./config/npd -update.
var update = flag.Bool("update", false, "write the golden files anew")

// goldenFiles are command lines, by the name of the file that holds what they
// become.
var goldenFiles = map[string]string{
	"kernel":        "--config.system-log-monitor=testdata/kernel.json",
	"several":       "--config.system-log-monitor=testdata/kernel.json,testdata/mounts.json",
	"not_built_in":  "--config.system-log-monitor=testdata/journal.json,testdata/text.json --config.custom-plugin-monitor=testdata/clock.json --config.system-stats-monitor=testdata/stats.json --exporter.stackdriver=testdata/cloud.json",
	"stats":         "--config.system-log-monitor=testdata/kernel.json --config.system-stats-monitor=testdata/stats.json,testdata/stats_net.json",
	"stats_alone":   "--config.system-stats-monitor=testdata/stats.json",
	"stats_unread":  "--config.system-stats-monitor=testdata/stats.json --prometheus-port=0",
	"plugins":       "--config.custom-plugin-monitor=testdata/clock.json,testdata/plugins.json",
	"windows":       "--config.custom-plugin-monitor=testdata/windows.json --config.system-log-monitor=testdata/kernel.json",
	"twice":         "--system-log-monitors=testdata/mounts.json,testdata/mounts.json",
	"no_exporters":  "--config.system-log-monitor=testdata/kernel.json --k8s-exporter-write-events=false --k8s-exporter-update-node-conditions=false --prometheus-port=0 --port=0",
	"all_flags":     "--config.system-log-monitor=testdata/kernel.json --apiserver-override=https://10.0.0.1:6443?inClusterConfig=false&auth=/etc/kubeconfig&insecure=true&useServiceAccount=true --apiserver-wait-timeout=90s --apiserver-wait-interval=1s --k8s-exporter-heartbeat-period=1h --k8s-exporter-update-node-conditions=false --event-namespace=kube-system --kube-api-qps=2.5 --kube-api-burst=7 --hostname-override=node-1 --address=:: --port=1 --prometheus-address=0.0.0.0 --prometheus-port=2",
	"odd_flags":     "--config.system-log-monitor=testdata/kernel.json --k8s-exporter-heartbeat-period=0s --apiserver-wait-interval=1ms --kube-api-qps=0 --kube-api-burst=0 --apiserver-wait-timeout=-1s unexpected",
	"cloud":         "--config.system-log-monitor=testdata/kernel.json --config.system-stats-monitor=testdata/stats_net.json --exporter.stackdriver=testdata/cloud_all.json",
	"cloud_odd":     "--config.system-log-monitor=testdata/kernel.json --exporter.stackdriver=testdata/cloud_odd.json",
	"without_bound": "--config.system-log-monitor=testdata/kernel.json --kube-api-qps=-1",
}

// What is made of command lines, byte by byte: the YAML for running, and behind it
// as comments the warnings. ForPrinting is beside it where it differs.
func TestGolden(t *testing.T) {
	for name, line := range goldenFiles {
		t.Run(name, func(t *testing.T) {
			options := parseArguments(t, strings.Fields(line)...)
			_, running := requireParses(t, options, npd.ForRunning)
			requireGolden(t, name+".yaml", withWarnings(running))
			_, printing := requireParses(t, options, npd.ForPrinting)
			require.Equal(t, running.Warnings, printing.Warnings)
			require.Empty(t, running.NotCarried)
			if string(running.YAML) == string(printing.YAML) {
				require.Empty(t, printing.NotCarried)
				require.NoFileExists(t, filepath.Join("testdata/golden", name+"_printed.yaml"))
				return
			}
			requireGolden(t, name+"_printed.yaml", withWarnings(printing))
		})
	}
	files, err := filepath.Glob("testdata/golden/*.yaml")
	require.NoError(t, err)
	for _, file := range files {
		require.Contains(t, goldenFiles, strings.TrimSuffix(strings.TrimSuffix(filepath.Base(file), ".yaml"), "_printed"), "nothing makes it")
	}
}

func withWarnings(conversion *npd.Conversion) string {
	var out strings.Builder
	out.Write(conversion.YAML)
	for _, one := range conversion.Warnings {
		out.WriteString("# warning: " + one.String() + "\n")
	}
	for _, one := range conversion.NotCarried {
		out.WriteString("# not carried: " + one + "\n")
	}
	return out.String()
}

func requireGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata/golden", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run go test ./config/npd -update and look at what it made")
	require.Equal(t, string(want), got)
}
