package state

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"time"
)

// outcome is how an attempt to write ended.
type outcome string

const (
	// outcomeOK is a file that was written and is durable.
	outcomeOK outcome = "ok"
	// outcomeFailed is a file that could not be written.
	outcomeFailed outcome = "failed"
	// outcomeSkipped is a file that would have said what the one on the disk does.
	outcomeSkipped outcome = "skipped"
	// outcomeStalled is a cut that could not be taken, since a pipeline hangs.
	outcomeStalled outcome = "stalled"
)

// write takes a cut and writes it. Marks and waiters are taken before the cut:
// what comes during it is for the next.
func (w *Writer) write() error {
	changed, moved := w.changed.Swap(false), w.moved.Swap(false)
	w.schedule.begins()
	w.begin()
	outcome, err := w.try()
	if err != nil {
		w.written = nil // a write that failed may have left the old file or the new
		w.restore(changed, moved)
	}
	w.schedule.ended(time.Now(), err)
	w.metrics.count(outcome)
	w.finish(err)
	return err
}

// restore marks again what was not written.
func (w *Writer) restore(changed, moved bool) {
	if changed {
		w.changed.Store(true)
	}
	if moved || !changed {
		w.moved.Store(true) // who only asked is gone, what he asked for is not written yet
	}
}

func (w *Writer) try() (outcome, error) {
	sections, err := w.options.Capture()
	if err != nil {
		return outcomeStalled, fmt.Errorf("take a cut of what is kept: %w", err)
	}
	texts := make(map[string][]byte, len(sections))
	for name, encode := range sections {
		if texts[name], err = encode(); err != nil {
			return outcomeFailed, &encodeError{fmt.Errorf("write section %q: %w", name, err)}
		}
	}
	data, kept, err := encode(Document{
		Written: w.options.Clock.Now().Wall, Version: w.options.Version, Node: w.options.Node, BootID: w.options.BootID,
		Sections: texts,
	})
	if err != nil {
		return outcomeFailed, &encodeError{err}
	}
	return w.store(data, sha256.Sum256(kept))
}

// store brings the file to the disk, unless its sections are there already.
func (w *Writer) store(data []byte, sum [sha256.Size]byte) (outcome, error) {
	w.watch()
	w.waitForOpen()
	if err := w.disk.Lock(); err != nil {
		return outcomeFailed, err
	}
	if w.written != nil && *w.written == sum && w.isThere() {
		return outcomeSkipped, nil
	}
	if w.unread != nil {
		w.setAside("unread", w.unread, "the agent went on without it, since it could not be read in time; it may hold what is missed")
		w.unread = nil
	}
	begun := time.Now()
	err := replace(w.disk, data)
	w.metrics.took(time.Since(begun))
	if err != nil {
		return outcomeFailed, fmt.Errorf("write the state: %w", err)
	}
	w.written = &sum
	w.metrics.wrote(len(data), w.options.Clock.Now().Wall)
	return outcomeOK, nil
}

// isThere tells whether the file is still there: somebody may have removed it.
func (w *Writer) isThere() bool {
	names, err := w.disk.Names()
	return err == nil && slices.Contains(names, fileName)
}
