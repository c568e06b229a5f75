package kmsg

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	source "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

// kept is the form of what outlives a receiver.
type kept struct {
	Boot       string            `json:"boot_id"`
	Source     string            `json:"source"`
	Generation uint64            `json:"generation,omitempty"`
	Started    time.Duration     `json:"started_ns"`
	Offsets    *source.Offsets   `json:"offsets,omitempty"`
	Position   *keptPosition     `json:"position,omitempty"` // nil: nothing has been looked at
	Untold     map[string]uint64 `json:"untold,omitempty"`
}

type keptPosition struct {
	First    uint64 `json:"first"`
	Next     uint64 `json:"next"`
	Complete bool   `json:"complete"`
}

// Keep returns where the receiver has come to: what is behind that, the pipelines
// have not accepted. It may be called while the receiver works.
func (r *Receiver) Keep() pipeline.Encode {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, offsets := r.position, r.offsets
	if p.started == 0 || r.settings.Boot.ID == "" {
		return nil
	}
	if r.subscription != nil {
		offsets = r.subscription.Offsets()
	}
	return func() ([]byte, error) { return json.Marshal(r.form(p, offsets)) }
}

func (r *Receiver) form(p position, offsets *source.Offsets) kept {
	k := kept{
		Boot: r.settings.Boot.ID, Source: r.source, Generation: p.generation, Started: p.started, Offsets: offsets,
	}
	if p.begun {
		k.Position = &keptPosition{First: p.first, Next: p.next, Complete: p.complete}
	}
	for _, reason := range source.Reasons() {
		if n := p.untold[reason]; n > 0 {
			if k.Untold == nil {
				k.Untold = map[string]uint64{}
			}
			k.Untold[reason.String()] = n
		}
	}
	return k
}

// Resume makes the receiver go on from a position of the same boot and path; of
// another one it takes nothing.
func (r *Receiver) Resume(text []byte) error {
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("read the kept position: %w", err)
	}
	if k.Boot == "" || k.Boot != r.settings.Boot.ID || k.Source != r.source {
		r.settings.Logger.Debug("what was kept is of another boot or path", "boot_id", k.Boot, "source", k.Source)
		return nil
	}
	if err := k.check(); err != nil {
		return fmt.Errorf("read the kept position: %w", err)
	}
	p := position{generation: k.Generation, started: k.Started}
	if k.Position != nil {
		p.begun, p.first, p.next, p.complete = true, k.Position.First, k.Position.Next, k.Position.Complete
	}
	for _, reason := range source.Reasons() {
		p.untold[reason] = k.Untold[reason.String()]
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.position, r.offsets = p, k.Offsets
	return nil
}

// maxOffset bounds the offsets, so that sums with them stay numbers.
const maxOffset = math.MaxInt64 / 2

func (k *kept) check() error {
	var errs []error
	if k.Started <= 0 || k.Started > maxOffset {
		errs = append(errs, fmt.Errorf("started_ns is %d", int64(k.Started)))
	}
	if p := k.Position; p != nil && (p.First > p.Next || p.Next > math.MaxInt64) {
		errs = append(errs, fmt.Errorf("first is %d and next is %d", p.First, p.Next))
	}
	if o := k.Offsets; o != nil && (max(o.Wall, o.Boot) > maxOffset || min(o.Wall, o.Boot) < -maxOffset) {
		errs = append(errs, fmt.Errorf("the offsets are %d and %d", o.Wall, o.Boot))
	}
	for reason, n := range k.Untold {
		if n > math.MaxInt64 {
			errs = append(errs, fmt.Errorf("%d records were lost for %q", n, reason))
		}
	}
	return errors.Join(errs...)
}
