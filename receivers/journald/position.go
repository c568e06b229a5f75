package journald

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/journal"
)

// position is how far the receivers of one journal, one after the other, have come.
type position struct {
	// first is the first entry that was looked at; what is before it is no context.
	first journal.Cursor
	// read is what the pipelines have accepted; its cursor is zero where nothing is
	// known yet.
	read journal.Position
}

func (p *position) same(other *position) bool {
	return p.first == other.first && p.read.Cursor == other.read.Cursor && maps.Equal(p.read.Told, other.read.Told)
}

// kept is the form of what outlives a receiver.
type kept struct {
	Source string            `json:"source"`
	First  journal.Cursor    `json:"first"`
	Cursor journal.Cursor    `json:"cursor"`
	Told   map[string]uint64 `json:"told,omitempty"`

	Ends map[string]journal.Cursor `json:"ends,omitempty"`
}

// sourceName names what a position is of: the directories.
func sourceName(config *Config) string {
	var paths []string
	for _, directory := range config.Directories {
		paths = append(paths, filepath.Clean(directory))
	}
	return strings.Join(paths, ":")
}

// Keep returns where the receiver has come to: what is behind that, the pipelines
// have not accepted. It may be called while the receiver works.
func (r *Receiver) Keep() pipeline.Encode {
	r.mu.Lock()
	p := r.position
	r.mu.Unlock()
	if p.read.Cursor.IsZero() {
		return nil
	}
	return func() ([]byte, error) {
		return json.Marshal(kept{Source: r.source, First: p.first, Cursor: p.read.Cursor, Told: p.read.Told, Ends: p.read.Ends})
	}
}

// Resume makes the receiver go on from a position in the same directories; of others
// it takes nothing.
func (r *Receiver) Resume(text []byte) error {
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("read the kept position: %w", err)
	}
	if k.Source != r.source {
		r.settings.Logger.Debug("what was kept is of other directories", "source", k.Source)
		return nil
	}
	if k.Cursor.IsZero() {
		return errors.New("read the kept position: it has no cursor")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.position = position{first: k.First, read: journal.Position{Cursor: k.Cursor, Told: k.Told, Ends: k.Ends}}
	r.resumed = true
	return nil
}

// idleMoves is how often a position that moves with entries of others, while none of
// the receiver's own come, is told to have moved.
const idleMoves = 5 * time.Minute

// settle notes, when all is read, that the entries up to there need not be looked at
// again: so a receiver of rare entries does not take for lost what is removed.
func (r *Receiver) settle() {
	read := r.reader.Position()
	if read.Cursor.IsZero() {
		if read.Cursor = r.reader.Tail(); read.Cursor.IsZero() {
			return
		}
	}
	r.mu.Lock()
	before := r.position
	r.position.read = read
	if r.position.first.IsZero() {
		r.position.first = read.Cursor
	}
	moved := !r.position.same(&before)
	r.reached = r.position
	r.mu.Unlock()
	if now := r.settings.Clock.Now().Boot; moved && (before.read.Cursor.IsZero() || now-r.movedAt > idleMoves) {
		r.movedAt = now
		r.settings.Keeping.Moved()
	}
}

// move notes that the pipelines have accepted the batch under way.
func (r *Receiver) move() {
	r.mu.Lock()
	moved := !r.reached.same(&r.position)
	r.position = r.reached
	r.mu.Unlock()
	if moved {
		r.movedAt = r.settings.Clock.Now().Boot
		r.settings.Keeping.Moved()
	}
}
