package plugin_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml/strictyamltest"
	"github.com/otelnpd/otelnpd/receivers/plugin"
)

func TestConfigIsCommented(t *testing.T) {
	strictyamltest.CheckStruct(t, plugin.Config{})
	strictyamltest.CheckStruct(t, plugin.Check{})
	strictyamltest.CheckStruct(t, plugin.Limits{})
}

func valid() *plugin.Config {
	c := plugin.DefaultConfig()
	c.Checks = []plugin.Check{{ID: "a", Path: "/bin/true", Declaration: check.Declaration{Reason: "Bad", Condition: "X"}}}
	return c
}

func TestValidate(t *testing.T) {
	require.NoError(t, valid().Validate())
	require.NoError(t, plugin.DefaultConfig().Validate())
	require.EqualError(t, plugin.DefaultConfig().Warnings()[0], "checks: is empty: nothing is run")
	for _, test := range []struct {
		set  func(c *plugin.Config)
		want string
	}{
		{func(c *plugin.Config) { c.Interval = time.Millisecond }, "interval: 1ms is out of range: write 100ms to 8784h0m0s"},
		{func(c *plugin.Config) { c.Timeout = 0 }, "timeout: 0s is out of range: write 1ms to 24h0m0s"},
		{func(c *plugin.Config) { c.KillGrace = -1 }, "kill_grace: -1ns is out of range: write 0s to 1m0s"},
		{func(c *plugin.Config) { c.Concurrency = 0 }, "concurrency: 0 is out of range: write 1 to 1000"},
		{func(c *plugin.Config) { c.MaxMessage = 5000 }, "max_message: 5000 is out of range: write 0 to 4096"},
		{func(c *plugin.Config) { c.Compatibility = "x" }, `compatibility: "x" is unknown: write one of npd`},
		{func(c *plugin.Config) { c.Checks[0].ID = "" }, "checks[0].id: is missing: write a name, for example clock-offset"},
		{func(c *plugin.Config) { c.Checks[0].ID = "a b" }, `checks[0].id: "a b" is no id: write letters, digits and any of . _ / # -, at most 200`},
		{func(c *plugin.Config) { c.Checks[0].Path = "" }, "checks[0].path: is missing: write the path of an executable, for example /usr/local/bin/check-clock"},
		{func(c *plugin.Config) { c.Checks[0].Path = "./a" }, `checks[0].path: "./a" is no absolute path: write for example /usr/local/bin/check-clock`},
		{func(c *plugin.Config) { c.Checks[0].Interval = -1 }, "checks[0].interval: -1ns is out of range: write 100ms to 8784h0m0s"},
		{func(c *plugin.Config) { c.Checks[0].Timeout = -1 }, "checks[0].timeout: -1ns is out of range: write 1ms to 24h0m0s"},
		{func(c *plugin.Config) { c.Checks[0].ExitCodes = "x" }, `checks[0].exit_codes: "x" is unknown: write one of npd, nagios`},
		{func(c *plugin.Config) { c.Checks[0].Output = "x" }, `checks[0].output: "x" is unknown: write one of text, json`},
		{func(c *plugin.Config) { c.Checks[0].Nice = 20 }, "checks[0].nice: 20 is out of range: write 0 to 19"},
		{func(c *plugin.Config) { c.Checks[0].User = new(-1) }, "checks[0].user: -1 is out of range: write the number of a user or group, for example 65534"},
		{func(c *plugin.Config) { c.Checks[0].Group = new(1 << 40) }, "checks[0].group: 1099511627776 is out of range: write the number of a user or group, for example 65534"},
		{func(c *plugin.Config) { c.Checks[0].Limits.MemoryMiB = -1 }, "checks[0].limits.memory_mib: -1 is out of range: write 1 to 1073741824"},
		{func(c *plugin.Config) { c.Checks[0].Limits.CPU = 0.001 }, "checks[0].limits.cpu: 0.001 is out of range: write 0.01 to 1024"},
		{func(c *plugin.Config) { c.Checks[0].Limits.PIDs = -1 }, "checks[0].limits.pids: -1 is out of range: write 1 to 4194304"},
		{func(c *plugin.Config) { c.Checks[0].Environment = map[string]string{"A=": ""} }, `checks[0].environment: "A=" is no name of a variable: write letters, digits and _`},
		{func(c *plugin.Config) { c.Checks[0].UnknownReason = "a b" }, `checks[0].unknown_reason: "a b" is no reason: write a CamelCase word, for example DiskIsFailing`},
		{func(c *plugin.Config) { c.Checks[0].Reason = "" }, "checks[0].reason: is missing: write a CamelCase word, for example DiskIsFailing"},
		{func(c *plugin.Config) { c.Checks = append(c.Checks, c.Checks[0]) }, `checks[1].id: "a" is that of checks[0] too: each check has an id of its own`},
	} {
		c := valid()
		test.set(c)
		require.EqualError(t, c.Validate(), test.want)
	}
}

func TestDeclare(t *testing.T) {
	c := valid()
	c.Checks = append(c.Checks, c.Checks[0])
	c.Checks[1].ID, c.Checks[1].Output = "b", "json"
	declared := c.Declare()
	require.Len(t, declared.Rules, 2)
	require.Equal(t, "checks[1]", declared.Rules[1].Path)
	require.Equal(t, "b", declared.Rules[1].ID)
	require.Equal(t, "X", declared.Rules[1].Condition)
	require.True(t, declared.Rules[1].Level)
	require.False(t, declared.Rules[0].HasInstances)
	require.True(t, declared.Rules[1].HasInstances)

	require.True(t, declared.Rules[0].Once)
	asNPD := *c
	asNPD.Compatibility = "npd"
	require.False(t, asNPD.Declare().Rules[0].Once, "a temporary rule makes an Event at each run")

	before := declared.Rules[0].Definition
	c.Checks[0].Args = []string{"-v"}
	require.NotEqual(t, before, c.Declare().Rules[0].Definition, "another command is another check")
}

func TestWarnings(t *testing.T) {
	c := valid()
	require.Empty(t, c.Warnings())
	c.Checks[0].Path = "/nonexistent"
	c.Timeout = time.Minute
	odd := c.Warnings()
	require.Len(t, odd, 2)
	require.EqualError(t, odd[0], `checks[0].path: "/nonexistent" does not exist here: until it can be run its verdict is unknown`)
	require.ErrorContains(t, odd[1], "the timeout of 1m0s is longer than the interval of 30s")
	c.Checks[0].Path = "/etc/passwd"
	require.ErrorContains(t, c.Warnings()[0], "is not executable (chmod +x)")
	c.Checks[0].Path = "/bin/sh -c"
	require.ErrorContains(t, c.Warnings()[0], "does not exist here (write what follows /bin/sh in args)")
	c.Checks[0].Path = "/etc"
	require.ErrorContains(t, c.Warnings()[0], "is a folder")
}

func TestFactory(t *testing.T) {
	_, err := plugin.NewFactory(nil).Create(pipelinetest.Settings(t, "plugin"), nil, nil)
	require.ErrorContains(t, err, "is not for receiver plugin")
	_, err = plugin.NewFactory(nil).Create(pipelinetest.Settings(t, "plugin"), valid(), pipeline.FanOut())
	require.EqualError(t, err, "nobody runs its commands")
}
