package pstore

// Hang calls a function where a file system is asked something, which does not answer
// until it returns.
func (r *Receiver) Hang(asking func()) { r.asking = asking }
