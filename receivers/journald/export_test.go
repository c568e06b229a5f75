package journald

import "time"

// Hang calls a function with what is asked of the file system, which does not answer until
// it returns: open, look (for what is new), read, settle (on where all was read).
func (r *Receiver) Hang(asking func(what string)) {
	r.tuning = tuning{
		answer: 10 * time.Millisecond, silence: 20 * time.Millisecond, patience: 10 * time.Millisecond, stale: time.Hour, asking: asking,
	}
}

// LimitFiles has the receiver open so many files at most; 0: as many as it does.
func (r *Receiver) LimitFiles(most int) { r.tuning.files = most }
