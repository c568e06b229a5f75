package nodeevents

import (
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/outbox"
)

// outcome is what became of an occurrence.
type outcome uint8

const (
	written        outcome = iota // its request was accepted
	folded                        // told by the count of another's request
	suppressedByUs                // left to a summary
	failed                        // refused by the API server for ever
	outcomes                      // how many there are
)

// String returns the outcome as the metric has it.
func (o outcome) String() string {
	return [...]string{"written", "folded", "suppressed", "failed"}[o]
}

// ledger keeps the series and decides what is written when. It does no I/O and
// reads no clock. Its caller sees to it that one goroutine at a time is in it.
//
// An occurrence is in one of three places: in a series as pending, in the flood,
// or in an outcome's count.
type ledger struct {
	config   Config
	maxBytes int
	writer   writer
	nodeUID  string // empty: nothing is written yet
	// owner is the UID of the Node that the series are about, from before a restart
	// too.
	owner string

	// series are those that the next occurrence may belong to; one that waits and
	// is over is in the queue alone.
	series map[key]*series
	// queue holds the series that wait, in order of arrival.
	queue []*series
	// taken is the series of the delivery that is under way; nil: there is none.
	taken  *series
	recent recent
	flood  flood
	// summary is the one on its way out; nil: there is none.
	summary *summary

	budget *budget
	// pace bounds the requests themselves, whatever gathered while none got
	// through.
	pace *rate.Limiter

	outcomes [outcomes]int64
	pending  int64 // occurrences
	bytes    int
	touched  uint64
	// summed is when the last summary began its way, by the boot clock.
	summed  time.Duration
	hasNews bool // for the sender; whoever wakes it takes it back
	// hasChanged: what is kept has changed; whoever tells of it takes it back.
	hasChanged bool
}

// maxLedgerBytes is the bound of a ledger.
const maxLedgerBytes = outbox.DefaultMaxBytes

func newLedger(config Config, node string) *ledger {
	return &ledger{
		config: config, maxBytes: maxLedgerBytes, writer: newWriter(config.Namespace, node),
		series: map[key]*series{}, budget: newBudget(config), pace: config.Total.bucket(), summed: -summaryGap,
	}
}

// record takes an occurrence in, unless it is known. It keeps copies of the
// strings.
func (l *ledger) record(o *occurrence, now pipeline.Instant) {
	known := l.series[o.key]
	if known != nil && known.tells(o) || !o.changing() && !l.recent.add(o.uid) {
		return
	}
	l.hasChanged = true
	switch {
	case now.Wall.Sub(o.time) > l.config.MaxAge:
		l.suppress(now, suppressed{o.Reason, tooOld, 1, o.time, o.time})
	case known != nil && !known.over(o):
		l.repeat(known, o)
	case l.budget.take(now.Boot, claim{reason: o.Reason, condition: o.condition}):
		l.begin(o, now)
	default:
		l.suppress(now, suppressed{o.Reason, overBudget, 1, o.time, o.time})
	}
}

func (l *ledger) repeat(s *series, o *occurrence) {
	l.touch(s)
	l.pending++
	s.add(o)
	if s.stage == idle {
		l.push(s)
	}
}

// begin begins a series, in place of one that is over.
func (l *ledger) begin(o *occurrence, now pipeline.Instant) {
	if old := l.series[o.key]; old != nil {
		l.detach(old)
	}
	s := newSeries(o)
	l.touch(s)
	l.pending++
	l.bytes += s.bytes()
	l.series[s.key] = s
	l.push(s)
	l.makeRoom(now)
}

// push lets a series wait for its turn, and for tokens if they are not paid.
func (l *ledger) push(s *series) {
	s.stage = waiting
	l.queue = append(l.queue, s)
	l.hasNews = true
}

func (l *ledger) touch(s *series) {
	l.touched++
	s.used = l.touched
}

// detach ends a series: no occurrence belongs to it any more. What it has to tell
// is told.
func (l *ledger) detach(s *series) {
	delete(l.series, s.key)
	if s.stage == idle {
		l.bytes -= s.bytes()
	}
}

// release lets go of a series that nothing waits for: it is kept for its repeats,
// unless it is over.
func (l *ledger) release(s *series) {
	s.stage = idle
	if l.series[s.key] != s {
		l.bytes -= s.bytes()
	}
}

// makeRoom gives series up until all fit: idle ones first, the least recently
// used first, then those that wait, the oldest of the lowest severity first.
func (l *ledger) makeRoom(now pipeline.Instant) {
	for l.bytes > l.maxBytes {
		if s := l.leastRecentlyUsed(); s != nil {
			l.detach(s)
		} else if at := l.leastGrave(); at >= 0 {
			l.evict(at, now)
		} else {
			return
		}
	}
}

func (l *ledger) leastRecentlyUsed() (found *series) {
	for _, s := range l.series {
		if s.stage == idle && (found == nil || s.used < found.used) {
			found = s
		}
	}
	return found
}

func (l *ledger) leastGrave() int {
	at := -1
	for i, s := range l.queue {
		if at < 0 || s.Severity < l.queue[at].Severity {
			at = i
		}
	}
	return at
}

func (l *ledger) evict(at int, now pipeline.Instant) {
	s := l.queue[at]
	l.queue = slices.Delete(l.queue, at, at+1)
	l.pending -= s.Pending
	l.suppress(now, suppressed{s.Reason, overflow, s.Pending, s.First, s.Last})
	if l.series[s.key] == s {
		delete(l.series, s.key)
	}
	l.bytes -= s.bytes()
}

func (l *ledger) suppress(now pipeline.Instant, what suppressed) {
	l.outcomes[suppressedByUs] += what.count
	if l.flood.add(now.Boot, what) {
		l.hasNews = true
	}
}

// setNode says which Node the Events are about. Those of a Node that was deleted
// stay as they are: what happens from now on begins new ones.
func (l *ledger) setNode(uid string) {
	if l.owner != "" && l.owner != uid {
		for _, s := range l.series {
			l.detach(s)
		}
	}
	l.hasChanged = l.hasChanged || l.owner != uid
	l.owner, l.nodeUID = uid, uid
	l.hasNews = true
}

// abandon suppresses all that still waits, for good, and returns how many
// occurrences that are.
func (l *ledger) abandon() int64 {
	left := l.pending
	for _, s := range l.queue {
		s.Pending = 0
		l.release(s)
	}
	l.queue, l.pending = nil, 0
	l.hasChanged = true
	l.outcomes[suppressedByUs] += left
	return left
}
