package strictyaml_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

func TestSuggest(t *testing.T) {
	known := []string{"receivers", "processors", "exporters", "service", "ttl", "by"}
	for written, want := range map[string]string{
		"receviers":      `did you mean "receivers"?`, // two letters swapped
		"receiver":       `did you mean "receivers"?`,
		"Exporters":      `did you mean "exporters"?`,
		"exproters":      `did you mean "exporters"?`,
		"tll":            `did you mean "ttl"?`,
		"bye":            `did you mean "by"?`,
		"zebra":          `write one of by, exporters, processors, receivers, service, ttl`,
		"":               `write one of by, exporters, processors, receivers, service, ttl`,
		long('r', 1_000): `write one of by, exporters, processors, receivers, service, ttl`,
	} {
		require.Equal(t, want, strictyaml.Suggest(written, known), written)
	}
	require.Equal(t, "none exists", strictyaml.Suggest("x", nil))
	require.Equal(t, `did you mean "ab"?`, strictyaml.Suggest("ac", []string{"ab", "ad", long('a', 65)}), "of equally near words the first")
}

func TestNearestFindsEverySingleSlip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z]{3,20}`).Draw(t, "word")
		at := rapid.IntRange(0, len(word)-2).Draw(t, "at")
		slips := []string{
			word[:at] + word[at+1:],
			word[:at] + "_" + word[at:],
			word[:at] + "_" + word[at+1:],
			word[:at] + word[at+1:at+2] + word[at:at+1] + word[at+2:],
		}
		for _, slip := range slips {
			nearest, ok := strictyaml.Nearest(slip, []string{word})
			require.True(t, ok, slip)
			require.Equal(t, word, nearest)
		}
	})
}
