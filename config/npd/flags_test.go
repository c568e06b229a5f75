package npd_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config/npd"
)

// defaults are those of node-problem-detector.
func defaults() npd.Options {
	return npd.Options{
		SystemLogMonitors:     []string{"a.json"},
		EnableK8sExporter:     true,
		APIServerWaitTimeout:  5 * time.Minute,
		APIServerWaitInterval: 5 * time.Second,
		HeartbeatPeriod:       5 * time.Minute,
		WriteEvents:           true,
		UpdateNodeConditions:  true,
		KubeAPIQPS:            500,
		KubeAPIBurst:          500,
		Address:               "127.0.0.1",
		Port:                  20256,
		PrometheusAddress:     "127.0.0.1",
		PrometheusPort:        20257,
	}
}

func TestFlags(t *testing.T) {
	const monitor = "--config.system-log-monitor=a.json"
	for name, test := range map[string]struct {
		args []string
		want func(o *npd.Options)
	}{
		"defaults":      {[]string{monitor}, func(*npd.Options) {}},
		"value behind":  {[]string{"--config.system-log-monitor", "a.json"}, func(*npd.Options) {}},
		"several files": {[]string{monitor + ",b.json", "--config.system-log-monitor=c.json"}, func(o *npd.Options) { o.SystemLogMonitors = []string{"a.json", "b.json", "c.json"} }},
		"old spellings": {[]string{"--system-log-monitors=a.json", "--custom-plugin-monitors=b.json"}, func(o *npd.Options) { o.CustomPluginMonitors = []string{"b.json"} }},
		"monitors of other kinds": {[]string{"--config.custom-plugin-monitor=b.json", "--config.system-stats-monitor=c.json"}, func(o *npd.Options) {
			o.SystemLogMonitors, o.CustomPluginMonitors, o.SystemStatsMonitors = nil, []string{"b.json"}, []string{"c.json"}
		}},
		"stackdriver": {[]string{monitor, "--exporter.stackdriver=s.json"}, func(o *npd.Options) { o.StackdriverExporter = "s.json" }},
		"kubernetes off": {[]string{monitor, "--enable-k8s-exporter=false", "--apiserver-override=:", "--event-namespace=A B"}, func(o *npd.Options) {
			o.EnableK8sExporter, o.APIServerOverride, o.EventNamespace = false, ":", "A B"
		}},
		"kubernetes": {[]string{
			monitor, "--enable-k8s-exporter", "--apiserver-override=https://10.0.0.1:6443", "--apiserver-wait-timeout=1m",
			"--apiserver-wait-interval=1s", "--k8s-exporter-heartbeat-period=30s", "--k8s-exporter-write-events=false",
			"--k8s-exporter-update-node-conditions=f", "--event-namespace=kube-system", "--kube-api-qps=0.5", "--kube-api-burst=0x10", "--hostname-override=node-1",
		}, func(o *npd.Options) {
			o.APIServerOverride, o.APIServerWaitTimeout, o.APIServerWaitInterval = "https://10.0.0.1:6443", time.Minute, time.Second
			o.HeartbeatPeriod, o.WriteEvents, o.UpdateNodeConditions = 30*time.Second, false, false
			o.EventNamespace, o.KubeAPIQPS, o.KubeAPIBurst, o.HostnameOverride = "kube-system", 0.5, 16, "node-1"
		}},
		"servers": {[]string{monitor, "--address=::1", "--port=0", "--prometheus-address=[::]", "--prometheus-port", "-1"}, func(o *npd.Options) {
			o.Address, o.Port, o.PrometheusAddress, o.PrometheusPort = "::1", 0, "[::]", -1
		}},
		"klog": {[]string{
			monitor, "-v=3", "-v", "4", "-v5", "--v=6", "--vmodule=a=1", "--logtostderr", "--logtostderr=false", "--alsologtostderr",
			"--stderrthreshold=2", "--log_dir=/x", "--log_file=/x", "--log_file_max_size=1", "--one_output", "--skip_headers",
			"--skip_log_headers", "--add_dir_header", "--log_backtrace_at=a.go:1", "--alsologtostderrthreshold=1", "--legacy_stderr_threshold_behavior",
		}, func(*npd.Options) {}},
		"arguments":       {[]string{"x", monitor, "-", "--", "--port=1"}, func(o *npd.Options) { o.Arguments = []string{"x", "-", "--port=1"} }},
		"version":         {[]string{"--version"}, func(o *npd.Options) { o.Version, o.SystemLogMonitors = true, nil }},
		"the last counts": {[]string{monitor, "--port=1", "--port=2"}, func(o *npd.Options) { o.Port = 2 }},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := npd.Parse(test.args)
			require.NoError(t, err)
			want := defaults()
			test.want(&want)
			require.Empty(t, cmp.Diff(&want, got, cmpopts.IgnoreUnexported(npd.Options{}), cmpopts.EquateEmpty()))
		})
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"-h"}, {"--port=x", "--help"}} {
		_, err := npd.Parse(args)
		require.ErrorIs(t, err, pflag.ErrHelp, args)
	}
	usage := npd.Flags(&npd.Options{}).FlagUsages()
	require.Contains(t, usage, "--config.system-log-monitor strings")
	require.Contains(t, usage, `address of /metrics (default "127.0.0.1")`)
	require.Contains(t, usage, "tell the Kubernetes API of problems (default true)")
	require.NotContains(t, usage, "logtostderr")
}

func TestWrongFlags(t *testing.T) {
	const monitor = "--config.system-log-monitor=a.json"
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"nothing": {nil, "--config.system-log-monitor: no monitor is configured: write the path of a file, for example --config.system-log-monitor=/config/kernel-monitor.json"},
		"empty list of files": {[]string{"--config.system-log-monitor="}, "--config.system-log-monitor: no monitor is configured: " +
			"write the path of a file, for example --config.system-log-monitor=/config/kernel-monitor.json"},
		"no exporter": {
			[]string{monitor, "--enable-k8s-exporter=false", "--prometheus-port=0"},
			"--enable-k8s-exporter: no exporter is on: leave out --enable-k8s-exporter=false, or --prometheus-port=0",
		},
		"both spellings": {
			[]string{monitor, "--system-log-monitors=b.json"},
			"--system-log-monitors: is the old spelling of --config.system-log-monitor and is set beside it: list all files in --config.system-log-monitor",
		},
		"both spellings of plugins": {
			[]string{"--config.custom-plugin-monitor=a.json", "--custom-plugin-monitors=b.json"},
			"--custom-plugin-monitors: is the old spelling of --config.custom-plugin-monitor and is set beside it: list all files in --config.custom-plugin-monitor",
		},
		"all at once": {
			[]string{"--port=x", "--kube-api-qps=nan", "--enable-k8s-exporter=nah", "--apiserver-wait-timeout=5", "--prot=1", "-q", monitor, "--kube-api-burst"},
			`--port: "x" cannot be read: write a whole number
--kube-api-qps: "nan" cannot be read: write a number
--enable-k8s-exporter: "nah" cannot be read: write true or false
--apiserver-wait-timeout: "5" cannot be read: write a time with its unit, for example 30s
--kube-api-burst: has no value: write --kube-api-burst=VALUE
--prot: is no flag of node-problem-detector: did you mean --port?
-q: is no flag of node-problem-detector: leave it out; --help lists the flags`,
		},
		"bad syntax": {[]string{monitor, "--=x"}, "bad flag syntax: --=x: write --FLAG=VALUE"},
		"bad list": {
			[]string{monitor, `--config.system-log-monitor="a`},
			`--config.system-log-monitor: "\"a" cannot be read: write paths separated by commas`,
		},
		"servers": {
			[]string{monitor, "--port=65536", "--address=a b", "--prometheus-port=70000", "--prometheus-address=http://x"},
			`--port: 65536 is no port: write 1 to 65535, or 0 for off
--address: "a b" is no address: write one like 127.0.0.1, ::1 or 0.0.0.0
--prometheus-port: 70000 is no port: write 1 to 65535, or 0 for off
--prometheus-address: "http://x" is no address: write one like 127.0.0.1, ::1 or 0.0.0.0`,
		},
		"one port for both": {[]string{monitor, "--port=1", "--prometheus-port=1"}, "--prometheus-port: 1 is the port of --port already: write another"},
		"node":              {[]string{monitor, "--hostname-override=a/b"}, `--hostname-override: "a/b" is no node name: write letters, digits, '-', '.' and '_', at most 253`},
		"kubernetes": {
			[]string{monitor, "--apiserver-wait-interval=0s", "--event-namespace=Default", "--kube-api-burst=-1"},
			`--apiserver-wait-interval: 0s is no interval: write a time above 0, for example 5s
--kube-api-burst: -1 lets no request through: write a number above 0, for example 500
--event-namespace: "Default" is no namespace: write lower-case letters, digits and '-', at most 63`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			options, err := npd.Parse(test.args)
			require.EqualError(t, err, test.want)
			require.Nil(t, options)
		})
	}
}
