package health

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// hour is the time within which repairs are counted; maxKept bounds what is kept of
// them.
const (
	hour    = time.Hour
	maxKept = 1024
)

// ledger are the repairs of the last hour, the newest last. Any goroutine may use it.
type ledger struct {
	mu   sync.Mutex
	made []repairMade
}

// repairMade is one of them.
type repairMade struct {
	Check string `json:"check"`
	// At is when, on the boot clock.
	At time.Duration `json:"at_ns"`
}

// within returns how often a check's service was repaired within the hour, and when
// last.
func (l *ledger) within(check string, now time.Duration) (last time.Duration, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.made {
		if one.Check == check && now-one.At < hour {
			last = one.At
			n++
		}
	}
	return last, n
}

func (l *ledger) add(check string, now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made = slices.DeleteFunc(l.made, func(one repairMade) bool { return now-one.At >= hour })
	l.made = append(l.made, repairMade{check, now})
}

// kept is the form of what outlives a receiver.
type kept struct {
	// Boot is the boot that the times are of. A reboot has started every service anew:
	// what was before does not count.
	Boot    string       `json:"boot"`
	Repairs []repairMade `json:"repairs"`
}

// Keep returns the repairs of the last hour.
func (r *Receiver) Keep() pipeline.Encode {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	if len(r.ledger.made) == 0 {
		return nil
	}
	k := kept{Boot: r.settings.Boot.ID, Repairs: slices.Clone(r.ledger.made)}
	return func() ([]byte, error) { return json.Marshal(k) }
}

// Resume makes the receiver count the repairs of the one before it.
func (r *Receiver) Resume(text []byte) error {
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("read which services were repaired: %w", err)
	}
	if k.Boot != r.settings.Boot.ID {
		return nil
	}
	if len(k.Repairs) > maxKept {
		return fmt.Errorf("read which services were repaired: %d repairs in an hour", len(k.Repairs))
	}
	now := r.settings.Clock.Now().Boot
	for _, one := range k.Repairs {
		if one.Check == "" || one.At < 0 || one.At > now {
			return errors.New("read which services were repaired: a repair without a service, or in the future")
		}
	}
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	r.ledger.made = k.Repairs
	return nil
}
