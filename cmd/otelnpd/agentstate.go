package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/state"
)

// conditionsSection is the name under which the condition store is kept, beside
// the components.
const conditionsSection = "conditions"

const (
	// cutPatience is how long a batch may be under way when a cut is to be taken.
	// Meanwhile no other batch begins.
	cutPatience = 250 * time.Millisecond
	// lastWriteLimit is how long the end waits for the last write, beside the time
	// that the exporters have.
	lastWriteLimit = 2 * time.Second
)

// stateComponent is what the state is called on the status pages.
var stateComponent = pipeline.ID{Type: "state"}

// stateDir is the directory for state: flag over environment over file. chosen
// tells whether somebody has named it.
func stateDir(flag, configured string) (dir string, chosen bool) {
	dir = cmp.Or(flag, os.Getenv(stateDirVariable), configured)
	return dir, dir != config.DefaultStateDir
}

// openState makes the directory ready and reads what was kept; nil: nothing was.
// Without a directory that can be used, state is kept in memory: where nobody has
// named one, that is told once.
func (a *agent) openState() (*state.Document, error) {
	dir := a.options.stateDir
	if dir == "" || dir == config.StateDirNone {
		return nil, nil //nolint:nilnil // there is no state
	}
	writer, err := state.NewWriter(state.Options{
		Dir: dir, Disk: a.options.disk, Capture: a.capture, Logger: a.logger, Clock: a.options.clock,
		Report:  func(status pipeline.Status) { a.board.Set(pipeline.KindService, stateComponent, status) },
		Meter:   a.telemetry.Meters().Meter("github.com/otelnpd/otelnpd/pipeline/state"),
		Version: version, Node: a.options.node, BootID: a.options.boot.ID,
	})
	if err != nil {
		return nil, err
	}
	a.board.Set(pipeline.KindService, stateComponent, pipeline.Status{State: pipeline.ComponentOK})
	document, err := writer.Open(context.Background())
	switch {
	case errors.Is(err, state.ErrLocked):
		return nil, fmt.Errorf("%w; stop it, or give this one another directory with --state-dir", err)
	case err != nil && !a.options.stateDirChosen && (errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS)):
		a.logger.Warn("state is kept in memory alone, and a restart forgets what is not on the Node or in the kernel's log: "+
			"let the agent write to "+dir+", or set service.state_dir (none, if that is meant)", "error", err)
		a.board.Remove(pipeline.KindService, stateComponent)
		_ = writer.Shutdown(context.Background()) // it holds nothing
		return nil, nil                           //nolint:nilnil // there is no state
	}
	a.writer.Store(writer)
	switch {
	case err == nil:
		return &document, nil
	case !errors.Is(err, fs.ErrNotExist):
		a.logger.Error("what was kept before this start cannot be read, and the agent goes on without it", "error", err)
	}
	return nil, nil //nolint:nilnil // nothing was kept
}

// keeping is how components tell of what must survive. The writer may come later.
func (a *agent) keeping() pipeline.Keeping {
	return pipeline.Keeping{
		OnChanged: func() { a.writer.Load().Changed() },
		OnMoved:   func() { a.writer.Load().Moved() },
		IsDurable: func() bool { return a.writer.Load() != nil },
		Sync:      func(ctx context.Context) error { return a.writer.Load().Sync(ctx) },
	}
}

// resume gives the store and the components what was kept of them. What cannot be
// read is told, and is as if it had not been kept.
func (a *agent) resume(document *state.Document) {
	if document == nil {
		return
	}
	if document.Node != a.options.node {
		a.logger.Error("what was kept is of another node, and the agent goes on without it: give each node a directory of its own",
			"kept_of", document.Node, "node", a.options.node, "state_dir", a.options.stateDir)
		return
	}
	if err := a.store.Resume(document.Sections[conditionsSection]); err != nil {
		// Positions without what was made of the lines before them would lose those.
		a.logger.Error("what was kept of the conditions cannot be used, and the agent goes on without all that was kept", "error", err)
		return
	}
	if err := a.running().Resume(document.Sections); err != nil {
		a.logger.Error("a part of what was kept cannot be used, and the agent goes on without it", "error", err)
	}
	a.logger.Info("the agent goes on from what was kept", "written", document.Written, "by_version", document.Version,
		"same_boot", document.BootID == a.options.boot.ID)
}

// capture takes one cut of all that must survive: no batch is in flight, and the
// store judges nothing meanwhile.
func (a *agent) capture() (map[string]pipeline.Encode, error) {
	sections := map[string]pipeline.Encode{}
	err := a.running().Hold(cutPatience, func() {
		sections[conditionsSection] = a.store.Keep(func() { maps.Copy(sections, a.running().Keep()) })
	})
	return sections, err
}

// soon is how long the Node waits to be told until the state is on disk, where it
// must be first.
const soon = 3 * time.Second

// syncSoon waits until all that has happened is on disk, but not for long: a disk
// that fails is itself worth reporting.
func (a *agent) syncSoon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	if err := a.writer.Load().Sync(ctx); err != nil && !errors.Is(err, state.ErrMemory) {
		a.logger.Debug("the Node is told before the state is on disk", "error", err)
	}
}

// syncLimit is how long an operator waits for what he has ordered to be on disk.
const syncLimit = 5 * time.Second

// sync waits until all that has happened is on disk. The note is for the operator,
// where it is not.
func (a *agent) sync(ctx context.Context) (note string) {
	ctx, cancel := context.WithTimeout(ctx, syncLimit)
	defer cancel()
	err := a.writer.Load().Sync(ctx)
	switch {
	case err == nil, errors.Is(err, state.ErrMemory):
		return ""
	default:
		return err.Error()
	}
}

// noteMemory tells an operator that what he has ordered does not last.
const noteMemory = "state is kept in memory alone, and a restart of the agent undoes this; service.state_dir lets it keep it"

// syncOrder waits as sync does. Its note tells too that nothing reaches a disk.
func (a *agent) syncOrder(ctx context.Context) (note string) {
	if a.writer.Load() == nil {
		return noteMemory
	}
	return a.sync(ctx)
}

// closeState makes the last write and gives the directory back.
func (a *agent) closeState() error {
	ctx, cancel := context.WithTimeout(context.Background(), lastWriteLimit)
	defer cancel()
	return a.writer.Load().Shutdown(ctx)
}
