package check

import (
	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Finding is what one run of a check says of one thing.
type Finding struct {
	// Rule is the id of the rule that judges it; empty: the check's first one.
	Rule string
	// Instance is the part of the node that it is about (a mount, a device); empty: the
	// node as a whole. What is longer than 253 bytes is cut and ends in a digest.
	Instance string
	// State is problem, ok or unknown.
	State pipeline.State
	// Between tells that the figure lies between the limit at which a problem begins and
	// the one at which it ends: what holds goes on, whatever State says.
	Between bool
	// Reason in place of the rule's own; empty: the rule's.
	Reason string
	// Severity in place of the rule's own; 0: the rule's.
	Severity log.Severity
	// Message is for people: the figure, the limit, the top offenders. It is cut at
	// [condition.MaxMessageBytes].
	Message string
}

// Report is what one run of a check found.
//
// A rule that no finding names has not been answered: it gets an unknown verdict,
// unless the report is complete. If two findings are about the same instance of a
// rule, the worse one counts: problem before unknown before ok.
type Report struct {
	Findings []Finding
	// Complete tells that the findings name all instances that there are: a problem of
	// one that is not among them is over, since the thing itself is gone (an unmounted
	// file system). It is set only where the list was read whole. Each rule of the check
	// gets an ok of the node as a whole that says so, unless a finding says otherwise of
	// that.
	Complete bool
	// Degraded says what keeps the check from seeing all; nil: nothing does.
	Degraded *Degraded
}

// Degraded is why a check cannot see what it should: a mount, a capability or a
// socket is missing. Its component shows it until a later run does not report it.
type Degraded struct {
	// Reason says in words what is missing.
	Reason string
	// Remedy says what the operator can do about it.
	Remedy string
}
