package nodeevents

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline"
)

const (
	// maxCount is more than can be counted in earnest; all counts of a ledger
	// together are less than an int64 holds.
	maxCount = 1 << 48
	// maxKeptSeries is how many series the bound of a ledger lets there be.
	maxKeptSeries = maxLedgerBytes / seriesBytes
)

// Resume makes a new recorder go on where the one had come to whose Keep it is given.
// Nothing is written before SetNode: a Node of another UID begins new series. In
// another boot the budgets are full, and a flood is over soon. After an error
// nothing has changed.
func (r *Recorder) Resume(text []byte) error {
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("read what is kept of Events: %w", err)
	}
	if err := k.check(); err != nil {
		return fmt.Errorf("what is kept of Events cannot be: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.options.Clock.Now()
	if k.BootID == "" || k.BootID != r.options.Boot.ID {
		k.forgetBoot(now.Boot)
	}
	next := newLedger(r.ledger.config, r.options.Node)
	next.resume(&k, now)
	r.ledger = next
	r.metrics.resume(next)
	return nil
}

// Inherit is called before Resume with the recorder whose place this one takes in
// this process: what that one has counted stays counted.
func (r *Recorder) Inherit(from *Recorder) { r.metrics.inherits = from != nil }

// Retire closes the recorder, once Run has returned, and leaves what it holds to the
// next one: Keep still tells it, and the gauges no longer do.
func (r *Recorder) Retire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.metrics.retire()
}

// Discard gives up all that waits, counted as suppressed, and returns how many
// occurrences that are. It is for a recorder that is not to run.
func (r *Recorder) Discard() int64 {
	defer r.Retire()
	return r.abandon()
}

// forgetBoot takes what is kept into another boot, whose clock says so much.
func (k *kept) forgetBoot(boot time.Duration) {
	k.At, k.Summed = boot, -summaryGap
	if k.Flood != nil {
		k.Flood.Began, k.Flood.Last = 0, 0
	}
	k.Pace, k.Total, k.Others, k.Reasons = 0, 0, 0, nil
}

// resume fills a new ledger with what is kept and has been checked.
func (l *ledger) resume(k *kept, now pipeline.Instant) {
	l.owner = k.NodeUID
	for o := range outcomes {
		l.outcomes[o] = k.Outcomes[o.String()]
	}
	l.recent = recent{All: k.Recent[max(0, len(k.Recent)-maxRecent):]}
	l.summed = max(-summaryGap, min(k.Summed, now.Boot))
	if k.Flood != nil {
		l.flood = k.Flood.flood
		if l.flood.Reasons == nil {
			l.flood.Reasons = map[string]int64{}
		}
		l.flood.began, l.flood.last = past(k.Flood.Began, now), past(k.Flood.Last, now)
	}
	if k.Summary != nil {
		l.summary = &summary{flood: k.Summary.flood, tried: k.Summary.Tried}
	}
	at := past(k.At, now)
	l.pace = l.config.Total.bucketWithout(k.Pace, at)
	l.budget.resume(k, at)
	for i := range k.Series {
		l.resumeSeries(&k.Series[i])
	}
	l.makeRoom(now)
	l.hasNews = true
}

// past is a time on the boot clock, as far as it can be one before now.
func past(boot time.Duration, now pipeline.Instant) time.Duration { return max(0, min(boot, now.Boot)) }

func (l *ledger) resumeSeries(k *keptSeries) {
	s := &k.series
	if s.Text == "" {
		s.Text = s.Message
	}
	if !k.Ended {
		l.series[s.key] = s
	} else if s.Pending == 0 {
		return
	}
	s.used = k.Used
	l.touched = max(l.touched, k.Used)
	l.bytes += s.bytes()
	l.pending += s.Pending
	if s.Pending > 0 {
		l.push(s)
	}
}

func (b *budget) resume(k *kept, at time.Duration) {
	b.total, b.others = b.config.Total.bucketWithout(k.Total, at), b.config.PerReason.bucketWithout(k.Others, at)
	for _, kept := range k.Reasons {
		b.asked++
		b.reasons[kept.Reason] = &reasonBucket{Limiter: b.config.PerReason.bucketWithout(kept.Spent, at), asked: b.asked}
	}
}

// check tells what no ledger can have written.
func (k *kept) check() error {
	if len(k.Series) > maxKeptSeries || len(k.Reasons) > maxReasons {
		return fmt.Errorf("%d series and %d budgets are too many", len(k.Series), len(k.Reasons))
	}
	for _, bucket := range k.Reasons {
		if bucket.Reason != word(bucket.Reason, maxReasonBytes) {
			return fmt.Errorf("the reason %q is none that is written", bucket.Reason)
		}
	}
	for name, count := range k.Outcomes {
		if !isCount(count) {
			return fmt.Errorf("%d occurrences that were %s", count, name)
		}
	}
	if err := errors.Join(k.Flood.check(), k.Summary.check()); err != nil {
		return err
	}
	seen := map[key]bool{}
	for i := range k.Series {
		s := &k.Series[i]
		if err := s.check(); err != nil {
			return fmt.Errorf("the series of reason %q: %w", s.Reason, err)
		}
		if !s.Ended && seen[s.key] {
			return fmt.Errorf("two series of reason %q are the same", s.Reason)
		}
		seen[s.key] = seen[s.key] || !s.Ended
	}
	return nil
}

func isCount(n int64) bool { return n >= 0 && n <= maxCount }

func (s *keptSeries) check() error {
	switch {
	case s.Reason != word(s.Reason, maxReasonBytes), s.Source != word(s.Source, maxSourceBytes),
		s.Message != message(s.Message), s.Text != message(s.Text), s.changing() && s.Message != "":
		return errors.New("its texts are none that are written")
	case s.Type != apiserver.EventNormal && s.Type != apiserver.EventWarning:
		return fmt.Errorf("its type is %q", s.Type)
	case s.UID.IsZero():
		return errors.New("it has no uid")
	case s.Count < 1 || !isCount(s.Count) || s.Pending < 0 || s.Pending > s.Count:
		return fmt.Errorf("%d of its %d occurrences wait", s.Pending, s.Count)
	}
	return checkSpan(s.First, s.Last)
}

func checkSpan(from, to time.Time) error {
	if !isTellable(from) || !isTellable(to) || to.Before(from) {
		return fmt.Errorf("it lasted from %s to %s", from, to)
	}
	return nil
}

func (f *keptFlood) check() error {
	if f == nil {
		return nil
	}
	if len(f.Reasons) > floodReasons || !isCount(f.Others) || f.total() < 1 {
		return fmt.Errorf("a flood of %d with %d reasons", f.total(), len(f.Reasons))
	}
	for _, count := range f.Causes {
		if !isCount(count) {
			return fmt.Errorf("a flood of %d", count)
		}
	}
	for reason, count := range f.Reasons {
		if !isCount(count) || reason != word(reason, maxReasonBytes) {
			return fmt.Errorf("a flood of %d of reason %q", count, reason)
		}
	}
	return checkSpan(f.From, f.To)
}
