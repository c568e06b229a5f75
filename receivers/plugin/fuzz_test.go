package plugin

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

func FuzzParseLine(f *testing.F) {
	f.Add([]byte(`{"status":"problem","reason":"A","message":"b","instance":"c","metrics":{"d":1.5}}`))
	f.Add([]byte(`{"status":"ok","metrics":{"a":1e999}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		one, err := parseLine(text)
		if err != nil {
			require.LessOrEqual(t, len(err.Error()), 2000)
			return
		}
		require.Contains(t, []pipeline.State{pipeline.StateOK, pipeline.StateProblem, pipeline.StateUnknown}, one.finding.State)
		for name, value := range one.metrics {
			require.Regexp(t, metricPattern, name)
			require.False(t, math.IsNaN(value) || math.IsInf(value, 0))
		}
	})
}
