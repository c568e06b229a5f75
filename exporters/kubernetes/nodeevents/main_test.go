package nodeevents

import (
	"strconv"
	"testing"
	"time"

	"go.opentelemetry.io/otel/log"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is when tests begin.
var start = pipeline.Instant{Wall: time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC), Boot: time.Hour}

func after(d time.Duration) pipeline.Instant {
	return pipeline.Instant{Wall: start.Wall.Add(d), Boot: start.Boot + d}
}

func uid(n int) pipeline.UID { return pipeline.CauseUID("test", strconv.Itoa(n)) }

// problemRecord is a problem that a rule saw at some time.
func problemRecord(n int, reason, message string, at pipeline.Instant) pipeline.Record {
	return pipeline.Record{Time: at.Wall, EventName: pipeline.EventProblem, Problem: &pipeline.Problem{
		UID: uid(n), Rule: "kernel/" + reason, Reason: reason, Message: message, Severity: log.SeverityWarn,
		Source: "kernel-monitor", State: pipeline.StateProblem, Count: 1,
	}}
}

// transitionRecord is a cause that became active.
func transitionRecord(n int, reason, message string, at pipeline.Instant) pipeline.Record {
	return pipeline.Record{Time: at.Wall, EventName: pipeline.EventTransition, Transition: &pipeline.Transition{
		UID: uid(n), Kind: pipeline.TransitionActivation, MakesEvent: true, Severity: log.SeverityWarn, Source: "kernel-monitor",
		Condition:    pipeline.Condition{Type: "KernelDeadlock", Status: pipeline.ConditionTrue, Reason: "Shown", Message: "shown"},
		Cause:        pipeline.Cause{Rule: "kernel/" + reason, Reason: reason, Message: message},
		EventMessage: "Node condition KernelDeadlock is now: True, reason: " + reason + `, message: "` + message + `"`,
	}}
}
