// Package filewatch tells when configuration files have changed: once the new
// content has stood for a moment, so that nobody reads a file that is half
// written, or at once when Kubernetes has switched a ConfigMap's or a Secret's
// mount over, which is atomic.
//
// The kernel tells of changes (inotify(7), and poll(2) of
// /proc/self/mountinfo), and nothing happens between them. Where it cannot, on
// network file systems or without the rights, the files are looked at now and
// then. Only content counts: a file that is touched, or written as it was, has
// not changed. A file that is gone has not changed until it is there again.
package filewatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/inotify"
)

const (
	defaultSettle = time.Second
	defaultPoll   = 30 * time.Second
	// maxPause bounds how often files are read while the kernel tells of many
	// changes.
	maxPause = 100 * time.Millisecond
	// MaxPaths is how many files are watched at most.
	MaxPaths = 256
)

// Options say how to watch.
type Options struct {
	// Logger is told of files that are gone, and of what cannot be watched.
	Logger *slog.Logger
	// Settle is how long a content must have stood; 0: 1 s.
	Settle time.Duration
	// Poll is how often files are looked at, give or take a fifth, that the kernel
	// cannot tell of; 0: 30 s.
	Poll time.Duration
}

// Watcher watches files. All its methods are safe for concurrent use.
type Watcher struct {
	options Options
	open    func(told func()) (*inotify.Notifier, error)
	changes chan struct{}
	pulse   chan struct{}
	stop    chan struct{}
	stopped sync.Once
	done    sync.WaitGroup

	mu       sync.Mutex
	book     book
	notifier *inotify.Notifier // nil: there is none, or not now
	polling  bool              // the kernel cannot tell of all; that has been logged
}

// New makes a watcher of no file, without side effects.
func New(options Options) *Watcher {
	if options.Settle == 0 {
		options.Settle = defaultSettle
	}
	if options.Poll == 0 {
		options.Poll = defaultPoll
	}
	return &Watcher{
		options: options, open: inotify.Open, book: newBook(options.Settle),
		changes: make(chan struct{}, 1), pulse: make(chan struct{}, 1), stop: make(chan struct{}),
	}
}

// Changes tells that files have changed since the last time. Changes that nobody
// has taken yet are told as one.
func (w *Watcher) Changes() <-chan struct{} { return w.changes }

// SetPaths says which files to watch from now on. The content that a new one has
// at this moment counts as known: call it before the file is read, and no change
// is missed. Files that stay are watched on without a gap. What is wrong with a
// path is told as an error; the others are watched.
func (w *Watcher) SetPaths(paths []string) error {
	var errs []error
	found := map[string]fingerprint{}
	for _, path := range paths {
		absolute, err := absolutePath(path)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("watch %s: %w", path, err))
		case len(found) >= MaxPaths:
			errs = append(errs, fmt.Errorf("watch %s: %d files are watched already, and no more can be", path, MaxPaths))
		default:
			found[absolute] = fingerprintOf(follow(absolute))
		}
	}
	w.mu.Lock()
	w.book.track(found)
	w.mu.Unlock()
	w.tell()
	return errors.Join(errs...)
}

// absolutePath keeps "..", which behind a symlink is not what it seems.
func absolutePath(path string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	here, err := filepath.Abs(".")
	if err != nil {
		return "", fmt.Errorf("find the working directory: %w", err)
	}
	return here + "/" + path, nil
}

// Start begins to watch. It is called once.
func (w *Watcher) Start() { w.done.Go(w.run) }

// Shutdown ends it, and waits as long as ctx lets. It may be called twice, and
// without Start.
func (w *Watcher) Shutdown(ctx context.Context) error {
	w.stopped.Do(func() { close(w.stop) })
	ended := make(chan struct{})
	go func() {
		w.done.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait until a configuration file has been read: %w", ctx.Err())
	}
}

// tell asks for a look soon. It never waits.
func (w *Watcher) tell() {
	select {
	case w.pulse <- struct{}{}:
	default:
	}
}

func (w *Watcher) run() {
	defer w.closeNotifier()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait := w.look()
		timer.Stop()
		if wait > 0 {
			timer.Reset(wait)
		}
		select {
		case <-timer.C:
			continue
		case <-w.pulse:
		case <-w.stop:
			return
		}
		timer.Reset(min(maxPause, w.options.Settle/10))
		select {
		case <-timer.C:
		case <-w.stop:
			return
		}
	}
}

// look reads all files, tells of changes that have stood, and returns when to
// look again; 0: when there is news.
func (w *Watcher) look() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	found, steady, blind := w.readAll()
	w.logPolling(blind)
	verdict := w.book.step(time.Now(), found)
	for _, path := range verdict.gone {
		w.options.Logger.Warn("a configuration file is gone: the running configuration stays", "path", path)
	}
	if verdict.changed {
		select {
		case w.changes <- struct{}{}:
		default:
		}
	}
	wait := verdict.wait
	if !steady {
		wait = soonest(wait, w.options.Settle)
	}
	if blind != nil {
		wait = soonest(wait, jitter(w.options.Poll))
	}
	return wait
}

// soonest is the sooner of two, where 0 is never.
func soonest(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// jitter keeps agents that started together from reading one server together.
func jitter(around time.Duration) time.Duration {
	return around*4/5 + rand.N(around*2/5+1) //nolint:gosec // no secret
}

// logPolling tells once that the kernel cannot tell of all changes, and why.
func (w *Watcher) logPolling(blind error) {
	if blind != nil && !w.polling {
		w.options.Logger.Info("changes of the configuration are noticed late: files are looked at now and then",
			"every", w.options.Poll.String(), "reason", blind.Error())
	}
	w.polling = blind != nil
}
