package hoststat

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
	"github.com/otelnpd/otelnpd/pipeline/source/mounts"
)

// Reader reads a node's statistics. It is safe for concurrent use: one reading waits
// for the other.
type Reader struct {
	options Options
	view    hostview.View
	mounts  *mounts.Host
	asker   *mounts.Asker

	mu   sync.Mutex // of what follows: one reading at a time
	file fileReader
	// unseen is why the node's processes are not seen in this reading; nil: they are.
	unseen error
}

// New returns a reader. It reads nothing yet.
func New(options Options) *Reader {
	if options.Parts == 0 {
		options.Parts = AllParts
	}
	view := hostview.View{
		Root: cmp.Or(options.Root, "/"), Proc: cmp.Or(options.Proc, "/proc"), Sys: cmp.Or(options.Sys, "/sys"),
	}
	r := &Reader{options: options, view: view, mounts: mounts.NewHost(view)}
	r.ask(func(of *mounts.FileSystem) (mounts.Usage, error) { return mounts.Statfs(view.Root, of) })
	return r
}

// ask says how file systems are asked.
func (r *Reader) ask(by func(*mounts.FileSystem) (mounts.Usage, error)) {
	r.asker = mounts.NewAsker(pipeline.SystemClock{}, 0, by)
}

// Read reads all parts that are asked for. It waits for no file system that does not
// answer: two seconds at most, and less where ctx ends before. What is not read then
// has that error.
func (r *Reader) Read(ctx context.Context) Reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := Reading{Time: time.Now()}
	if r.options.Parts&(PartInterfaces|PartProcesses|PartFileSystems) != 0 {
		r.unseen = r.view.SeesProcesses()
	}
	for _, one := range r.parts(ctx, &n) {
		switch {
		case !r.options.Parts.has(one.part):
			*one.err = ErrNotAsked
		case ctx.Err() != nil:
			*one.err = ctx.Err()
		default:
			*one.err = one.read()
		}
	}
	r.name(&n)
	return n
}

// part is how a part of a reading is read.
type part struct {
	part Parts
	err  *error
	read func() error
}

func (r *Reader) parts(ctx context.Context, n *Reading) []part {
	return []part{
		{PartCPU, &n.CPU.Err, func() error { return r.proc("stat", n.CPU.parse) }},
		{PartLoad, &n.Load.Err, func() error { return r.proc("loadavg", n.Load.parse) }},
		{PartMemory, &n.Memory.Err, func() error { return r.proc("meminfo", n.Memory.parse) }},
		{PartPaging, &n.Paging.Err, func() error { return r.proc("vmstat", n.Paging.parse) }},
		{PartDisks, &n.Disks.Err, func() error { return r.readDisks(&n.Disks) }},
		{PartInterfaces, &n.Interfaces.Err, func() error { return r.readInterfaces(&n.Interfaces) }},
		{PartProcesses, &n.Processes.Err, func() error { return r.countProcesses(&n.Processes) }},
		{PartUptime, &n.Uptime.Err, func() error { return r.proc("uptime", n.Uptime.parse) }},
		{PartSystem, &n.System.Err, func() error { return r.readSystem(&n.System) }},
		{PartCommandLine, &n.CommandLine.Err, func() error { return r.readCommandLine(&n.CommandLine) }},
		{PartModules, &n.Modules.Err, func() error { return r.readModules(&n.Modules) }},
		{PartFileSystems, &n.FileSystems.Err, func() error { return r.readFileSystems(ctx, &n.FileSystems) }},
	}
}

// proc reads a file below /proc.
func (r *Reader) proc(path string, parse func([]byte) error) error {
	return r.file.read(r.view.ProcPath(path), parse)
}
