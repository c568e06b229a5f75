package filewatch

import "github.com/otelnpd/otelnpd/pipeline/inotify"

// NewBlind makes a watcher that the kernel refuses to tell anything.
func NewBlind(options Options, reason error) *Watcher {
	w := New(options)
	w.open = func(func()) (*inotify.Notifier, error) { return nil, reason }
	return w
}
