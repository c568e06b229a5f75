package condition

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/otelnpd/otelnpd/pipeline"
)

// inputOf makes an input of a record; nil: the store has nothing to do with it.
// It belongs to the store until the next one.
func (s *Store) inputOf(record *pipeline.Record) Input {
	switch record.EventName {
	case pipeline.EventBacklogEnd:
		from, _ := record.Attribute(pipeline.AttributeBacklogComplete)
		return &BacklogEnd{Receiver: s.names.own(record.Receiver), Complete: from.AsBool()}
	case pipeline.EventProblem:
	default:
		return nil
	}
	if record.Problem == nil {
		return nil
	}
	what := Occurrence{
		Problem: ofText(record.Problem), Order: record.Order(), Receiver: s.names.own(record.Receiver),
		Time: sane(record.Time, s.options.Clock),
	}
	what.Order.Boot.ID = s.names.own(what.Order.Boot.ID)
	what.Order.Place.Scope = s.names.own(what.Order.Place.Scope)
	what.Order.Place.Source = s.names.own(what.Order.Place.Source)
	switch {
	case record.Problem.Verdict != nil:
		return &Verdict{what}
	case record.Problem.State == pipeline.StateOK:
		return &Recovery{what}
	default:
		s.match.Occurrence = what
		return &s.match
	}
}

// ofText returns a problem whose texts are UTF-8: they are kept as JSON, and an
// instance must come back as the same one.
func ofText(p *pipeline.Problem) *pipeline.Problem {
	if utf8.ValidString(p.Instance) && utf8.ValidString(p.Message) {
		return p
	}
	valid := *p
	valid.Instance, valid.Message = text(p.Instance), text(p.Message)
	return &valid
}

// text returns a string with bytes that are no UTF-8 written as \xff, so that two
// instances stay two.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[0])
		} else {
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}

// sane returns a time that can be written down: in the place of one that cannot, the
// clock's.
func sane(t time.Time, clock pipeline.Clock) time.Time {
	if writable(t) {
		return t
	}
	return clock.Now().Wall
}

// writable tells whether RFC 3339 has a text for a time, in any time zone.
func writable(t time.Time) bool { return t.Year() > 0 && t.Year() < 9999 }

// keep returns an input that outlives its batch.
func keep(in Input) Input {
	switch in := in.(type) {
	case *Match:
		return &Match{in.clone()}
	case *Recovery:
		return &Recovery{in.clone()}
	case *Verdict:
		return &Verdict{in.clone()}
	default:
		return in
	}
}

func (o Occurrence) clone() Occurrence {
	problem := *o.Problem
	problem.Verdict = cloneOf(problem.Verdict)
	o.Problem = &problem
	return o
}

// interned are the few names that places have: a batch may take back the memory
// of its own.
type interned map[string]string

func (n *interned) own(name string) string {
	if name == "" {
		return ""
	}
	own, known := (*n)[name]
	if !known {
		const most = 1024
		if len(*n) >= most {
			*n = interned{}
		}
		own = strings.Clone(text(name))
		(*n)[strings.Clone(name)] = own
	}
	return own
}

// logUnknown tells once of each rule that the store does not know.
func (s *Store) logUnknown(rule string) {
	const most = 256
	if s.strange[rule] || len(s.strange) == most {
		return
	}
	s.strange[strings.Clone(rule)] = true
	s.options.Logger.Warn("a problem names a rule that the condition store does not know; it is dropped and counted", "rule", rule)
}
