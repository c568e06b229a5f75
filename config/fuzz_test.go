package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// FuzzParse proves that no file panics, that what is wrong is told as faults of
// that file, and that a configuration without fault can be wired.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	require.NoError(f, err)
	for _, file := range append(files, "testdata/full.yaml", "default.yaml") {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add([]byte(minimal))
	f.Fuzz(func(t *testing.T, data []byte) {
		parsed, err := config.Parse(data, "c.yaml", defaultFactories())
		if err != nil {
			var errs strictyaml.Errors
			require.ErrorAs(t, err, &errs)
			require.NotEmpty(t, errs)
			require.Nil(t, parsed)
			return
		}
		require.NoError(t, parsed.Service.Validate())
		require.NotEmpty(t, parsed.Graph.Pipelines)
		for _, p := range parsed.Graph.Pipelines {
			requireWired(t, p.Receivers, parsed.Graph.Receivers)
			requireWired(t, p.Exporters, parsed.Graph.Exporters)
			for _, id := range p.Processors {
				require.Contains(t, parsed.Graph.Processors, id)
			}
		}
		for _, rule := range parsed.Conditions.Rules {
			if rule.Condition != "" {
				require.True(t, declares(parsed, rule.Condition), rule.Condition)
			}
		}
	})
}

func requireWired(t *testing.T, ids []pipeline.ID, configs map[pipeline.ID]pipeline.Config) {
	t.Helper()
	require.NotEmpty(t, ids)
	for _, id := range ids {
		require.Contains(t, configs, id)
	}
}

func declares(parsed *config.Config, conditionType string) bool {
	for _, one := range parsed.Conditions.Types {
		if one.Name == conditionType {
			return true
		}
	}
	return false
}

func BenchmarkParseDefault(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := config.Parse(config.Default(), "default.yaml", defaultFactories()); err != nil {
			b.Fatal(err)
		}
	}
}

// A thousand rules with a condition each, a quarter of them at fault or not.
func BenchmarkParseThousandRules(b *testing.B) {
	for name, typo := range map[string]string{"valid": "", "invalid": "zebra: 1, "} {
		text := thousandRules(typo)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := config.Parse(text, "c.yaml", factories()); (err == nil) != (typo == "") {
					b.Fatal(err)
				}
			}
		})
	}
}

func thousandRules(typo string) []byte {
	var conditions, rules strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&conditions, "  Condition%d: {healthy: {reason: Fine, message: all is well}}\n", i)
		fmt.Fprintf(&rules, "      - {%sid: rule-%d, pattern: 'nvme (?P<dev>nvme\\d+): problem %d$', condition: Condition%d, clear: {by: ttl, ttl: 5m}}\n", typo, i, i, i)
	}
	return []byte("conditions:\n" + conditions.String() + "processors:\n  rules:\n    rules:\n" + rules.String() + minimal)
}
