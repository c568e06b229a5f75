package npd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelnpd/otelnpd/config/npd"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/receivers/plugin"
)

// npdCondition is node-problem-detector's way of keeping the condition of one permanent
// plugin, as plainly as can be.
type npdCondition struct {
	status, reason, message string
	updates                 bool // enable_message_change_based_condition_update
}

func (c *npdCondition) run(exit int, output string) {
	status := map[int]string{0: "False", 1: "True"}[exit]
	if status == "" {
		status = "Unknown"
	}
	switch {
	case status != c.status && status == "True", status == c.status && status == "True" && c.updates:
		c.reason, c.message = "Broken", output
	case status == c.status:
		return
	case status == "False":
		c.reason, c.message = "Well", "all is well"
	default:
		c.reason, c.message = "Well", output
	}
	c.status = status
}

// verdictOf is what receivers/plugin makes of a run that exits so.
func verdictOf(config *plugin.Config, exit int, output string, start time.Duration) pipeline.Record {
	one := &config.Checks[0]
	problem := &pipeline.Problem{
		UID: pipeline.UID{byte(start / time.Second), byte(start / time.Second >> 8)}, Rule: one.ID, Condition: one.Condition, Reason: one.Reason,
		Message: output, Count: 1, Verdict: &pipeline.Verdict{Boot: pipelinetest.BootID, Start: start},
	}
	switch exit {
	case 0:
		problem.State = pipeline.StateOK
	case 1:
		problem.State = pipeline.StateProblem
	default:
		problem.Reason = one.UnknownReason
	}
	return pipeline.Record{
		EventName: pipeline.EventProblem, Receiver: "plugin/s", Problem: problem, Time: time.Unix(0, 0).Add(start),
		Boot: pipeline.BootTime{ID: pipelinetest.BootID, At: start + time.Second},
	}
}

// A condition goes the way that it goes with node-problem-detector, whatever its plugin
// says.
func TestVerdictsAsNodeProblemDetector(t *testing.T) {
	for _, updates := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "a.json")
		require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `{"plugin": "custom", "source": "s",
"pluginConfig": {"enable_message_change_based_condition_update": %v}, "conditions": [{"type": "T", "reason": "Well", "message": "all is well"}],
"rules": [{"type": "permanent", "condition": "T", "reason": "Broken", "path": "/bin/sh"}]}`, updates), 0o600))
		parsed, _ := requireParses(t, parseArguments(t, pluginFlag+path), npd.ForRunning)
		config, ok := parsed.Graph.Receivers[pipeline.ID{Type: "plugin", Name: "s"}].(*plugin.Config)
		require.True(t, ok)
		rapid.Check(t, func(rt *rapid.T) {
			clock := pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(1e9, 0), Boot: time.Hour})
			store := condition.NewStore(condition.Options{Clock: clock, Boot: pipeline.Boot{ID: pipelinetest.BootID}, Node: "node-1", Logger: pipelinetest.Settings(t, "plugin").Logger})
			require.NoError(rt, store.Configure(&parsed.Conditions))
			reference := npdCondition{status: "False", reason: "Well", message: "all is well", updates: updates}
			for range rapid.IntRange(1, 20).Draw(rt, "runs") {
				clock.Advance(2 * time.Minute)
				exit, output := rapid.IntRange(0, 3).Draw(rt, "exit"), rapid.SampledFrom([]string{"a", "b", ""}).Draw(rt, "output")
				reference.run(exit, output)
				record := verdictOf(config, exit, output, clock.Now().Boot)
				_, err := store.Apply(t.Context(), &record)
				require.NoError(rt, err)
				got := store.Conditions()[0]
				shown := npdCondition{string(got.Status), got.Reason, got.Message, updates}
				require.Equal(rt, reference, shown)
			}
		})
	}
}
