package pstore

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/otelnpd/otelnpd/pipeline"
)

// The bounds of what is kept. A look finds no more files than maxFiles, and what it
// finds is never forgotten.
const (
	maxKept  = 2 * maxFiles
	maxBoots = 4
)

// wholly is the position of a dump of which all has been told.
const wholly = math.MaxUint64

// kept is the form of what outlives a receiver.
type kept struct {
	// Boots are those in which a receiver has run, the newest last.
	Boots []bootSpan `json:"boots,omitempty"`
	// Dumps are those that have been told, those found last at the end.
	Dumps []keptDump `json:"dumps,omitempty"`
}

// keptDump is a dump by what it holds: systemd-pstore moves the files.
type keptDump struct {
	ID string `json:"id"`
	// Next is the position behind what the pipelines have accepted; 0: all of it.
	Next uint64 `json:"next,omitempty"`
}

// Keep returns what has been told. It may be called while the receiver works.
func (r *Receiver) Keep() pipeline.Encode {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := kept{Boots: slices.Clone(r.boots)}
	if r.settings.Boot.ID != "" {
		k.Boots = append(k.Boots, bootSpan{
			ID: r.settings.Boot.ID, Start: r.settings.Boot.Start.UTC(), Seen: r.settings.Clock.Now().Raw,
		})
	}
	for _, id := range r.order {
		d := keptDump{ID: id, Next: r.told[id]}
		if d.Next == wholly {
			d.Next = 0
		}
		k.Dumps = append(k.Dumps, d)
	}
	return func() ([]byte, error) { return json.Marshal(k) }
}

// Resume makes the receiver tell nothing again of what was told before.
func (r *Receiver) Resume(text []byte) error {
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("read which dumps were told: %w", err)
	}
	if err := k.check(); err != nil {
		return fmt.Errorf("read which dumps were told: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.boots = slices.DeleteFunc(k.Boots, func(b bootSpan) bool { return b.ID == r.settings.Boot.ID })
	r.boots = r.boots[max(0, len(r.boots)-maxBoots):]
	for _, d := range k.Dumps[max(0, len(k.Dumps)-maxKept):] {
		if d.Next == 0 {
			d.Next = wholly
		}
		r.setTold(d.ID, d.Next)
	}
	return nil
}

func (k *kept) check() error {
	var errs []error
	for _, d := range k.Dumps {
		if id, err := hex.DecodeString(d.ID); err != nil || len(id) != idBytes {
			errs = append(errs, fmt.Errorf("%q is no id of a dump", d.ID))
		}
	}
	for _, b := range k.Boots {
		if b.ID == "" || b.Seen < 0 {
			errs = append(errs, fmt.Errorf("boot %q was seen for %s", b.ID, b.Seen))
		}
	}
	return errors.Join(errs...)
}

// setTold notes how far a dump has been told, and makes it the one found last. It is
// called with mu held.
func (r *Receiver) setTold(id string, next uint64) {
	if _, known := r.told[id]; known {
		r.order = slices.DeleteFunc(r.order, func(other string) bool { return other == id })
	}
	r.told[id] = next
	r.order = append(r.order, id)
	if len(r.order) > maxKept {
		delete(r.told, r.order[0])
		r.order = r.order[1:]
	}
}

// toldOf returns how far a dump has been told. One that is known is not forgotten
// before those that are not there any more.
func (r *Receiver) toldOf(id string) (next uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, known := r.told[id]
	if known {
		r.setTold(id, next)
	}
	return next
}

// move notes that the pipelines have accepted a dump up to a position.
func (r *Receiver) move(id string, next uint64) {
	r.mu.Lock()
	r.setTold(id, next)
	r.mu.Unlock()
	r.settings.Keeping.Changed()
}

func (r *Receiver) earlierBoots() []bootSpan {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.boots)
}
