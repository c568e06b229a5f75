package pipelinetest

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/otelnpd/otelnpd/pipeline"
)

// BootID is the boot that [Settings] say the agent runs in.
const BootID = "5d2b3c1e-0000-4000-8000-00000000b007"

// Settings returns settings for a component under test: log lines go to the
// test's output, metrics nowhere, the clock is the system's.
func Settings(t testing.TB, id string) pipeline.Settings {
	t.Helper()
	parsed, err := pipeline.ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	clock := pipeline.SystemClock{}
	now := clock.Now()
	return pipeline.Settings{
		ID:      parsed,
		Logger:  slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
		Meter:   noop.NewMeterProvider().Meter("test"),
		Host:    pipeline.DefaultHost(),
		Node:    "node-1",
		Boot:    pipeline.Boot{ID: BootID, Start: now.Wall.Add(-now.Boot)},
		Clock:   clock,
		Report:  func(pipeline.Status) {},
		Keeping: (&Kept{}).Keeping(),
		Version: "test",
	}
}

// Kept counts what a component tells of what it keeps. It is safe for concurrent
// use.
type Kept struct {
	changed, moved atomic.Int64
}

// Keeping returns what to give as Settings.Keeping: nothing outlives the process,
// unless the test sets Durable.
func (k *Kept) Keeping() pipeline.Keeping {
	return pipeline.Keeping{
		OnChanged: func() { k.changed.Add(1) },
		OnMoved:   func() { k.moved.Add(1) },
	}
}

// Changed returns how often something changed that a restart must not lose.
func (k *Kept) Changed() int { return int(k.changed.Load()) }

// Moved returns how often only a position moved.
func (k *Kept) Moved() int { return int(k.moved.Load()) }

// Clock is a clock that stands still until a test moves it.
type Clock struct {
	mu  sync.Mutex
	now pipeline.Instant
}

// NewClock returns a clock that shows now. Where now.Raw is 0, there has been no
// suspend.
func NewClock(now pipeline.Instant) *Clock {
	if now.Raw == 0 {
		now.Raw = now.Boot
	}
	return &Clock{now: now}
}

// Now returns what the clock shows.
func (c *Clock) Now() pipeline.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance lets d pass on all clocks.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Wall = c.now.Wall.Add(d)
	c.now.Boot += d
	c.now.Raw += d
}

// Suspend lets d pass with the machine asleep.
func (c *Clock) Suspend(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Wall = c.now.Wall.Add(d)
	c.now.Boot += d
}

// StepWall sets the wall clock forward or back, as an operator or NTP does.
func (c *Clock) StepWall(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Wall = c.now.Wall.Add(d)
}

// Statuses records what a component reports of itself.
type Statuses struct {
	mu  sync.Mutex
	all []pipeline.Status
}

// Report notes a status; give it as Settings.Report.
func (s *Statuses) Report(status pipeline.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, status)
}

// Last returns the newest status; the zero status if there is none.
func (s *Statuses) Last() pipeline.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) == 0 {
		return pipeline.Status{}
	}
	return s.all[len(s.all)-1]
}
