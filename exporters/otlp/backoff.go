package otlp

import (
	"math/rand/v2"
	"time"
)

// The wait before the next try doubles from firstRetry to lastRetry. A Collector that
// asks for more is given that, up to longestRetry: it may not silence a node for ever.
const (
	firstRetry   = time.Second
	lastRetry    = 30 * time.Second
	longestRetry = 5 * time.Minute
)

// backoff is how long to wait after failures. Each wait is up to a quarter longer than
// it must be, so that nodes which have failed together do not come back together.
type backoff struct{ wait time.Duration }

// next returns the wait after one more failure, of which the Collector says how long
// it asks to be left alone; 0: it does not say.
func (b *backoff) next(asked time.Duration) time.Duration {
	b.wait = min(max(2*b.wait, firstRetry), lastRetry)
	wait := b.wait
	if asked > 0 {
		wait = min(asked, longestRetry)
	}
	return wait + rand.N(wait/4+1) //nolint:gosec // no secret hangs on it
}

func (b *backoff) reset() { b.wait = 0 }
