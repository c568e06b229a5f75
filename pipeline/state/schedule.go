package state

import "time"

// schedule decides when to write.
type schedule struct {
	changed, moved, maxRetry time.Duration

	// last is when the last write, or attempt, was over; zero: there was none.
	last time.Time
	// failures is how many attempts have failed in a row.
	failures int
	// movedAt is when a position was first seen to have moved since last.
	movedAt time.Time
}

// wants is what there is to write.
type wants struct {
	// changed and moved are what the components told.
	changed, moved bool
	// asked tells that somebody waits for it.
	asked bool
}

// due returns when to write; false: not at all. Who waits gets an answer soon,
// though the disk has failed just now.
func (s *schedule) due(now time.Time, want wants) (time.Time, bool) {
	if want.moved && s.movedAt.IsZero() {
		s.movedAt = now
	}
	switch {
	case want.asked:
		return s.after(s.changed), true
	case s.failures > 0 && (want.changed || want.moved):
		return s.after(s.backOff()), true
	case want.changed:
		return s.after(s.changed), true
	case want.moved:
		return s.movedAt.Add(s.moved), true
	default:
		return time.Time{}, false
	}
}

// after is the time d after the last write.
func (s *schedule) after(d time.Duration) time.Time {
	if s.last.IsZero() {
		return time.Time{}
	}
	return s.last.Add(d)
}

func (s *schedule) backOff() time.Duration {
	wait := s.changed
	for range s.failures - 1 {
		if wait *= 2; wait >= s.maxRetry {
			return s.maxRetry
		}
	}
	return wait
}

// begins notes that all that is wanted is about to be written.
func (s *schedule) begins() { s.movedAt = time.Time{} }

// ended notes how an attempt ended.
func (s *schedule) ended(now time.Time, err error) {
	s.last = now
	if err != nil {
		s.failures++
	} else {
		s.failures = 0
	}
}
