package filelog

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/file"
)

// kept is the form of what outlives a receiver.
type kept struct {
	Scope    string               `json:"scope"`
	Boot     keptBoot             `json:"boot"`
	Previous keptBoot             `json:"previous_boot,omitzero"`
	Paths    map[string]*keptPath `json:"paths"`
	// At is when it was kept: what was made later is new.
	At int64 `json:"at_ns"`
}

type keptBoot struct {
	ID    string `json:"id"`
	Start int64  `json:"start_ns"`
}

// The bounds of what is read back.
const (
	maxKept = 16 << 20
	maxName = 8 << 10
)

// Keep returns how far the pipelines have accepted the files; nil: nothing has
// started. It may be called while the receiver works.
func (r *Receiver) Keep() pipeline.Encode {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.scope == "" || r.boot.id == "" {
		return nil
	}
	k := kept{
		Scope: r.scope, Boot: r.boot.form(), Previous: r.previous.form(), Paths: map[string]*keptPath{},
		At: r.settings.Clock.Now().Wall.UnixNano(),
	}
	for path, one := range r.paths {
		k.Paths[file.Name(path)] = one
	}
	return func() ([]byte, error) { return json.Marshal(k) }
}

func (b bootStart) form() keptBoot {
	if b.id == "" {
		return keptBoot{}
	}
	return keptBoot{ID: b.id, Start: b.start.UnixNano()}
}

func (k keptBoot) boot() bootStart {
	if k.ID == "" {
		return bootStart{}
	}
	return bootStart{k.ID, time.Unix(0, k.Start)}
}

// Resume makes the receiver go on from a position.
func (r *Receiver) Resume(text []byte) error {
	if len(text) > maxKept {
		return fmt.Errorf("the kept positions have %d bytes; at most %d are read", len(text), maxKept)
	}
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("read the kept positions: %w", err)
	}
	if err := k.check(); err != nil {
		return fmt.Errorf("read the kept positions: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scope, r.boots = k.Scope, boots{k.Boot.boot(), k.Previous.boot()}
	r.keptAt = time.Unix(0, k.At)
	r.paths = map[string]*keptPath{}
	for name, one := range k.Paths {
		if path := file.PathOf(name); r.config.matches(path) {
			r.paths[path] = one
		}
	}
	return nil
}

func (k *kept) check() error {
	if k.Scope == "" || len(k.Scope) > maxName || k.Boot.ID == "" || max(len(k.Boot.ID), len(k.Previous.ID)) > maxName {
		return errors.New("there is no scope or boot")
	}
	if min(k.Boot.Start, k.Previous.Start) < -maxTime || max(k.Boot.Start, k.Previous.Start) > maxTime {
		return fmt.Errorf("the boots start at %d and %d", k.Boot.Start, k.Previous.Start)
	}
	if k.At < 0 || k.At > maxTime {
		return fmt.Errorf("it was kept at %d", k.At)
	}
	if len(k.Paths) > maxTails {
		return fmt.Errorf("there are %d paths; at most %d are read", len(k.Paths), maxTails)
	}
	var errs []error
	for path, one := range k.Paths {
		if one == nil || len(path) > maxName {
			errs = append(errs, fmt.Errorf("the path %.100q has nothing", path))
			continue
		}
		if err := one.check(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
	}
	return errors.Join(errs...)
}

func (k *keptPath) check() error {
	if len(k.Files) > 2*file.MaxFiles || k.Since < -maxTime || k.Since > maxTime {
		return fmt.Errorf("%d files since %d", len(k.Files), k.Since)
	}
	var errs []error
	for i := range k.Files {
		errs = append(errs, k.Files[i].check())
	}
	return errors.Join(errs...)
}

func (k *keptFile) check() error {
	errs := []error{k.Position.Check()}
	if k.From < 0 || k.From > k.Offset || k.Told > math.MaxInt64/2 || len(k.Marks) > maxMarks {
		errs = append(errs, fmt.Errorf("read from %d of %d, told up to %d, with %d marks", k.From, k.Offset, k.Told, len(k.Marks)))
	}
	for i, m := range k.Marks {
		if m.Offset < k.From || i > 0 && m.Offset <= k.Marks[i-1].Offset || m.Time < -maxTime || m.Time > maxTime {
			errs = append(errs, fmt.Errorf("mark %d is at %d, of %d", i, m.Offset, m.Time))
		}
	}
	return errors.Join(errs...)
}

// maxTime bounds times, so that sums with them stay numbers.
const maxTime = math.MaxInt64 / 2
