package checks

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

func TestLimit(t *testing.T) {
	const problem, ok, between = "problem", "ok", "between"
	for _, c := range []struct {
		limit       Limit
		least, most float64
		want        string
	}{
		{Limit{Enter: 90, Leave: 80}, 90, 0, problem},
		{Limit{Enter: 90, Leave: 80}, 89.9, 0, between},
		{Limit{Enter: 90, Leave: 80}, 80, 0, between},
		{Limit{Enter: 90, Leave: 80}, 79.9, 0, ok},
		{Limit{Enter: 90}, 89.9, 0, ok},
		{Limit{Enter: 90}, 90, 0, problem},
		{Limit{Enter: 90, Leave: 80}, 10, 85, between}, // it may be as high as that
		{Limit{Enter: 90, Leave: 80}, 10, 500, between},
		{Limit{Enter: 90, Leave: 80}, 10, 79, ok},
		{Limit{Enter: 90, Leave: 80}, 95, 500, problem},
	} {
		state, isBetween := c.limit.judge(c.least, c.most)
		got := state.String()
		if isBetween {
			require.NotEqual(t, pipeline.StateProblem, state)
			got = between
		}
		require.Equal(t, c.want, got, "%+v", c)
	}
}

func TestDecimal(t *testing.T) {
	for number, want := range map[float64]string{
		0: "0", 0.04: "0", 0.05: "0.1", 7: "7", 999: "999", 1000: "1,000", 31200.5: "31,200.5", 1234567: "1,234,567",
		99.96: "100", -5: "-5", -1234.5: "-1,234.5",
	} {
		require.Equal(t, want, decimal(number))
	}
}

// A limit is told as it was configured: 0.01 is not 0.
func TestTextOfALimit(t *testing.T) {
	for limit, want := range map[float64]string{0.01: "0.01 %", 0.3: "0.3 %", 97.25: "97.25 %", 90: "90 %"} {
		require.Equal(t, want, percent.text(limit))
	}
}
