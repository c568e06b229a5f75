package googlecloud

import "time"

// firstDelay is how soon after its start the exporter writes first: not at once, since
// the agent before this one may have written just before it ended.
const firstDelay = 10 * time.Second

// schedule says when to write. Cloud Monitoring takes one point of a series each
// minPeriod: whatever makes an export come early, or another exporter take over, two
// are never closer.
type schedule struct {
	period time.Duration
	// last is when metrics were read last, or when the exporter started, which may be
	// just after its predecessor has written.
	last  time.Time
	wrote bool
}

func newSchedule(period time.Duration) *schedule { return &schedule{period: period} }

func (s *schedule) begin(now time.Time) {
	if s.last.IsZero() {
		s.last = now
	}
}

// inherit goes on from what an exporter in the same process has written.
func (s *schedule) inherit(from *schedule) { s.last, s.wrote = from.last, from.wrote }

// next is when to write next.
func (s *schedule) next() time.Time {
	if !s.wrote {
		return s.last.Add(min(firstDelay, s.period))
	}
	return s.last.Add(s.period)
}

// allows tells whether points of this moment would be taken.
func (s *schedule) allows(now time.Time) bool { return now.Sub(s.last) >= minPeriod }

func (s *schedule) done(now time.Time) { s.last, s.wrote = now, true }
