package filelog

import "time"

// DefaultConfigFor is the default configuration, for one path.
func DefaultConfigFor(path string) *Config {
	config := DefaultConfig()
	config.Include = []string{path}
	return config
}

// Hurry makes a receiver look at its files all the time.
func (r *Receiver) Hurry() {
	r.tuning.glance, r.tuning.look, r.tuning.poll, r.tuning.patience = time.Millisecond, time.Millisecond, 2*time.Millisecond, 20*time.Millisecond
}

// SlowPoll is how often a receiver looks by itself that WaitForTheKernel.
const SlowPoll = 10 * time.Second

// WaitForTheKernel makes a receiver look at hardly anything by itself.
func (r *Receiver) WaitForTheKernel() { r.tuning.poll, r.tuning.enumerate = SlowPoll, SlowPoll }

// EnumerateForTheKernel makes a receiver search for what patterns match hardly ever by
// itself.
func (r *Receiver) EnumerateForTheKernel() {
	r.tuning.poll, r.tuning.enumerate = 10*time.Millisecond, SlowPoll
}

// ForgetAtOnce makes a receiver forget what a pattern had found as soon as it is gone.
func (r *Receiver) ForgetAtOnce() { r.tuning.forget = 0 }

// Hang calls a function where a file system is asked something, which does not answer
// until it returns.
func (r *Receiver) Hang(asking func()) {
	r.tuning.answer, r.tuning.silence, r.tuning.asking = 10*time.Millisecond, 20*time.Millisecond, asking
}

// OnLook calls a function where a file system is asked something.
func (r *Receiver) OnLook(look func()) { r.tuning.asking = look }
