package journald

import "time"

// Hang calls a function where the journal is opened, which does not answer until it
// returns.
func (r *Receiver) Hang(asking func()) {
	r.tuning.answer, r.tuning.asking = 10*time.Millisecond, asking
}
