package metricfilter_test

import (
	"context"
	"errors"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"pgregory.net/rapid"

	"github.com/otelnpd/otelnpd/pipeline/metricfilter"
)

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"system.cpu.time", "system.cpu.time", true},
		{"system.cpu.time", "system.cpu.times", false},
		{"system.cpu.time", "System.CPU.Time", false},
		{"system.cpu.time", "system_cpu_time", false},
		{"system.*", "system.cpu.time", true},
		{"system.*", "system.", true},
		{"system.*", "system", false},
		{"*.time", "system.cpu.time", true},
		{"*.time", ".time", true},
		{"*.time", "system.cpu.times", false},
		{"cpu/*", "cpu/load_1m", true},
		{"*load*", "cpu/load_1m", true},
		{"*", "cpu/load_1m", true},
		{"**", "cpu/load_1m", true},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a*b*c", "abbc", true},
		{"a*b*c", "acb", false},
		{"a*bc*c", "abcbc", true},
		{"*ab", "aab", true},
	} {
		t.Run(c.pattern+" "+strings.ReplaceAll(c.name, "/", "|"), func(t *testing.T) {
			require.Equal(t, c.want, metricfilter.Config{Include: []string{c.pattern}}.Match(c.name))
			require.Equal(t, !c.want, metricfilter.Config{Exclude: []string{c.pattern}}.Match(c.name))
		})
	}
}

// path.Match has the same asterisk for texts without a slash.
func TestPatternsAreThoseOfPathMatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*]{1,8}`).Draw(t, "pattern")
		name := rapid.StringMatching(`[ab]{0,10}`).Draw(t, "name")
		want, err := path.Match(pattern, name)
		if err != nil {
			t.Fatal(err)
		}
		if got := (metricfilter.Config{Include: []string{pattern}}).Match(name); got != want {
			t.Fatalf("%q of %q: %t", pattern, name, got)
		}
	})
}

func TestExcludeGoesBeforeInclude(t *testing.T) {
	c := metricfilter.Config{Include: []string{"system.*", "problem_*"}, Exclude: []string{"*.network.*"}}
	require.True(t, c.Match("system.cpu.time"))
	require.True(t, c.Match("problem_gauge"))
	require.False(t, c.Match("system.network.io"))
	require.False(t, c.Match("otelnpd.problems"))
	require.False(t, c.All())
	require.True(t, metricfilter.Config{}.Match("otelnpd.problems"))
	require.True(t, metricfilter.Config{}.All())
}

func TestAMetricMayBeMeantByEachOfItsNames(t *testing.T) {
	names := []string{"system.cpu.time", "system_cpu_time_seconds_total"}
	require.True(t, metricfilter.Config{Include: []string{"system_cpu_time_seconds_total"}}.Match(names...))
	require.True(t, metricfilter.Config{Include: []string{"system.cpu.time"}}.Match(names...))
	require.False(t, metricfilter.Config{Exclude: []string{"system_*"}}.Match(names...))
	require.False(t, metricfilter.Config{Exclude: []string{"system.*"}}.Match(names...))
}

func TestValidate(t *testing.T) {
	require.NoError(t, metricfilter.Config{Include: []string{"*", "cpu/load_1m", "node:cpu:rate-1m", "a.B_9"}}.Validate())
	require.EqualError(t, metricfilter.Config{Include: []string{"ok", "", "système"}, Exclude: []string{"a b", strings.Repeat("a", 256)}}.Validate(),
		`include[1]: is empty: write the name of a metric, in which * stands for any text
include[2]: "système" has characters that no name of a metric has: write letters, digits, '_', '.', '-', '/' and ':', and * for any text
exclude[0]: "a b" has characters that no name of a metric has: write letters, digits, '_', '.', '-', '/' and ':', and * for any text
exclude[1]: has 256 characters, more than the 255 of the longest name of a metric: shorten it by *`)
}

type produced struct {
	scopes []metricdata.ScopeMetrics
	err    error
}

func (p produced) Produce(context.Context) ([]metricdata.ScopeMetrics, error) { return p.scopes, p.err }

func TestProducer(t *testing.T) {
	scopes := []metricdata.ScopeMetrics{
		{Metrics: []metricdata.Metrics{{Name: "system.cpu.time"}, {Name: "system.network.io"}, {Name: "system.uptime"}}},
		{Metrics: []metricdata.Metrics{{Name: "system.network.errors"}}},
	}
	broken := errors.New("one callback has failed")
	of := produced{scopes: scopes, err: broken}

	passed, err := metricfilter.Config{Exclude: []string{"*network*"}}.Producer(of).Produce(t.Context())
	require.ErrorIs(t, err, broken)
	require.Equal(t, []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{{Name: "system.cpu.time"}, {Name: "system.uptime"}}}}, passed)
	require.Equal(t, "system.network.io", scopes[0].Metrics[1].Name, "what was produced is not changed")

	require.Equal(t, sdkmetric.Producer(of), metricfilter.Config{}.Producer(of), "where all pass there is nothing between")
}
