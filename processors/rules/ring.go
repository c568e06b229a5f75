package rules

import "time"

// The bounds in bytes of what a ring keeps.
const (
	maxRingBytes = 256 << 10
	maxRingLine  = 64 << 10
)

// ring holds the last lines of one source, joined by newlines in one piece of
// memory, so that the newest n of them are always one text. Before the first
// line it holds empty ones: node-problem-detector joins those too.
type ring struct {
	text   []byte
	starts []int // in text, by a line's number modulo their length
	times  []time.Time
	count  int // lines so far; the first len(starts) are the empty ones
	oldest int // the oldest line that is kept
}

// newRing returns a ring that keeps the last size lines.
func newRing(size int) *ring {
	r := &ring{starts: make([]int, size), times: make([]time.Time, size)}
	for range size {
		r.push(nil, time.Time{})
	}
	return r
}

// push adds a line. It returns how many lines lost text: this one if it is too
// long, older ones if all together are.
func (r *ring) push(line []byte, at time.Time) (cut int) {
	if len(line) > maxRingLine {
		line = line[:maxRingLine]
		cut++
	}
	if r.count > 0 {
		r.text = append(r.text, '\n')
	}
	slot := r.count % len(r.starts)
	r.starts[slot], r.times[slot] = len(r.text), at
	r.text = append(r.text, line...)
	r.count++
	r.oldest = max(r.oldest, r.count-len(r.starts))
	for len(r.text)-r.start(r.oldest) > maxRingBytes {
		r.oldest++
		cut++
	}
	r.compact()
	return cut
}

// compact gives back what is before the oldest line, once it is more than what is
// kept: each byte is moved once, on average. The newline before it stays.
func (r *ring) compact() {
	const worthwhile = 4096
	dead := r.start(r.oldest) - 1
	if dead < len(r.text)-dead+worthwhile {
		return
	}
	r.text = r.text[:copy(r.text, r.text[dead:])]
	for line := r.oldest; line < r.count; line++ {
		r.starts[line%len(r.starts)] -= dead
	}
}

func (r *ring) start(line int) int { return r.starts[line%len(r.starts)] }

// from returns where the last n lines begin in text.
func (r *ring) from(n int) int { return r.start(max(r.count-n, r.oldest)) }

// firstLine returns the first of the last n lines that a match which begins at
// start in text, and goes to its end, stands in: as node-problem-detector counts
// from the end, a newline belongs to the line after it.
func (r *ring) firstLine(start, n int) int {
	lowest := max(r.count-n, r.oldest, len(r.starts))
	line := r.count - 1
	for line > lowest && r.start(line) > start+1 {
		line--
	}
	return line
}
