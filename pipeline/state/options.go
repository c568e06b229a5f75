package state

import (
	"cmp"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
)

// The defaults of [Options].
const (
	DefaultChangedInterval  = time.Second
	DefaultMovedInterval    = 10 * time.Second
	DefaultMaxRetryInterval = 30 * time.Second
	DefaultStallLimit       = 5 * time.Second
)

var (
	// ErrMemory is what Sync returns where there is no state directory.
	ErrMemory = errors.New("state is kept in memory alone")
	// ErrDegraded is what Sync returns when what is kept is not on the disk. It
	// wraps why.
	ErrDegraded = errors.New("state is degraded")

	errNoAnswer = errors.New("the disk does not answer")
	errEnded    = errors.New("the agent is shutting down")
)

// Options say what a writer writes, where, and whom it tells. All are required but
// those that name a default.
type Options struct {
	// Dir is the state directory. It is made where it is missing.
	Dir string
	// Clock gives the time that is written into the file. When to write is
	// decided by the monotonic clock.
	Clock pipeline.Clock
	// Logger is told of files that cannot be read. How writing does, Report is.
	Logger *slog.Logger
	// Meter makes the writer's metrics. A process makes one writer.
	Meter metric.Meter
	// Version of the agent, Node's name and BootID are written into the file.
	Version, Node, BootID string
	// Capture takes a consistent cut of all that is kept, by the name of its
	// section. It is called by the writer's goroutine, and is quick. An error,
	// such as [pipeline.ErrStalled], is counted, and it is called again later.
	Capture func() (map[string]pipeline.Encode, error)
	// Report is told how the state does: ok, or degraded with reason and remedy.
	// It must not call the writer.
	Report func(pipeline.Status)
	// Disk is where the file is; the default is [NewDisk] of Dir.
	Disk Disk

	// ChangedInterval is the least time between two writes.
	ChangedInterval time.Duration
	// MovedInterval is how long a position that has moved waits for others.
	MovedInterval time.Duration
	// MaxRetryInterval bounds the back-off after failures, which begins at
	// ChangedInterval.
	MaxRetryInterval time.Duration
	// StallLimit is how long a write may take before state is degraded.
	StallLimit time.Duration
}

func (o Options) withDefaults() Options {
	if o.Disk == nil {
		o.Disk = NewDisk(o.Dir)
	}
	o.ChangedInterval = cmp.Or(o.ChangedInterval, DefaultChangedInterval)
	o.MovedInterval = cmp.Or(o.MovedInterval, DefaultMovedInterval)
	o.MaxRetryInterval = cmp.Or(o.MaxRetryInterval, DefaultMaxRetryInterval)
	o.StallLimit = cmp.Or(o.StallLimit, DefaultStallLimit)
	return o
}
