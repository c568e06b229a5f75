package filewatch

// NewBlind makes a watcher that the kernel refuses to tell anything.
func NewBlind(options Options, reason error) *Watcher {
	w := New(options)
	w.open = func(func()) (*notifier, error) { return nil, reason }
	return w
}
