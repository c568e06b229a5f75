package main

import (
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/otelnpd/otelnpd/pipeline"
)

// statusWatch tells the log and the condition store how components do. It works
// in a goroutine of its own: a component may report itself from inside a call
// that the store makes.
type statusWatch struct {
	board    *pipeline.StatusBoard
	logger   *slog.Logger
	degraded func(receiver string, degraded bool)

	changed chan struct{}
	end     chan struct{}
	once    sync.Once
	started bool
	done    sync.WaitGroup
	known   map[string]pipeline.ComponentStatus
}

func newStatusWatch(board *pipeline.StatusBoard, logger *slog.Logger, degraded func(string, bool)) *statusWatch {
	w := &statusWatch{
		board: board, logger: logger, degraded: degraded,
		changed: make(chan struct{}, 1), end: make(chan struct{}),
		known: map[string]pipeline.ComponentStatus{},
	}
	board.Watch(func(pipeline.ComponentStatus) {
		select {
		case w.changed <- struct{}{}:
		default: // the goroutine will look at the whole board anyway
		}
	})
	return w
}

func (w *statusWatch) start() {
	w.started = true
	w.done.Go(func() {
		for {
			select {
			case <-w.changed:
				w.look()
			case <-w.end:
				return
			}
		}
	})
}

// stop ends the goroutine and tells what had not been told. If it was never
// started, nothing is told: the error of the start says it all.
func (w *statusWatch) stop() {
	if !w.started {
		return
	}
	w.once.Do(func() { close(w.end) })
	w.done.Wait()
	w.look()
}

func (w *statusWatch) look() {
	all := w.board.All()
	maps.DeleteFunc(w.known, func(key string, _ pipeline.ComponentStatus) bool {
		return !slices.ContainsFunc(all, func(now pipeline.ComponentStatus) bool { return now.Kind+" "+now.ID == key })
	})
	for _, now := range all {
		key := now.Kind + " " + now.ID
		before, seen := w.known[key]
		if before.State == pipeline.ComponentDegraded && now.State == pipeline.ComponentStarting {
			continue // a successor, of which nothing is known yet
		}
		if seen && before.State == now.State && before.Reason == now.Reason {
			continue
		}
		w.known[key] = now
		w.tell(before, now)
	}
}

func (w *statusWatch) tell(before, now pipeline.ComponentStatus) {
	wasDegraded := before.State == pipeline.ComponentDegraded
	isDegraded := now.State == pipeline.ComponentDegraded
	switch {
	case isDegraded:
		w.logger.Warn(now.Kind+" "+now.ID+" is degraded: "+now.Reason, "remedy", now.Remedy)
	case wasDegraded:
		w.logger.Info(now.Kind+" "+now.ID+" works again", "was", before.Reason)
	}
	if now.Kind == pipeline.KindReceiver && wasDegraded != isDegraded {
		w.degraded(now.ID, isDegraded)
	}
}
