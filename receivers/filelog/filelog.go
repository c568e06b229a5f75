// Package filelog receives the lines of text files as records, whatever becomes of the
// files.
package filelog

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/receivers/filelog/format"
)

// Receiver passes on the lines of files.
type Receiver struct {
	settings pipeline.Settings
	config   *Config
	next     pipeline.Consumer
	counters counters
	id       string
	start    *regexp.Regexp // of records; nil: each line is one
	skip     [][]byte
	tuning   tuning

	cancel     context.CancelFunc // ends what Consume is given
	stopping   chan struct{}
	stopped    sync.Once
	done       chan struct{} // closed once the goroutine has ended; nil: Start was not called
	handedOver atomic.Bool   // a successor reads again what is refused

	mu     sync.Mutex
	paths  map[string]*keptPath // as far as the pipelines have accepted
	boots                       // set by Start or Resume
	keptAt time.Time            // when the paths were kept that it goes on with

	scope string         // of places; set by Start or Resume
	zone  *time.Location // set by Start
}

// tuning is what tests set differently.
type tuning struct {
	glance    time.Duration // between two reads, while the kernel tells of many changes
	look      time.Duration // between two looks at the paths, likewise
	poll      time.Duration // between two looks that nobody asks for
	enumerate time.Duration // between two searches for what patterns match
	patience  time.Duration // in the search for a file of before; 0: the source's own
	forget    time.Duration // until a path that a pattern had found is not followed any more
	answer    time.Duration // that the file systems have at start until nobody waits for them
	silence   time.Duration // after which one does not answer
	asking    func()        // is called where a file system is asked; nil: nothing is
}

var defaultTuning = tuning{
	glance: 10 * time.Millisecond, look: 100 * time.Millisecond, poll: time.Second, enumerate: 5 * time.Second, forget: time.Minute,
	answer: 2 * time.Second, silence: 10 * time.Second,
}

var _ pipeline.Keeper = (*Receiver)(nil)

// New returns a receiver that has not started.
func New(settings pipeline.Settings, config *Config, next pipeline.Consumer) (*Receiver, error) {
	counters, err := newCounters(&settings)
	if err != nil {
		return nil, err
	}
	start, err := compile(config.Multiline.Start)
	if err != nil {
		return nil, fmt.Errorf("compile multiline.start: %w", err)
	}
	if _, err := config.parser(); err != nil {
		return nil, err
	}
	r := &Receiver{
		settings: settings, config: config, next: next, counters: counters, id: settings.ID.String(), start: start,
		tuning: defaultTuning, stopping: make(chan struct{}), paths: map[string]*keptPath{},
	}
	for _, text := range config.Skip {
		r.skip = append(r.skip, []byte(text))
	}
	return r, nil
}

// Start begins to follow the files. What is in them by then is backlog. It does not
// wait for long for a file system that does not answer.
func (r *Receiver) Start(ctx context.Context) error {
	zone, err := hostZone(r.settings.Host, r.config.TimeZone)
	if err != nil {
		return fmt.Errorf("start the receiver %s: %w", r.id, err)
	}
	r.zone = zone
	ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	r.mu.Lock()
	resumed := r.begin()
	w := newWork(ctx, r, resumed)
	r.done = make(chan struct{})
	r.mu.Unlock()
	opened := make(chan struct{})
	answered := make(chan struct{})
	go func() { //nolint:contextcheck // ctx is the work's own by now
		defer close(opened)
		w.begin()
	}()
	go func() { //nolint:contextcheck // likewise
		defer close(r.done)
		w.awaitFiles(opened)
		close(answered)
		<-opened
		w.run()
	}()
	<-answered
	return nil
}

// begin sets what a first start has to find out. r.mu is held.
func (r *Receiver) begin() (resumed map[string]*keptPath) {
	if r.scope == "" {
		r.scope = machine(r.settings.Host, r.settings.Node)
	}
	r.boots.begin(r.settings.Boot, r.settings.Clock.Now())
	return maps.Clone(r.paths)
}

// machine is the machine id of the host, which outlives a boot: machine-id(5).
func machine(host pipeline.Host, node string) string {
	text, err := os.ReadFile(host.Path("/etc/machine-id"))
	if id := string(bytes.TrimSpace(text)); err == nil && id != "" && len(id) <= 64 {
		return id
	}
	return "node:" + node
}

// Shutdown ends the reading behind the batch under way, and waits for it as far as ctx
// lets.
func (r *Receiver) Shutdown(ctx context.Context) error {
	r.mu.Lock()
	done := r.done
	r.mu.Unlock()
	if done == nil {
		return nil
	}
	if pipeline.IsHandOver(ctx) {
		r.handedOver.Store(true)
	}
	r.stopped.Do(func() { close(r.stopping) })
	select {
	case <-done:
		r.cancel()
		return nil
	case <-ctx.Done():
		r.cancel() // at once: what is sent from now on is refused
		return fmt.Errorf("wait for the batch under way: %w", ctx.Err())
	}
}

// move notes that the pipelines have accepted all up to there.
func (r *Receiver) move(path string, k *keptPath) {
	r.mu.Lock()
	r.paths[path] = k
	r.mu.Unlock()
	r.settings.Keeping.Moved()
}

// forget notes that a path is not followed any more.
func (r *Receiver) forget(path string) {
	r.mu.Lock()
	delete(r.paths, path)
	r.mu.Unlock()
	r.settings.Keeping.Moved()
}

func (r *Receiver) newStream() *stream {
	parser, err := r.config.parser()
	if err != nil { // New has made one of the same configuration
		parser = format.New(format.Plain, format.Options{})
	}
	s := &stream{when: format.Times{Zone: r.zone}}
	s.assembler = assembler{parser: parser, wraps: r.config.Format == format.CRI || r.config.Format == format.Docker, start: r.start}
	return s
}
