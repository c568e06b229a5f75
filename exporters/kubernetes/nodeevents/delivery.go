package nodeevents

import (
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline"
)

// delivery is one try to write an Event, and what it tells.
type delivery struct {
	event *apiserver.Event
	// One of them is set.
	series  *series
	summary *summary

	pending int64 // of the series, at this try
}

// summary is the Event of a flood on its way.
type summary struct {
	trial

	flood  flood
	event  *apiserver.Event // made at the first try
	tried  bool             // to write it
	logged bool
}

// trial is how the tries of one Event have gone.
type trial struct {
	// forbidden is since when all answers have been that it is; 0: the last was
	// another one. It is on the boot clock.
	forbidden time.Duration
}

func (d *delivery) trial() *trial {
	if d.summary != nil {
		return &d.summary.trial
	}
	return &d.series.trial
}

// verdict is what came of a delivery.
type verdict uint8

const (
	accepted verdict = iota
	again            // to be tried again
	refused          // for ever
)

// next takes what is to be written now. Where that is nothing, wait is when to ask
// again; 0: not before there is news. A last round pays no heed to budgets and
// pace.
func (l *ledger) next(now pipeline.Instant, last bool) (d *delivery, wait time.Duration) {
	if l.nodeUID == "" {
		return nil, 0
	}
	d, untilSummary := l.nextSummary(now, last)
	if d != nil {
		return d, 0
	}
	if wait := l.untilPace(now, last); wait > 0 {
		return nil, sooner(wait, untilSummary)
	}
	at, untilTokens := l.firstPaid(now, last)
	if at < 0 {
		return nil, sooner(untilTokens, untilSummary)
	}
	s := l.queue[at]
	l.queue = slices.Delete(l.queue, at, at+1)
	l.pace.AllowN(onClock(now.Boot), 1)
	s.stage, l.taken = taken, s
	return &delivery{series: s, event: l.writer.series(s, l.nodeUID), pending: s.Pending}, 0
}

// nextSummary takes the summary that is on its way or due. Its first try is
// outside the pace.
func (l *ledger) nextSummary(now pipeline.Instant, last bool) (d *delivery, wait time.Duration) {
	if l.summary == nil {
		if l.flood.total() == 0 {
			return nil, 0
		}
		if wait := max(l.flood.due(), l.summed+summaryGap) - now.Boot; wait > 0 && !last {
			return nil, wait
		}
		l.summary = &summary{flood: l.flood}
		l.flood, l.summed, l.hasChanged = flood{}, now.Boot, true
	}
	if l.summary.tried {
		if wait := l.untilPace(now, last); wait > 0 {
			return nil, wait
		}
		l.pace.AllowN(onClock(now.Boot), 1)
	}
	l.summary.tried = true
	if l.summary.event == nil {
		l.summary.event = l.writer.summary(&l.summary.flood, l.nodeUID)
	}
	return &delivery{summary: l.summary, event: l.summary.event}, 0
}

func (l *ledger) untilPace(now pipeline.Instant, last bool) time.Duration {
	if last {
		return 0
	}
	return untilToken(l.pace, now.Boot, 0)
}

// firstPaid finds the first series in the queue that has its tokens or gets them
// now, and else when one may get them.
func (l *ledger) firstPaid(now pipeline.Instant, last bool) (at int, wait time.Duration) {
	for i, s := range l.queue {
		s.Paid = s.Paid || last
		if !s.Paid {
			until := l.budget.wait(now.Boot, s.claim())
			wait = sooner(wait, until)
			s.Paid = until == 0 && l.budget.take(now.Boot, s.claim())
		}
		if s.Paid {
			return i, 0
		}
	}
	return -1, wait
}

// sooner is the smaller of two waits, of which 0 is none.
func sooner(x, y time.Duration) time.Duration {
	if x == 0 || y == 0 {
		return x + y
	}
	return min(x, y)
}

// settle ends a delivery. What came in meanwhile is told by a later one.
func (l *ledger) settle(d *delivery, v verdict) {
	l.taken = nil
	l.hasChanged = l.hasChanged || v != again
	switch {
	case d.summary != nil:
		if v != again {
			l.summary = nil
		}
	case v == again:
		d.series.stage = waiting
		l.queue = slices.Insert(l.queue, 0, d.series)
	default:
		l.close(d, v)
		l.keep(d.series)
	}
}

// close counts the occurrences that a delivery told.
func (l *ledger) close(d *delivery, v verdict) {
	d.series.trial, d.series.Paid = trial{}, false
	d.series.Pending -= d.pending
	l.pending -= d.pending
	if v == refused {
		l.outcomes[failed] += d.pending
		return
	}
	l.outcomes[written]++
	l.outcomes[folded] += d.pending - 1
}

func (l *ledger) keep(s *series) {
	if s.Pending > 0 {
		l.push(s)
		return
	}
	l.release(s)
}
