package checks

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// measure takes the figures of a check at one moment. It is called by one goroutine
// at a time. The error says that none could be taken.
type measure func(ctx context.Context) (measured, error)

// measured is what one look came to.
type measured struct {
	figures []figure
	// complete tells that figures name every instance that there is: the problem of one
	// that is gone is over.
	complete bool
}

// figure is one figure of one part of the node.
type figure struct {
	// instance is the part; empty: the node as a whole.
	instance string
	// value is in the unit of the check's limits.
	value float64
	// atMost is set where the figure may be higher than value, and up to what.
	atMost float64
	// text tells the figure to people: "31,200 threads of 32,768 (95 %)".
	text string
	// top tells who has the most of it; it is asked only where a limit is reached. nil:
	// nobody knows.
	top func() string
	// err says why this figure could not be taken while others could.
	err error
}

// judge holds figures against limits. err says that there are none.
func (e *entry) judge(limits []judged, m measured, err error) check.Report {
	report := check.Report{Complete: m.complete && err == nil, Degraded: degraded(err)}
	if err != nil {
		report.Findings = unknown(limits, "", err)
		return report
	}
	// The worst first: where there are more than are heard, it is not they that are left out.
	slices.SortStableFunc(m.figures, func(x, y figure) int { return cmp.Compare(y.value, x.value) })
	for i := range m.figures {
		one := &m.figures[i]
		if one.err == nil {
			report.Findings = append(report.Findings, e.findings(limits, one)...)
			continue
		}
		report.Findings = append(report.Findings, unknown(limits, one.instance, one.err)...)
		report.Complete = false // what is not named may only not have been seen
		if report.Degraded == nil {
			report.Degraded = degraded(one.err)
		}
	}
	return report
}

// degraded tells what keeps a check from measuring; nil: nothing does.
func degraded(err error) *check.Degraded {
	if err == nil {
		return nil
	}
	return &check.Degraded{Reason: bounded(err.Error()), Remedy: remedyOf(err)}
}

func (e *entry) findings(limits []judged, one *figure) (list []check.Finding) {
	top, asked := "", false
	for _, l := range limits {
		state, between := l.limit.judge(one.value, one.atMost)
		message := one.text
		if state == pipeline.StateProblem {
			if !asked {
				top, asked = one.offenders(), true
			}
			message += ", limit " + e.unit.text(l.limit.Enter) + top
		}
		list = append(list, check.Finding{Rule: l.rule.ID, Instance: one.instance, State: state, Between: between, Message: bounded(message)})
	}
	return list
}

// reasonUnknown is the reason of what could not be measured.
const reasonUnknown = "NotMeasured"

// unknown says of every limit that nothing can be said.
func unknown(limits []judged, instance string, err error) (list []check.Finding) {
	for _, l := range limits {
		list = append(list, check.Finding{Rule: l.rule.ID, Instance: instance, State: pipeline.StateUnknown, Reason: reasonUnknown, Message: bounded(err.Error())})
	}
	return list
}

// offenders returns who has the most, as the end of a message.
func (f *figure) offenders() string {
	if f.top == nil {
		return ""
	}
	if top := f.top(); top != "" {
		return ": " + top
	}
	return ""
}

// bounded makes a message harmless to show, and short enough.
func bounded(message string) string {
	message = terminal.Text(message)
	if len(message) <= condition.MaxMessageBytes {
		return message
	}
	const more = " …"
	return strings.ToValidUTF8(message[:condition.MaxMessageBytes-len(more)], "") + more
}

// decimal writes a number for people, to one place, with thousands apart: 31,200.5.
func decimal(number float64) string {
	text := strings.TrimSuffix(strconv.FormatFloat(number, 'f', 1, 64), ".0")
	whole, rest, _ := strings.Cut(text, ".")
	if rest != "" {
		rest = "." + rest
	}
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return sign + whole + rest
}

// shareOf makes the figure of a thing of which there is at most so much.
func shareOf(instance string, used, limit uint64, of string) figure {
	value := 0.0
	if limit > 0 {
		value = 100 * float64(used) / float64(limit)
	}
	return figure{
		instance: instance, value: value,
		text: fmt.Sprintf("%s %s of %s (%s %%)", decimal(float64(used)), of, decimal(float64(limit)), decimal(value)),
	}
}
