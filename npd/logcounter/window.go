package logcounter

import "bytes"

// The bounds of what a pattern that goes over several lines can look at. The lines are
// as many as node-problem-detector joins.
const (
	maxLines       = 1000
	maxWindowBytes = 256 << 10
)

// window holds the last lines, each with a newline before it: that keeps ^ from taking
// the beginning of a line for that of the text, as in log monitors.
type window struct {
	text  []byte
	lines int
	last  int // where the newest line begins
}

// push adds a line, and forgets the oldest ones beyond the bounds.
func (w *window) push(line []byte, keep bool) {
	if !keep {
		w.text, w.lines = w.text[:0], 0
	}
	w.last = len(w.text)
	w.text = append(append(w.text, '\n'), line...)
	w.lines += 1 + bytes.Count(line, []byte{'\n'})
	for w.last > 0 && (w.lines > maxLines || len(w.text) > maxWindowBytes) {
		length := 1 + bytes.IndexByte(w.text[1:], '\n') // there is one: the newest line has it
		w.text, w.last = w.text[length:], w.last-length
		w.lines--
	}
}

// newest is the newest line.
func (w *window) newest() []byte { return w.text[w.last:] }
