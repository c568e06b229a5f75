package nodeevents

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"
)

func TestConfig(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"default":         {func(*Config) {}, ""},
		"a namespace":     {func(c *Config) { c.Namespace = "node-events-2" }, ""},
		"smallest":        {func(c *Config) { c.MaxAge = time.Minute; c.PerReason, c.Total = Budget{1, 1}, Budget{1, 1} }, ""},
		"largest":         {func(c *Config) { c.PerReason, c.Total = Budget{10_000, 10_000}, Budget{10_000, 10_000} }, ""},
		"upper case":      {func(c *Config) { c.Namespace = "Default" }, `namespace: "Default" is no namespace: write lower-case letters, digits and dashes, for example kube-system, at most 63 characters`},
		"max_age":         {func(c *Config) { c.MaxAge = time.Minute - 1 }, `max_age: 59.999999999s is too short: write at least 1m0s`},
		"negative":        {func(c *Config) { c.MaxAge = -time.Hour }, `max_age: -1h0m0s is too short: write at least 1m0s`},
		"no tokens":       {func(c *Config) { c.PerReason.Burst = 0 }, `per_reason.burst: 0 is out of bounds: write 1 to 10000`},
		"none come back":  {func(c *Config) { c.PerReason.PerMinute = 0 }, `per_reason.per_minute: 0 is out of bounds: write 1 to 10000`},
		"negative burst":  {func(c *Config) { c.Total.Burst = -1 }, `total.burst: -1 is out of bounds: write 1 to 10000`},
		"too many tokens": {func(c *Config) { c.Total.PerMinute = 10_001 }, `total.per_minute: 10001 is out of bounds: write 1 to 10000`},
		"all at once": {func(c *Config) { *c = Config{Namespace: "-"} }, strings.Join([]string{
			`namespace: "-" is no namespace: write lower-case letters, digits and dashes, for example kube-system, at most 63 characters`,
			`max_age: 0s is too short: write at least 1m0s`,
			`per_reason.burst: 0 is out of bounds: write 1 to 10000`,
			`per_reason.per_minute: 0 is out of bounds: write 1 to 10000`,
			`total.burst: 0 is out of bounds: write 1 to 10000`,
			`total.per_minute: 0 is out of bounds: write 1 to 10000`,
		}, "\n")},
	} {
		t.Run(name, func(t *testing.T) {
			config := DefaultConfig()
			tt.change(&config)
			err := config.Validate()
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.want)
		})
	}
}

func TestDefaultConfig(t *testing.T) {
	require.Equal(t, Config{
		Enabled: true, MaxAge: time.Hour, PerReason: Budget{Burst: 25, PerMinute: 6}, Total: Budget{Burst: 100, PerMinute: 60},
	}, DefaultConfig())
}

// What Kubernetes takes as the name of a namespace, and no more.
func TestNamespaceIsALabel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := DefaultConfig()
		config.Namespace = rapid.OneOf(rapid.StringMatching(`[-a-zA-Z0-9._]{1,70}`), rapid.String()).
			Filter(func(s string) bool { return s != "" }).Draw(t, "namespace")
		require.Equal(t, len(validation.IsDNS1123Label(config.Namespace)) == 0, config.Validate() == nil)
	})
}
