package console

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// timeLayout is RFC 3339 in milliseconds; times are written in UTC.
const timeLayout = "2006-01-02T15:04:05.000Z"

// The columns' widths. What is longer shifts the rest of its line.
const (
	reasonWidth    = 24
	conditionWidth = 26
	instanceWidth  = 12
)

// indent stands before every line of a message but the first.
const indent = "    "

// SGR codes of ECMA-48.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// textFormat writes records for people, aligned:
//
//	TIME SEVERITY REASON CONDITION[=STATUS] INSTANCE MESSAGE
type textFormat struct{ color bool }

// line makes one line, more if the message has more. A snapshot of a condition
// that is healthy is left out: it tells nothing.
func (f textFormat) line(record *pipeline.Record) []byte {
	if t := record.Transition; t != nil {
		if t.Kind == pipeline.TransitionSnapshot && t.Condition.State == pipeline.StateOK {
			return nil
		}
		return f.row(record, transitionRow(t))
	}
	return f.row(record, problemRow(record.Problem))
}

// row is what is told of a record.
type row struct {
	severity  log.Severity
	state     pipeline.State
	reason    string
	condition string
	instance  string
	message   string
}

func problemRow(p *pipeline.Problem) row {
	r := row{severity: p.Severity, state: p.State, reason: p.Reason, condition: p.Condition, instance: p.Instance, message: p.Message}
	if p.Count > 1 {
		r.message += fmt.Sprintf(" (%d times)", p.Count)
	}
	return r
}

// transitionRow tells of an activation in the words of the cause, as its Event
// does, and of all else in those of the condition.
func transitionRow(t *pipeline.Transition) row {
	c := t.Condition
	r := row{
		severity: t.Severity, state: c.State, reason: c.Reason, message: c.Message,
		condition: c.Type + "=" + string(c.Status),
	}
	// The cause of another kind of transition has ended: what is shown is not its.
	if t.Kind == pipeline.TransitionActivation && t.Cause.Reason != "" {
		r.reason, r.message, r.instance = t.Cause.Reason, t.Cause.Message, t.Cause.Instance
	}
	return r
}

func (f textFormat) row(record *pipeline.Record, r row) []byte {
	var to bytes.Buffer
	f.write(&to, dim, record.Time.UTC().Format(timeLayout), 0)
	f.write(&to, severityColor(r), severityWord(r.severity), 0)
	f.write(&to, bold, r.reason, reasonWidth)
	f.write(&to, stateColor(r.state), orDash(r.condition), conditionWidth)
	f.write(&to, "", orDash(r.instance), instanceWidth)
	lines := strings.Split(strings.TrimRight(r.message, "\r\n"), "\n")
	for i, text := range lines {
		if i > 0 {
			to.WriteString(indent)
		}
		to.Write(terminal.AppendText(nil, strings.TrimSuffix(text, "\r")))
		to.WriteByte('\n')
	}
	return to.Bytes()
}

// write writes a cell and the space behind it. The colour ends before the
// padding, so that what is seen is aligned.
func (f textFormat) write(to *bytes.Buffer, color, cell string, width int) {
	cell = terminal.Text(cell)
	if f.color && color != "" {
		fmt.Fprintf(to, "\x1b[%sm%s\x1b[0m", color, cell)
	} else {
		to.WriteString(cell)
	}
	to.WriteString(strings.Repeat(" ", max(0, width-utf8.RuneCountInString(cell))+1))
}

func severityColor(r row) string {
	switch {
	case r.state == pipeline.StateOK:
		return green
	case r.severity >= log.SeverityError:
		return red
	case r.severity >= log.SeverityWarn:
		return yellow
	default:
		return cyan
	}
}

func stateColor(state pipeline.State) string {
	switch state {
	case pipeline.StateOK:
		return green
	case pipeline.StateProblem:
		return red
	default:
		return yellow
	}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
