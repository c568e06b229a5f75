package check

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

const (
	// spread is how long the first runs are spread over: short, for the first report to
	// the Node waits for the first verdicts.
	spread = 2 * time.Second
	// jitterShare is the part of the interval by which a start may be late.
	jitterShare = 0.1
	// maxSleep bounds how long the loop sleeps: while the machine is suspended, the
	// timers stand still and the boot clock does not.
	maxSleep = time.Minute
)

// scheduled is a check with its schedule. But for the check itself it belongs to
// the loop.
type scheduled struct {
	Check
	number int            // among the checks of its runner
	byID   map[string]int // index in Rules
	attributes

	// first is when its first run is due, tick how many are behind it; due is when the
	// next one is, with its jitter. All are on the boot clock.
	first time.Duration
	tick  int64
	due   time.Duration
	// claim is when the run was due that waits or runs now.
	claim time.Duration
	stage stage
}

// stage is how far the run of a check is.
type stage uint8

const (
	idle stage = iota
	waiting
	running
	hanging // it has run for too long and holds no place any more
)

func newScheduled(number int, c Check, m *metrics) *scheduled {
	s := &scheduled{Check: c, number: number, byID: map[string]int{"": 0}, attributes: m.of(c.ID)}
	for i := range c.Rules {
		s.byID[c.Rules[i].ID] = i
	}
	return s
}

// agenda is a heap of checks, the one that is due first on top.
type agenda []*scheduled

func (a agenda) Len() int      { return len(a) }
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

// Less implements heap.Interface; of two that are due at once, the one that was
// declared first is first.
func (a agenda) Less(i, j int) bool {
	return a[i].due < a[j].due || (a[i].due == a[j].due && a[i].number < a[j].number)
}

// Push implements heap.Interface; the agenda never grows after its making.
func (a *agenda) Push(x any) { *a = append(*a, x.(*scheduled)) } //nolint:forcetypeassert // the only type

// Pop implements heap.Interface.
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// plan lays down the first runs.
func (r *Runner) plan(now time.Duration) agenda {
	list := make(agenda, len(r.checks))
	for i, c := range r.checks {
		c.first = now
		if r.schedule.Spread {
			c.first += min(c.Interval, spread) * time.Duration(i) / time.Duration(len(r.checks))
		}
		c.due, c.tick, c.stage = c.first, 0, idle
		list[i] = c
	}
	heap.Init(&list)
	return list
}

// loop lets checks run when they are due, until ctx is over; then it waits for
// those that are running.
func (r *Runner) loop(ctx context.Context) {
	var runs sync.WaitGroup
	defer runs.Wait()
	r.tellBacklogEnd(ctx)
	list := r.plan(r.settings.Clock.Now().Boot)
	var queue []*scheduled
	places := 0 // that are taken
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-r.ended:
			if c.stage == running {
				places--
			}
			c.stage = idle
		case c := <-r.overdue:
			places--
			c.stage = hanging
		case <-timer.C:
		}
		now := r.settings.Clock.Now().Boot
		queue = r.takeDue(ctx, list, queue, now)
		for len(queue) > 0 && (r.schedule.Concurrency == 0 || places < r.schedule.Concurrency) {
			c := queue[0]
			queue = queue[1:]
			c.stage = running
			places++
			runs.Go(func() { r.run(ctx, c, c.claim) })
		}
		timer.Reset(sleep(list, now))
	}
}

func sleep(list agenda, now time.Duration) time.Duration {
	if len(list) == 0 {
		return maxSleep
	}
	return min(max(list[0].due-now, 0), maxSleep)
}

// takeDue queues the checks that are due, but skips those whose last run is not
// over.
func (r *Runner) takeDue(ctx context.Context, list agenda, queue []*scheduled, now time.Duration) []*scheduled {
	for len(list) > 0 && list[0].due <= now {
		c := list[0]
		switch c.stage {
		case idle:
			c.stage, c.claim = waiting, c.due
			queue = append(queue, c)
		case waiting:
			r.metrics.skip(ctx, skippedWaiting, 1)
		default:
			r.metrics.skip(ctx, skippedRunning, 1)
		}
		r.metrics.skip(ctx, skippedLate, c.advance(now, r.jitter(c)))
		heap.Fix(&list, 0)
	}
	return queue
}

func (r *Runner) jitter(c *scheduled) time.Duration {
	if !r.schedule.Spread {
		return 0
	}
	return time.Duration(r.random() * jitterShare * float64(c.Interval))
}

// advance moves on to the next tick that is not over, and tells how many it has
// passed over: the machine was asleep, or too busy.
func (s *scheduled) advance(now, jitter time.Duration) (missed uint64) {
	next := max(s.tick+1, int64((now-s.first)/s.Interval)) // the last tick that has begun may yet be due, late by its jitter
	if s.first+time.Duration(next)*s.Interval+jitter <= now {
		next++
	}
	missed = uint64(next - s.tick - 1) //nolint:gosec // ticks only grow
	s.tick = next
	s.due = s.first + time.Duration(next)*s.Interval + jitter
	return missed
}
