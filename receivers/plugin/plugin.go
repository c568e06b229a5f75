// Package plugin runs commands again and again, and takes what they print and how
// they exit for verdicts: the custom plugins of node-problem-detector, plugins of
// Nagios, and commands that print JSON.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/receivers/plugin/command"
)

// Receiver runs commands.
type Receiver struct {
	settings pipeline.Settings
	launcher *command.Launcher
	metrics  *metrics
	runner   *check.Runner
	keys     []string

	// atOnce is closed when there is no time to end commands in a friendly way.
	atOnce chan struct{}
	hurry  sync.Once

	mu    sync.Mutex
	stage stage
}

// stage is how far a receiver is.
type stage int

const (
	fresh stage = iota
	started
	stopped
)

// killLimit is longer than the launcher takes to kill, or to give up what it cannot.
const killLimit = 3 * time.Second

var _ pipeline.Component = (*Receiver)(nil)

// Start begins to run the commands.
func (r *Receiver) Start(ctx context.Context) error {
	if err := r.launcher.Open(); err != nil {
		return fmt.Errorf("prepare to run commands: %w", err)
	}
	if err := r.metrics.observe(func() int { return r.launcher.StuckCount(r.keys) }); err != nil {
		return errors.Join(err, r.launcher.Close(ctx))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stage = started
	return r.runner.Start(ctx)
}

// Shutdown ends the commands that are running: by SIGTERM and SIGKILL as long as ctx
// lets, else by SIGKILL at once. What they said is not passed on.
func (r *Receiver) Shutdown(ctx context.Context) error {
	release := context.AfterFunc(ctx, r.kill)
	defer release()
	if err := r.end(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	was := r.stage
	r.stage = stopped
	r.mu.Unlock()
	if was != started {
		return nil
	}
	r.metrics.forget()
	return r.launcher.Close(ctx)
}

// end ends what is running. Where ctx leaves no time, it waits for what is killed all
// the same: that is soon over, and a successor must not run beside it.
func (r *Receiver) end(ctx context.Context) error {
	if r.runner.Shutdown(ctx) == nil {
		return nil
	}
	r.kill()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killLimit)
	defer cancel()
	return r.runner.Shutdown(ctx)
}

func (r *Receiver) kill() { r.hurry.Do(func() { close(r.atOnce) }) }
