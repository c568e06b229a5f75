package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// openTimeout bounds how long a start waits for the state.
const openTimeout = time.Second

// maxAside is how many files that could not be read are kept, for people to look
// at.
const maxAside = 3

// asideTime is how the name of such a file ends; names sort by it.
const asideTime = "20060102T150405Z"

// Open makes the directory where there is none, takes its lock, removes what a
// crash left and reads the state. It is called at most once, before Start, and
// waits for the disk for a second at most.
//
// [ErrLocked] says that another agent runs: the caller ends. After every other
// error the agent goes on without what was kept, and the writer tries on:
// [fs.ErrNotExist] is a first start; a file that is [ErrCorrupt] or [ErrNewer] is
// set aside, with a warning; anything else is the disk, and is reported as
// degraded. So is a directory that can be read and not written, without an error.
//
//nolint:contextcheck // counting needs no context
func (w *Writer) Open(ctx context.Context) (Document, error) {
	if w == nil {
		return Document{}, fmt.Errorf("%w: %w", ErrMemory, fs.ErrNotExist)
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	w.opened = make(chan struct{})
	r, err := within(ctx, func() (reading, error) {
		defer close(w.opened)
		return w.open()
	})
	switch {
	case errors.Is(err, ErrLocked): // nobody goes on from here
	case r.readOnly != nil:
		w.openFailed(r.readOnly)
		w.unread = nil // it was read
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrCorrupt), errors.Is(err, ErrNewer):
		w.report(nil)
	default:
		w.openFailed(err)
	}
	return r.document, err
}

// openFailed lets it be tried again, though nothing changes.
func (w *Writer) openFailed(err error) {
	w.schedule.ended(time.Now(), err)
	w.changed.Store(true)
	w.report(err)
	w.unread = err
}

// reading is what was read, and why nothing can be written; nil: it can.
type reading struct {
	document Document
	readOnly error
}

func (w *Writer) open() (reading, error) {
	if err := w.disk.Lock(); err != nil {
		return w.openReadOnly(err)
	}
	_ = w.disk.Remove(newName) // there is rarely one; what cannot be removed a write will tell of
	document, err := load(w.disk)
	var newer *newerError
	switch {
	case errors.As(err, &newer):
		w.metrics.setAside(reasonNewer)
		w.setAside(fmt.Sprintf("schema-%d", newer.schema), err,
			"go back to that version with this file as state.json to have what it holds; this one goes on without it")
	case errors.Is(err, ErrCorrupt):
		w.metrics.setAside(reasonCorrupt)
		w.setAside("corrupt", err, "look at the disk; the agent goes on without what the file held, from what the Node says")
	}
	return reading{document: document}, err
}

// openReadOnly reads what nobody can write now: a disk with errors is mounted
// read-only, and just then the agent must know what it has told.
func (w *Writer) openReadOnly(cause error) (reading, error) {
	if errors.Is(cause, ErrLocked) {
		return reading{}, cause
	}
	document, err := load(w.disk)
	if err != nil {
		return reading{}, cause
	}
	return reading{document: document, readOnly: cause}, nil
}

// setAside renames the state file, for people to look at, and removes the oldest
// of those before it.
func (w *Writer) setAside(why string, cause error, remedy string) {
	name := fileName + "." + why + "-" + w.options.Clock.Now().Wall.UTC().Format(asideTime)
	logger := w.options.Logger.With("error", cause, "path", filepath.Join(w.options.Dir, fileName), "remedy", remedy)
	err := w.disk.Rename(fileName, name)
	if err == nil {
		err = w.disk.Sync()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return // there is none
	}
	if err != nil {
		logger.Warn("the state cannot be read, nor be set aside: it will be overwritten", "rename_error", err)
		return
	}
	logger.Warn("the state cannot be read; it is set aside", "set_aside", filepath.Join(w.options.Dir, name))
	w.removeOldest(name)
}

// removeOldest leaves the newest of the files that were set aside, kept among
// them: the clock may have been wrong when it, or others, were named.
func (w *Writer) removeOldest(kept string) {
	names, err := w.disk.Names()
	if err != nil {
		return
	}
	aside := slices.DeleteFunc(names, func(name string) bool { return !isAside(name) || name == kept })
	slices.SortFunc(aside, func(x, y string) int { return cmp.Compare(asideAt(x), asideAt(y)) })
	for len(aside) > maxAside-1 {
		if err := w.disk.Remove(aside[0]); err != nil {
			w.options.Logger.Warn("an old state file cannot be removed; remove it", "path", filepath.Join(w.options.Dir, aside[0]), "error", err)
		}
		aside = aside[1:]
	}
}

func isAside(name string) bool {
	return strings.HasPrefix(name, fileName+".corrupt-") || strings.HasPrefix(name, fileName+".unread-") || strings.HasPrefix(name, fileName+".schema-")
}

func asideAt(name string) string { return name[strings.LastIndexByte(name, '-')+1:] }
