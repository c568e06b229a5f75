package filelog

import (
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/source/file"
	"github.com/otelnpd/otelnpd/receivers/filelog/format"
)

// stream is what is known of a file that is being read.
type stream struct {
	key    file.Stream
	source string // of its places
	// told is the least place of what the pipelines have not been given by those
	// before; what is before it is context.
	told uint64
	// next is the least place that the next record may have.
	next      uint64
	assembler assembler
	when      format.Times
	hasTimes  bool // a line has had a time of its own
	marks     []mark
	batch     uint64        // the last one that brought a mark
	takenAt   time.Duration // the boot clock when a line came last
}

// mark is a place from where on lines can be read again and mean the same: nothing is
// open there.
type mark struct {
	// Offset of the line that starts there.
	Offset int64 `json:"offset"`
	// Time is that of the line before, if HasTimes; else that at which lines from there
	// on were read, which is theirs. In ns since 1970.
	Time     int64 `json:"time_ns"`
	HasTimes bool  `json:"has_times,omitempty"`
}

const (
	// maxMarks is how many are kept of a file.
	maxMarks = 16
	// markDistance is how far apart they are, in bytes, where lines have times.
	markDistance = 4 << 10
)

// mark notes that lines can be read again from a record on, if they can.
func (s *stream) mark(first int64, last time.Time, batch uint64) {
	if _, open := s.assembler.open(); open || uint64(first) < s.next || s.batch == batch && batch != 0 { //nolint:gosec // offsets are not negative
		return
	}
	if n := len(s.marks); n > 0 && (first <= s.marks[n-1].Offset || s.hasTimes && first-s.marks[n-1].Offset < markDistance) {
		return
	}
	s.batch = batch
	s.marks = append(s.marks, mark{Offset: first, Time: last.UnixNano(), HasTimes: s.hasTimes})
	s.marks = s.marks[max(0, len(s.marks)-maxMarks):]
}

// from is where to read from to go on: from the first mark, or where what is open
// starts.
func (s *stream) from(offset int64) int64 {
	if from, open := s.assembler.open(); open {
		offset = min(offset, from)
	}
	if len(s.marks) > 0 {
		offset = min(offset, s.marks[0].Offset)
	}
	return offset
}

// recall sets the time to that which was in force where a record starts that was
// given before.
func (s *stream) recall(first int64) {
	for _, m := range slices.Backward(s.marks) {
		if m.Offset <= first {
			if !m.HasTimes || !s.hasTimes {
				s.when.Last, s.hasTimes = time.Unix(0, m.Time), m.HasTimes
			}
			return
		}
	}
}
