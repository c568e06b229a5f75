package kmsg

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
)

// patience bounds what must happen soon. It is no measure of speed.
const patience = 30 * time.Second

// witness is a subscriber that keeps a copy of all it is given.
type witness struct {
	// hold, if set, is called by each Batch first.
	hold func()

	mu      sync.Mutex
	changed chan struct{}
	seen    []seen
	lost    Loss
	ends    []int // how many records had come when the backlog ended
	faults  []*Fault
}

type seen struct {
	sequence uint64
	text     string
	time     time.Time
	boot     time.Duration
	at       time.Time // when it came
}

func (w *witness) subscriber() Subscriber { return Subscriber{Batch: w.batch, State: w.state} }

func (w *witness) batch(batch Batch) {
	if w.hold != nil {
		w.hold()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range batch.Records {
		r := &batch.Records[i]
		w.seen = append(w.seen, seen{r.Sequence, string(r.Text), r.Time, r.Boot, time.Now()})
	}
	w.lost.add(batch.Lost)
	if batch.BacklogEnd {
		w.ends = append(w.ends, len(w.seen))
	}
	w.change()
}

func (w *witness) state(fault *Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fault)
	w.change()
}

func (w *witness) change() {
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}

// await waits until done says yes.
func (w *witness) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		w.mu.Lock()
		if done() {
			w.mu.Unlock()
			return
		}
		if w.changed == nil {
			w.changed = make(chan struct{})
		}
		changed, n := w.changed, len(w.seen)
		w.mu.Unlock()
		select {
		case <-changed:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s; %d records have come", what, n)
		}
	}
}

// awaitText waits for a record with that text and returns it.
func (w *witness) awaitText(t *testing.T, text string) (found seen) {
	t.Helper()
	w.await(t, text, func() bool {
		i := slices.IndexFunc(w.seen, func(s seen) bool { return s.text == text })
		if i >= 0 {
			found = w.seen[i]
		}
		return i >= 0
	})
	return found
}

func (w *witness) texts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	texts := []string{}
	for _, s := range w.seen {
		texts = append(texts, s.text)
	}
	return texts
}

// tagged returns the numbers of the lines that begin with the tag.
func (w *witness) tagged(tag string) (lines []string) {
	for _, text := range w.texts() {
		if rest, ok := strings.CutPrefix(text, tag); ok {
			lines = append(lines, rest)
		}
	}
	return lines
}

func newShared(t *testing.T) *Shared {
	t.Helper()
	return NewShared(Options{
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Clock:  pipeline.SystemClock{},
	})
}

func closeSubscription(t *testing.T, sub *Subscription) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, sub.Close(ctx))
	require.NoError(t, sub.Close(ctx), "a second time")
}

// records makes n records as /dev/kmsg gives them.
func records(first, n int) string {
	var b strings.Builder
	for i := first; i < first+n; i++ {
		fmt.Fprintf(&b, "6,%d,%d,-;line %d\n", i, i*1000, i)
	}
	return b.String()
}

func lineTexts(first, n int) []string {
	texts := []string{}
	for i := first; i < first+n; i++ {
		texts = append(texts, fmt.Sprintf("line %d", i))
	}
	return texts
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kmsg")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// fifo makes a FIFO and opens it for writing.
func fifo(t *testing.T) (path string, writer *os.File) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "kmsg")
	require.NoError(t, unix.Mkfifo(path, 0o600))
	writer, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = writer.Close() })
	return path, writer
}

func write(t *testing.T, to io.Writer, text string) {
	t.Helper()
	_, err := io.WriteString(to, text)
	require.NoError(t, err)
}

// requireExact checks the account: nothing is missing, nothing came twice.
func requireExact(t *testing.T, w *witness, sub *Subscription) {
	t.Helper()
	account := sub.Account()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Equal(t, account.Next-account.First, account.Received+account.Lost.Total(), "received + lost = last − first + 1: %+v", account)
	require.Equal(t, uint64(len(w.seen)), account.Received)
	require.Equal(t, account.Lost, w.lost)
	for i := 1; i < len(w.seen); i++ {
		require.Less(t, w.seen[i-1].sequence, w.seen[i].sequence, "in order, each once")
	}
}
