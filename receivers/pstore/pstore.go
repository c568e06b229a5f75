// Package pstore receives what the kernel has saved of its log before an earlier
// boot ended: the last lines before a panic, as records, and a record that tells what
// that boot came to.
package pstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/hung"
)

// Receiver tells once of what earlier boots have left.
type Receiver struct {
	settings pipeline.Settings
	config   *Config
	next     pipeline.Consumer
	id       string
	counters counters
	answers  *hung.Watch // over what is asked of file systems
	asking   func()      // is called before that, in tests; nil: nothing is

	cancel     context.CancelFunc // ends what Consume is given; nil: not started
	stop, done chan struct{}
	stopping   sync.Once

	mu    sync.Mutex
	told  map[string]uint64 // by id of a dump: the position behind what was accepted
	order []string          // of told, the one found last at the end
	boots []bootSpan        // earlier ones, in which a receiver has run

	// The rest belongs to the goroutine that Start begins.
	skipped map[string]string // by path: the reason that was counted
}

var _ pipeline.Keeper = (*Receiver)(nil)

// Start begins to read, in a goroutine of its own.
func (r *Receiver) Start(ctx context.Context) error {
	ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(r.done)
		r.run(ctx)
	}()
	return nil
}

// grace is how long Shutdown waits for a read that has begun, when its context has no
// time left. A disk may never answer.
const grace = time.Second

// Shutdown ends the reading after the batch under way. What has not been told stays
// where it is, for the next start.
func (r *Receiver) Shutdown(ctx context.Context) error {
	if r.cancel == nil {
		return nil
	}
	r.stopping.Do(func() { close(r.stop) })
	release := context.AfterFunc(ctx, r.cancel)
	defer release()
	select {
	case <-r.done:
		r.cancel()
		return nil
	case <-ctx.Done():
	}
	select {
	case <-r.done:
		return nil
	case <-time.After(grace):
		return fmt.Errorf("stop reading %s and %s: %w", r.path(), r.archive(), ctx.Err())
	}
}

func (r *Receiver) path() string { return filepath.Join(r.settings.Host.Sys, r.config.Path) }

func (r *Receiver) archive() string {
	if r.config.Archive == "" {
		return ""
	}
	return r.settings.Host.Path(r.config.Archive)
}

// again says when to look again after a look that went well: modules of backends are
// loaded, and systemd-pstore runs, a little after the boot. retry is for one that did
// not go well.
var again = []time.Duration{time.Minute, 10 * time.Minute}

const retry = time.Minute

// run looks until all has been told, or the receiver is stopped.
func (r *Receiver) run(ctx context.Context) {
	if r.pass(ctx, []pipeline.Record{r.backlogEnd()}, func() {}) != nil {
		return
	}
	for well := 0; ; {
		fault, err := r.look(ctx)
		if err != nil {
			return // the pipelines are shutting down
		}
		r.report(fault)
		pause := retry
		if fault == nil {
			if well == len(again) {
				return
			}
			pause = again[well]
			well++
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-r.stop:
			timer.Stop()
			return
		}
	}
}

// backlogEnd is the mark, which comes first: nothing here is of this boot, and nobody
// shall wait for a disk.
func (r *Receiver) backlogEnd() pipeline.Record {
	now := r.settings.Clock.Now()
	return pipeline.Record{
		Time: now.Wall, ObservedTime: now.Wall, Boot: pipeline.BootTime{ID: r.settings.Boot.ID, At: now.Boot},
		EventName: pipeline.EventBacklogEnd, Receiver: r.id,
		Attributes: pipeline.AttributeList{attribute.Bool(pipeline.AttributeBacklogComplete, true)},
	}
}

// fault says what is wrong.
type fault struct {
	reason, remedy string
	err            error
}

func (r *Receiver) report(f *fault) {
	if f == nil {
		r.settings.Report(pipeline.Status{State: pipeline.ComponentOK})
		return
	}
	r.settings.Report(pipeline.Status{State: pipeline.ComponentDegraded, Reason: f.reason, Remedy: f.remedy, Err: f.err})
}

// look reads all that is there and tells what is new. The error says that the
// pipelines take nothing any more.
func (r *Receiver) look(ctx context.Context) (*fault, error) {
	l := &look{oldest: r.settings.Boot.Start.Add(-r.config.MaxAge), skip: func(path, reason string) { r.skip(ctx, path, reason) }}
	// A file that is moved meanwhile is copied first: so this order finds each.
	where := r.path()
	r.ask(where, func() { l.list(r.path(), true) })
	if archive := r.archive(); archive != "" {
		r.ask(archive, func() { l.list(archive, false) })
		where += " or " + archive
	}
	var files []file
	r.ask(where, func() { files = l.read() })
	dumps := groupParts(partsOf(files))
	told, err := r.tellAll(ctx, dumps)
	if err != nil {
		return nil, err
	}
	if f := r.remove(ctx, told); f != nil {
		return f, nil
	}
	return faultOf(l.faults), nil
}

func faultOf(errs []error) *fault {
	if len(errs) == 0 {
		return nil
	}
	f := &fault{err: errors.Join(errs...)}
	f.reason = fmt.Sprintf("what earlier boots have left cannot be read: %v", errs[0])
	f.remedy = "look at the error; it is tried again every minute"
	if errors.Is(f.err, fs.ErrPermission) {
		f.remedy = fmt.Sprintf("run as root or grant CAP_DAC_READ_SEARCH (this is uid %d); it is tried again every minute", os.Geteuid())
	}
	return f
}

// skip counts a file that is left out, once for each reason.
func (r *Receiver) skip(ctx context.Context, path, reason string) {
	if r.skipped[path] == reason {
		return
	}
	if len(r.skipped) > 4*maxEntries {
		clear(r.skipped)
	}
	r.skipped[path] = reason
	r.counters.files.Add(ctx, reason, 1)
	if reason == skipCompressed {
		r.settings.Logger.Warn("an earlier boot left a dump that the kernel could not decompress: boot a kernel that knows its compression", "file", path)
		return
	}
	r.settings.Logger.Debug("a file that an earlier boot left is not told", "file", path, "reason", reason)
}
