package check

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// Check is something that is asked again and again.
type Check struct {
	// ID names the check in metrics and messages. It is unique in its runner.
	ID string
	// Rules judge what it finds; they are those that its component declares. There is
	// at least one.
	Rules []condition.Rule
	// Interval is the time between the starts of two runs. A run that is not over when
	// the next one is due lets that be skipped: there is never one beside another, and
	// none is made up for.
	Interval time.Duration
	// Timeout ends the context of a run; 0: there is none. A run that has not returned
	// two seconds after that is unknown, whatever it says in the end. It keeps its check
	// busy until then, and nothing else.
	Timeout time.Duration
	// Run asks. It is called by one goroutine at a time; those of several checks run at
	// once. When ctx is over it returns soon.
	Run func(ctx context.Context) Report
}

// Schedule is when the checks of a runner run.
type Schedule struct {
	// Concurrency is how many run at once at most, first come first served; 0: all.
	Concurrency int
	// Spread spreads the first runs over two seconds, or over the interval where that
	// is shorter, and lets every later one begin up to a tenth of the interval late, so
	// that checks of one interval do not fall together. Without it all begin at the
	// start, and each next one an interval later.
	Spread bool
}

// Runner runs checks and sends what they find. It is a receiver, or its heart.
//
// Each check has a schedule of its own, at a fixed rate of the boot clock: a slow
// one delays nobody but, where the concurrency is limited, those that wait.
type Runner struct {
	settings pipeline.Settings
	next     pipeline.Consumer
	checks   []*scheduled
	schedule Schedule
	metrics  *metrics
	board    board

	// random gives what is added to a start, as a share of a tenth of the interval: 0 to 1.
	random func() float64
	// ended and overdue tell the loop of runs that have ended, or that hold no place any
	// more although they have not.
	ended, overdue chan *scheduled

	// sending is held by the one goroutine that calls next.
	sending chan struct{}

	mu     sync.Mutex
	cancel context.CancelFunc // set by Start
	done   chan struct{}      // closed when nothing runs any more
}

var _ pipeline.Component = (*Runner)(nil)

// NewRunner makes a runner without side effects.
func NewRunner(settings pipeline.Settings, next pipeline.Consumer, checks []Check, schedule Schedule) (*Runner, error) {
	r := &Runner{
		settings: settings, next: next, schedule: schedule, random: rand.Float64,
		sending: make(chan struct{}, 1), ended: make(chan *scheduled), overdue: make(chan *scheduled),
		board: board{report: settings.Report, checks: map[string]Degraded{}},
	}
	if err := validate(checks, schedule); err != nil {
		return nil, err
	}
	var err error
	if r.metrics, err = newMetrics(settings); err != nil {
		return nil, err
	}
	for i := range checks {
		r.checks = append(r.checks, newScheduled(i, checks[i], r.metrics))
	}
	return r, nil
}

func validate(checks []Check, schedule Schedule) error {
	var errs []error
	if schedule.Concurrency < 0 {
		errs = append(errs, fmt.Errorf("%d checks at once are none", schedule.Concurrency))
	}
	seen := map[string]bool{}
	for i := range checks {
		c := &checks[i]
		switch {
		case seen[c.ID]:
			errs = append(errs, fmt.Errorf("check %q is there twice", c.ID))
		case len(c.Rules) == 0, c.Run == nil:
			errs = append(errs, fmt.Errorf("check %q asks nothing, or nobody judges it", c.ID))
		case c.Interval <= 0, c.Timeout < 0:
			errs = append(errs, fmt.Errorf("check %q: an interval of %s with a timeout of %s is none", c.ID, c.Interval, c.Timeout))
		}
		seen[c.ID] = true
	}
	return errors.Join(errs...)
}

// Start begins to run the checks.
func (r *Runner) Start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel, r.done = cancel, make(chan struct{})
	r.board.begin()
	go func(done chan struct{}) {
		defer close(done)
		r.loop(ctx)
	}(r.done)
	return nil
}

// Shutdown interrupts the runs under way and waits for them. What they say then is
// not passed on: they were not let finish.
func (r *Runner) Shutdown(ctx context.Context) error {
	r.mu.Lock()
	cancel, done := r.cancel, r.done
	r.mu.Unlock()
	if done == nil {
		return nil
	}
	cancel()
	select {
	case <-done:
		return nil
	default:
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the checks that are running: %w", ctx.Err())
	}
}
