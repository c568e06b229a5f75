package faultpoint

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPlan(t *testing.T) {
	for plan, want := range map[string][]fault{
		"":                      nil,
		"state.rename":          {{"state.rename", 1, 0}},
		"state.rename:3":        {{"state.rename", 3, 0}},
		"a=stall:1m30s":         {{"a", 1, 90 * time.Second}},
		"a:2=stall:10ms,b,a:17": {{"a", 2, 10 * time.Millisecond}, {"b", 1, 0}, {"a", 17, 0}},
	} {
		got, err := parse(plan)
		require.NoError(t, err, plan)
		require.Equal(t, want, got, plan)
	}
}

func TestPlanThatCannotBeRead(t *testing.T) {
	for plan, want := range map[string]string{
		",":             `"" in OTELNPD_FAULTPOINT=",": a point's name is missing`,
		":3":            "a point's name is missing",
		"=stall:1s":     "a point's name is missing",
		"a:0":           `"0" is no count: write 1 or more`,
		"a:x":           `"x" is no count`,
		"a:":            `"" is no count`,
		"a,b:-1":        `"b:-1" in OTELNPD_FAULTPOINT="a,b:-1": "-1" is no count`,
		"a=":            `"" is no action: write stall:DURATION, or nothing to kill`,
		"a=panic":       `"panic" is no action`,
		"a=stall:":      `"" is no duration: write one like 10s`,
		"a=stall:1":     `"1" is no duration`,
		"a=stall:-1s":   `"-1s" is no duration`,
		"a=stall:0s":    `"0s" is no duration`,
		"a=stall:1s,b:": `"b:" in`,
	} {
		_, err := parse(plan)
		require.ErrorContains(t, err, want, plan)
	}
}
