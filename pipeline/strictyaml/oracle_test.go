package strictyaml_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	yaml "go.yaml.in/yaml/v4"
	"pgregory.net/rapid"

	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// Whatever the YAML library writes is read as it was, in every style it writes.
func TestReadsWhatTheLibraryWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawOuter(t)
		text, err := yaml.Dump(want, yaml.WithIndent(rapid.IntRange(2, 8).Draw(t, "indent")),
			yaml.WithLineWidth(rapid.SampledFrom([]int{20, 80, -1}).Draw(t, "width")),
			yaml.WithUnicode(rapid.Bool().Draw(t, "unicode")),
			yaml.WithFlowSimpleCollections(rapid.Bool().Draw(t, "flow")))
		require.NoError(t, err)
		var got outer
		_, err = strictyaml.Decode(text, "x.yaml", &got)
		require.NoError(t, err, "%s", text)
		require.Equal(t, want, got, "%s", text)
	})
}

func drawOuter(t *rapid.T) outer {
	return outer{
		Inner:  drawInner(t),
		Items:  []inner{drawInner(t), drawInner(t)},
		Labels: map[string]string{"a": drawText(t), drawText(t) + "k": "b"},
		Ratio:  rapid.Float64().Filter(func(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) }).Draw(t, "ratio"),
		Port:   rapid.Uint16().Draw(t, "port"),
		Ptr:    &inner{Count: rapid.Int().Draw(t, "count"), List: []string{}},
	}
}

func drawInner(t *rapid.T) inner {
	return inner{
		Name:     drawText(t),
		Lookback: time.Duration(rapid.Int64().Draw(t, "lookback")),
		Count:    rapid.Int().Draw(t, "count"),
		On:       rapid.Bool().Draw(t, "on"),
		List:     []string{drawText(t), drawText(t)},
	}
}

// drawText draws text that YAML might take for something else.
func drawText(t *rapid.T) string {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"", "null", "~", "true", "yes", "010", "1e3", "0x1", ".inf", "<<", "- a", "a: b", "#c", "*a", "&a", "!x", "'", `"`, "a\nb\n", " a ", "${env:A}"}),
		rapid.StringMatching(`[ -~\n\t]{0,30}`),
		rapid.StringMatching(`[a-zäöü€😀:#{}\[\],&*!|>'"%@]{0,12}`),
	).Draw(t, "text")
}
