package apiserver

import (
	"errors"
	"math/rand/v2"
	"time"
)

// The wait doubles from firstWait to lastWait. Nodes that failed at the same
// moment must not come back at the same moment: each wait is longer or shorter
// by up to spread.
const (
	firstWait = time.Second
	lastWait  = 10 * time.Second
	spread    = 0.2
)

// Backoff says how long to wait after each error in a row. The zero value is
// ready. It is not safe for concurrent use.
type Backoff struct {
	// Jitter returns numbers from 0 up to, not including, 1; nil: random ones.
	Jitter func() float64

	errors int
}

// Next returns how long to wait after err: 1 s, doubling to 10 s, 20 % more or
// less, and never less than the Retry-After of an [*Error].
func (b *Backoff) Next(err error) time.Duration {
	wait := firstWait << min(b.errors, 8)
	b.errors++
	random := b.random()
	wait = stretch(min(wait, lastWait), spread*(2*random-1))
	var own *Error
	if errors.As(err, &own) && own.RetryAfter > 0 {
		wait = max(wait, stretch(own.RetryAfter, spread*random))
	}
	return wait
}

// Reset begins anew after a success.
func (b *Backoff) Reset() { b.errors = 0 }

func (b *Backoff) random() float64 {
	if b.Jitter != nil {
		return b.Jitter()
	}
	return rand.Float64() //nolint:gosec // spreads load, guards nothing
}

func stretch(wait time.Duration, by float64) time.Duration {
	return wait + time.Duration(float64(wait)*by)
}
