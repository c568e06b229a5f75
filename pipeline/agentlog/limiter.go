package agentlog

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// window is the time over which repeats are counted.
const window = time.Minute

const (
	// maxTracked bounds the different messages that are told apart in a window;
	// all others of a level share one count.
	maxTracked = 512
	// maxKey bounds the bytes that are kept of a message or of attributes.
	maxKey = 1024
	// others is the message under which those beyond maxTracked are counted.
	others = "(other messages)"
	// othersShare is how many times more often those may be written than one.
	othersShare = 10
)

// handler lets through what the limiter lets through. All handlers that come
// from one by WithAttrs and WithGroup share its limiter.
type handler struct {
	next    slog.Handler
	limiter *limiter
	// component is the attributes that a logger was made with: the same message
	// of two components is two messages.
	component string
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	var component strings.Builder
	component.WriteString(h.component)
	for _, a := range attrs {
		component.WriteString(" " + a.String())
	}
	return &handler{next: h.next.WithAttrs(attrs), limiter: h.limiter, component: cut(component.String())}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{next: h.next.WithGroup(name), limiter: h.limiter, component: cut(h.component + " " + name + ".")}
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	h.limiter.tellExpired(ctx)
	if !h.limiter.allow(key{r.Level, cut(r.Message), h.component}, h.next) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

type key struct {
	level     slog.Level
	message   string
	component string
}

// counted is how often a message came since its window began.
type counted struct {
	key     key
	writer  slog.Handler
	since   time.Duration // boot clock
	written int
	held    int
}

// tell writes how many were held back.
func (c *counted) tell(ctx context.Context, now time.Time) {
	if c.held == 0 {
		return
	}
	r := slog.NewRecord(now, c.key.level, fmt.Sprintf("repeated %d times: %s", c.held, c.key.message), 0)
	// An output that fails has nowhere to tell of it.
	_ = c.writer.Handle(ctx, r)
}

// limiter counts messages. Nothing is written while its lock is held.
type limiter struct {
	clock   pipeline.Clock
	repeats int
	root    slog.Handler // without any component's attributes

	// telling is held while counts are written, so that Close can wait for the
	// timer.
	telling sync.Mutex

	mu     sync.Mutex
	counts map[key]*counted
	timer  *time.Timer // set while a message is held back
}

func newLimiter(clock pipeline.Clock, repeats int, root slog.Handler) *limiter {
	return &limiter{clock: clock, repeats: repeats, root: root, counts: map[key]*counted{}}
}

// allow counts a message and tells whether it is to be written.
func (l *limiter) allow(k key, writer slog.Handler) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	limit := l.repeats
	count, known := l.counts[k]
	if !known && len(l.counts) >= maxTracked {
		k, writer = key{level: k.level, message: others}, l.root
		limit *= othersShare
		count, known = l.counts[k]
	}
	if !known {
		count = &counted{key: k, writer: writer, since: l.clock.Now().Boot}
		l.counts[k] = count
	}
	if count.written < limit {
		count.written++
		return true
	}
	count.held++
	if l.timer == nil {
		l.timer = time.AfterFunc(l.untilNext(), l.tick)
	}
	return false
}

// tick tells, without waiting for another message, what windows that have ended
// held back, and comes again while there are others.
func (l *limiter) tick() {
	l.tellExpired(context.Background())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = nil
	if wait := l.untilNext(); wait > 0 {
		l.timer = time.AfterFunc(wait, l.tick)
	}
}

// untilNext is how long the first of the windows with something held back still
// lasts; 0: there is none.
func (l *limiter) untilNext() time.Duration {
	now := l.clock.Now().Boot
	wait := time.Duration(0)
	for _, count := range l.counts {
		if left := max(count.since+window-now, time.Millisecond); count.held > 0 && (wait == 0 || left < wait) {
			wait = left
		}
	}
	return wait
}

// tellExpired ends the windows that are over and tells what they held back.
func (l *limiter) tellExpired(ctx context.Context) {
	now := l.clock.Now()
	l.tell(ctx, now.Wall, func(count *counted) bool { return now.Boot-count.since >= window })
}

// flush ends all windows and tells what they held back.
func (l *limiter) flush() {
	l.mu.Lock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	l.mu.Unlock()
	l.tell(context.Background(), l.clock.Now().Wall, func(*counted) bool { return true })
}

func (l *limiter) tell(ctx context.Context, now time.Time, over func(*counted) bool) {
	l.telling.Lock()
	defer l.telling.Unlock()
	for _, count := range l.take(over) {
		count.tell(ctx, now)
	}
}

// take takes out the windows that are over, oldest first.
func (l *limiter) take(over func(*counted) bool) []*counted {
	l.mu.Lock()
	defer l.mu.Unlock()
	var taken []*counted
	for k, count := range l.counts {
		if over(count) {
			taken = append(taken, count)
			delete(l.counts, k)
		}
	}
	slices.SortFunc(taken, func(a, b *counted) int {
		return cmp.Or(cmp.Compare(a.since, b.since), cmp.Compare(a.key.message, b.key.message),
			cmp.Compare(a.key.component, b.key.component))
	})
	return taken
}

func cut(text string) string {
	if len(text) <= maxKey {
		return text
	}
	return text[:maxKey]
}
