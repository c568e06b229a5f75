package journald

import "time"

// Hang calls a function where the journal is opened or looked at anew, which does not answer until it
// returns.
func (r *Receiver) Hang(asking func()) {
	r.tuning = tuning{answer: 10 * time.Millisecond, silence: 20 * time.Millisecond, patience: 10 * time.Millisecond, asking: asking}
}
