package hoststats

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

func TestDefaultConfig(t *testing.T) {
	config := DefaultConfig()
	require.NoError(t, config.Validate())
	require.Empty(t, config.Warnings())
	require.Len(t, config.npdMetrics(), 43)
	require.Len(t, config.semconvMetrics(), 36)
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"interval: 500ms is out of bounds: write a time from 1s to 24h, for example 60s":                  func(c *Config) { c.Interval = time.Second / 2 },
		"cpu.max_cpus: 0 is out of bounds: write a number from 1 to 2000":                                 func(c *Config) { c.CPU.MaxCPUs = 0 },
		"disk.max_devices: 5001 is out of bounds: write a number from 1 to 5000":                          func(c *Config) { c.Disk.MaxDevices = 5001 },
		"filesystem.max_mounts: -1 is out of bounds: write a number from 1 to 5000":                       func(c *Config) { c.Filesystem.MaxMounts = -1 },
		"network.max_interfaces: 10001 is out of bounds: write a number from 1 to 10000":                  func(c *Config) { c.Network.MaxInterfaces = 10001 },
		`disk.devices[1]: "all" is unknown: write one of whole, mounted`:                                  func(c *Config) { c.Disk.Devices = []DeviceKind{"whole", "all"} },
		"disk.include[0]: is empty: write a name, for example eth*, or take it out":                       func(c *Config) { c.Disk.Include = []string{""} },
		"filesystem.include[0]: is empty: write a name, for example eth*, or take it out":                 func(c *Config) { c.Filesystem.Include = []string{"~"} },
		`npd.metrics[0]: "cpu/load_1" is no metric of node-problem-detector: did you mean "cpu/load_1m"?`: func(c *Config) { c.NPD.Metrics = []string{"cpu/load_1"} },
		`npd.metrics[1]: "cpu/load_1m" is listed twice`:                                                   func(c *Config) { c.NPD.Metrics = []string{"cpu/load_1m", "cpu/load_1m"} },
		`npd.names.cpu/load_1m: "1 m" is no name of a metric: write a letter, then letters, digits and '_', '.', '/', '-', at most 255`: func(c *Config) {
			c.NPD.Names = map[string]string{"cpu/load_1m": "1 m"}
		},
		`npd.names.cpu/load_1m: "problem/counter" is the name of another metric: write a name of its own`: func(c *Config) {
			c.NPD.Names = map[string]string{"cpu/load_1m": "problem/counter"}
		},
		`npd.names.cpu/load_1m: "system/uptime_seconds" is the name of another metric: write a name of its own`: func(c *Config) {
			c.NPD.Names = map[string]string{"cpu/load_1m": "system/uptime_seconds"}
		},
		`npd.names.cpu/load_1m: "otelnpd.x" is like a metric of the agent itself: write a name that does not begin with otelnpd_`: func(c *Config) {
			c.NPD.Names = map[string]string{"cpu/load_1m": "otelnpd.x"}
		},
		`npd.names: cpu/load_1m and cpu/load_5m would both be "cpu/load_5m": write another name for one`: func(c *Config) {
			c.NPD.Names = map[string]string{"cpu/load_1m": "cpu_load_5m"}
		},
	} {
		config := DefaultConfig()
		change(config)
		require.EqualError(t, config.Validate(), want)
	}
	config := DefaultConfig()
	config.Network.Exclude = []string{"lo", "~("}
	require.ErrorContains(t, config.Validate(), `network.exclude[1]: "~(" is no regular expression: `)
	config = DefaultConfig()
	config.NPD.Names = map[string]string{"cpu/load_1m": "cpu/load_5m", "cpu/load_5m": "cpu/load_1m"}
	require.NoError(t, config.Validate(), "they take each other's names")
}

func TestNames(t *testing.T) {
	s := Selection{Include: []string{"eth*", "~^bond[0-9]$", "/var/*", "a.?"}, Exclude: []string{"eth9", "~x"}}
	require.NoError(t, s.validate())
	chosen, err := s.selector()
	require.NoError(t, err)
	for name, want := range map[string]bool{
		"eth0": true, "eth": true, "xeth0": false, "eth9": false, "eth9a": true, "ethx": false, "bond1": true, "bond10": false,
		"/var/lib/kubelet": true, "/var": false, "a.b": true, "acb": false, "": false,
	} {
		require.Equal(t, want, chosen.wants(name), name)
	}
}

// Two receivers cannot tell one metric, whatever each calls it.
func TestClaims(t *testing.T) {
	loads, disks := DefaultConfig(), DefaultConfig()
	*loads = Config{CPU: CPUConfig{Enabled: true}, NPD: NPDConfig{Metrics: []string{"cpu/load_1m"}, Names: map[string]string{"cpu/load_1m": "node/load"}}}
	*disks = Config{CPU: CPUConfig{Enabled: true}, Disk: DiskConfig{Enabled: true}, NPD: NPDConfig{Metrics: []string{"disk/io_time"}}}
	require.Equal(t, []string{"the metric node_load"}, loads.Claims(pipeline.NamingNPD))
	require.Equal(t, []string{"the metric disk_io_time"}, disks.Claims(pipeline.NamingNPD))
	require.Equal(t, []string{"the metrics of the group cpu"}, loads.Claims(pipeline.NamingSemConv))
	require.Equal(t, []string{"the metric disk_io_time", "the metrics of the group cpu", "the metrics of the group disk"}, disks.Claims(pipeline.NamingBoth))
}

func TestWarnings(t *testing.T) {
	config := DefaultConfig()
	config.NPD.Metrics, config.NPD.Names = []string{"cpu/load_5m"}, map[string]string{"cpu/load_1m": "x"}
	require.Len(t, config.Warnings(), 1)
	require.EqualError(t, config.Warnings()[0], "npd.names.cpu/load_1m: is not listed under npd.metrics, so that it has no effect: list it there, or take it out")
}

func TestRelativeTo(t *testing.T) {
	config := DefaultConfig()
	config.RelativeTo("/etc/otelnpd")
	require.Empty(t, config.OSFeatures.KnownModules)
	config.OSFeatures.KnownModules = "known.json"
	config.RelativeTo("/etc/otelnpd")
	require.Equal(t, "/etc/otelnpd/known.json", config.OSFeatures.KnownModules)
}
