package pstore

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// ending is what a dump of some reason tells of its boot.
type ending struct {
	rule, reason string
	severity     log.Severity
	words        string
}

// endings by the kernel's reason for a dump.
var endings = map[string]ending{
	reasonPanic:   {"otelnpd/pstore-panic", "EarlierBootPanic", log.SeverityFatal, "ended in a panic"},
	reasonOops:    {"otelnpd/pstore-oops", "EarlierBootOops", log.SeverityError, "had an oops"},
	"Emergency":   {"otelnpd/pstore-emergency", "EarlierBootEmergency", log.SeverityError, "ended in an emergency restart"},
	"Shutdown":    shutdown,
	"Restart":     shutdown,
	"Halt":        shutdown,
	"Poweroff":    shutdown,
	reasonReset:   {"otelnpd/pstore-reset", "EarlierBootReset", log.SeverityError, "ended without a panic and without a shutdown"},
	reasonUnknown: unknownEnding,
}

var (
	shutdown      = ending{"otelnpd/pstore-shutdown", "EarlierBootShutdown", log.SeverityInfo, "was shut down"}
	unknownEnding = ending{"otelnpd/pstore-unknown", "EarlierBootDump", log.SeverityWarn, "left a dump"}
)

func endingOf(reason string) ending {
	if known, ok := endings[reason]; ok {
		return known
	}
	return unknownEnding
}

// knownReason is the reason as a metric counts it: a dump's head is any text.
func knownReason(reason string) string {
	if _, ok := endings[reason]; ok {
		return reason
	}
	return reasonUnknown
}

func (e *ending) declare() condition.Rule {
	return condition.Rule{ID: e.rule, Reason: e.reason, Source: "otelnpd", Severity: e.severity}
}

// Declare brings the rules of the records that tell of dumps. Every pstore receiver
// brings them.
func (*Config) Declare() condition.Declarations {
	var all condition.Declarations
	for _, reason := range []string{reasonPanic, reasonOops, "Emergency", "Shutdown", reasonReset, reasonUnknown} {
		e := endings[reason]
		all.Rules = append(all.Rules, condition.DeclaredRule{Rule: e.declare(), Shared: true})
	}
	return all
}

// problem makes the record that tells of a dump, behind its last line. It is of this
// boot's start: that is when the dump could first be told of, and what the boot before
// came to is told with each boot.
func (r *Receiver) problem(d *dump, lines []line, observed time.Time) pipeline.Record {
	e := endingOf(d.reason())
	place := r.place(d, lines[len(lines)-1].position+1)
	return pipeline.Record{
		Time: r.settings.Boot.Start, ObservedTime: observed, Boot: d.boot,
		Severity: e.severity, EventName: pipeline.EventProblem, Receiver: r.id, Place: place,
		Attributes: &attributes{dump: d},
		Problem: &pipeline.Problem{
			UID:  pipeline.ProblemUID(r.settings.Node, place, e.rule),
			Rule: e.rule, Reason: e.reason, Message: message(d, e.words, lines), Severity: e.severity,
			Source: "otelnpd", State: pipeline.StateProblem, Count: 1,
		},
	}
}

// message says what an earlier boot came to, and its last lines: as many as fit.
func message(d *dump, words string, lines []line) string {
	head := "an earlier boot " + words + " at " + d.crash.UTC().Format(time.RFC3339)
	if text := headline(d.reason(), lines); text != "" {
		head += ": " + text
	}
	left := condition.MaxMessageBytes - len(head) - len("\n…\n")
	var last []string
	for _, l := range slices.Backward(lines) {
		text := cleaned(l.Text)
		if left -= len(text) + 1; left < 0 {
			last = append(last, "…")
			break
		}
		last = append(last, text)
	}
	var out strings.Builder
	out.WriteString(head)
	for _, text := range slices.Backward(last) {
		out.WriteString("\n" + text)
	}
	return out.String()
}

// headlines are what the lines begin with or contain that say what has happened.
var headlines = map[string][]string{
	reasonPanic: {panicText},
	reasonOops:  {"BUG: ", "Oops", "Unable to handle kernel", "general protection fault", "Internal error: "},
}

// maxHeadline is the longest headline in bytes.
const maxHeadline = 256

func headline(reason string, lines []line) string {
	for _, sign := range headlines[reason] {
		for i := range lines {
			text := cleaned(lines[i].Text)
			if strings.Contains(text, sign) && !strings.HasPrefix(text, "---[") {
				return cutAtRune(text, maxHeadline)
			}
		}
	}
	return ""
}

// cleaned makes a line's text fit for a message: it steers no terminal.
func cleaned(text []byte) string {
	return terminal.Text(string(bytes.ReplaceAll(text, []byte{'\t'}, []byte{' '})))
}

func cutAtRune(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// String is what the agent's own log says of a dump.
func (d *dump) String() string {
	return fmt.Sprintf("%s %s of %s", d.kind(), d.reason(), d.crash.UTC().Format(time.RFC3339))
}
