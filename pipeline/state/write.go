package state

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
)

// outcome is what became of a write.
type outcome string

const (
	outcomeOK      outcome = "ok"
	outcomeFailed  outcome = "failed"
	outcomeSkipped outcome = "skipped" // nothing was different
)

// write captures and writes once. While the disk does not answer, state is
// degraded and nobody else is held up.
func (w *Writer) write() (outcome, int, error) {
	captured, err := w.options.Capture()
	if err != nil {
		return outcomeFailed, 0, fmt.Errorf("see how all things stand: %w", err)
	}
	document := Document{
		Written: w.options.Clock.Now().Wall.UTC(), Version: w.options.Version,
		Node: w.options.Node, BootID: w.options.BootID, Sections: map[string]json.RawMessage{},
	}
	for name, encode := range captured {
		text, err := encode()
		if err != nil {
			return outcomeFailed, 0, fmt.Errorf("write down what %s keeps: %w", name, err)
		}
		document.Sections[name] = text
	}
	sum := sumOf(document.Sections)
	if sum == w.written {
		return outcomeSkipped, 0, nil
	}
	content, err := encode(&document)
	if err != nil {
		return outcomeFailed, 0, err
	}
	if err := w.replace(content); err != nil {
		return outcomeFailed, 0, err
	}
	w.written = sum
	return outcomeOK, len(content), nil
}

func sumOf(sections map[string]json.RawMessage) (sum [32]byte) {
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		fmt.Fprintf(hash, "%d:%s%d:", len(name), name, len(sections[name]))
		hash.Write(sections[name])
	}
	return [32]byte(hash.Sum(nil))
}

// replace waits for the disk, and tells if that takes long.
func (w *Writer) replace(content []byte) error {
	done := make(chan error, 1)
	go func() { done <- w.options.Directory.replace(content) }()
	slow := time.NewTimer(stallLimit)
	defer slow.Stop()
	stalled := false
	for {
		select {
		case err := <-done:
			return err
		case <-slow.C:
			stalled = true
		case <-w.poke: // who it was for is seen to when the write is over
		}
		if stalled {
			w.report(errStalled)
			w.tell(w.takeWaiting(), errStalled)
		}
	}
}

// Degraded tells what is wrong with the state, and what to do about it.
func Degraded(path string, err error) pipeline.Status {
	remedy := "look at the disk under " + path
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		remedy = "free space on the file system of " + path
	case errors.Is(err, unix.EROFS):
		remedy = "make the file system of " + path + " writable, or set service.state_dir to a directory that is"
	case errors.Is(err, fs.ErrPermission):
		remedy = "let the agent write to " + path + ", or set service.state_dir to a directory that it may write to"
	case errors.Is(err, pipeline.ErrStalled):
		remedy = "see which component does not go on: otelnpd healthcheck"
	}
	return pipeline.Status{State: pipeline.ComponentDegraded, Reason: err.Error(), Remedy: remedy, Err: err}
}
