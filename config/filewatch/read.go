package filewatch

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"

	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/inotify"
)

// maxBytes is how much of a file is compared; no configuration is larger.
const maxBytes = 1<<20 + 1

// fingerprint is what a file was like: two contents with one fingerprint are the same.
type fingerprint struct {
	found bool
	size  int64
	sum   [sha256.Size]byte // of the first maxBytes
	// switches are the mounts of Kubernetes that the path leads through, and what
	// they show.
	switches string
}

func (p fingerprint) same(other fingerprint) bool {
	return p.found == other.found && p.size == other.size && p.sum == other.sum
}

// switchedFrom tells whether a mount of Kubernetes that led to the file before
// shows something else now.
func (p fingerprint) switchedFrom(before fingerprint) bool {
	return before.switches != "" && p.switches != "" && p.switches != before.switches
}

func fingerprintOf(c chain) fingerprint {
	p := fingerprint{switches: c.switches}
	if c.file == "" {
		return p
	}
	// What has been a regular file a moment ago may be a FIFO now: do not wait.
	file, err := os.OpenFile(c.file, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return p
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return p
	}
	hash := sha256.New()
	read, err := io.Copy(hash, io.LimitReader(file, maxBytes))
	if err != nil {
		return p
	}
	p.found, p.size = true, read
	if read == maxBytes {
		p.size = info.Size()
	}
	hash.Sum(p.sum[:0])
	return p
}

// maxTries is how often files are read again since their paths have led
// elsewhere meanwhile.
const maxTries = 5

// readAll reads all files as they are at one moment: between two looks at where
// the paths lead that see the same, with all of it watched. steady is false if
// they never held still. blind is why the kernel cannot tell of all changes.
func (w *Watcher) readAll() (found map[string]fingerprint, steady bool, blind error) {
	before := w.followAll()
	for range maxTries {
		var added bool
		added, blind = w.watch(before)
		found = map[string]fingerprint{}
		for path, c := range before {
			found[path] = fingerprintOf(c)
		}
		after := w.followAll()
		if !added && maps.EqualFunc(before, after, chain.same) {
			return found, true, blind
		}
		before = after
	}
	return found, false, blind
}

func (w *Watcher) followAll() map[string]chain {
	chains := map[string]chain{}
	for path := range w.book.files {
		chains[path] = follow(path)
	}
	return chains
}

// watch has the kernel tell of everything that the paths lead through. added
// tells that it had not told of all of that before.
func (w *Watcher) watch(chains map[string]chain) (added bool, blind error) {
	if w.notifier == nil {
		notifier, err := w.open(w.tell)
		if err != nil {
			return false, err
		}
		w.notifier = notifier
	}
	wanted := map[string]inotify.Names{}
	var mute error
	for path, c := range chains {
		for _, s := range c.steps {
			if wanted[s.dir] == nil {
				wanted[s.dir] = inotify.Names{}
			}
			wanted[s.dir][s.name] = true
		}
		if c.file != "" {
			wanted[c.file] = nil
		}
		if on := muteFileSystem(c); on != "" {
			mute = fmt.Errorf("%s is on %s, which does not tell of what others write", path, on)
		}
	}
	added, err := w.notifier.Watch(wanted)
	return added, errors.Join(err, mute)
}

func (w *Watcher) closeNotifier() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.notifier != nil {
		w.notifier.Close()
		w.notifier = nil
	}
}
