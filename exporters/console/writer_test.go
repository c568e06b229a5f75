package console

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric/noop"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/outbox"
)

// smallDisk is an output with room for so many bytes until it is made larger.
type smallDisk struct {
	err error

	mu    sync.Mutex
	room  int
	text  strings.Builder
	tries []time.Duration
	since time.Time
}

func (d *smallDisk) enlarge(room int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = room
}

func (d *smallDisk) written() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

func (d *smallDisk) write(_ context.Context, text []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tries = append(d.tries, time.Since(d.since))
	n := min(d.room-d.text.Len(), len(text))
	d.text.Write(text[:n])
	if n < len(text) {
		return n, d.err
	}
	return n, nil
}

// underTest runs a writer of some lines to the disk until f returns.
func underTest(t *testing.T, disk *smallDisk, f func(w *writer, states *[]pipeline.ComponentState)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		box, err := outbox.New[text](pipeline.ID{Type: Type}, noop.NewMeterProvider().Meter(""), outbox.DefaultMaxBytes)
		require.NoError(t, err)
		for _, line := range []string{"first\n", "second\n", "third\n"} {
			_, err := box.Put(outbox.Entry[text]{Item: text{line: []byte(line)}, Size: len(line)})
			require.NoError(t, err)
		}
		var states []pipeline.ComponentState
		w := &writer{
			outbox: box, out: disk, retry: firstRetry, closing: make(chan struct{}),
			status: pipeline.NewStatusChanges(func(s pipeline.Status) { states = append(states, s.State) }),
		}
		disk.since = time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.run(ctx)
		}()
		f(w, &states)
		cancel()
		<-done
	})
}

func TestGoesOnWhereAFailedWriteEnded(t *testing.T) {
	disk := &smallDisk{room: len("first\nsec"), err: unix.ENOSPC}
	underTest(t, disk, func(w *writer, states *[]pipeline.ComponentState) {
		time.Sleep(100 * time.Second) // of the bubble
		synctest.Wait()
		require.Equal(t, "first\nsec", disk.written())
		waiting, _ := w.outbox.Len()
		require.Equal(t, 3, waiting)
		require.Equal(t, []time.Duration{0, 1, 3, 7, 15, 31, 61, 91}, seconds(disk.tries), "1 s doubles to 30 s")

		disk.enlarge(1000)
		time.Sleep(lastRetry)
		synctest.Wait()
		require.Equal(t, "first\nsecond\nthird\n", disk.written(), "no line is torn, none told twice")
		waiting, _ = w.outbox.Len()
		require.Zero(t, waiting)
		require.Equal(t, pipeline.ComponentDegraded, (*states)[0])
		require.Equal(t, pipeline.ComponentOK, (*states)[len(*states)-1])
		require.Len(t, *states, 2, "it reports changes only")
	})
}

func seconds(times []time.Duration) []time.Duration {
	for i := range times {
		times[i] /= time.Second
	}
	return times
}

func TestShutdownTriesOnceMoreAtOnce(t *testing.T) {
	disk := &smallDisk{err: unix.EIO}
	underTest(t, disk, func(w *writer, _ *[]pipeline.ComponentState) {
		time.Sleep(40 * time.Second)
		synctest.Wait()
		disk.enlarge(1000)
		close(w.closing)
		synctest.Wait()
		require.Equal(t, "first\nsecond\nthird\n", disk.written())
	})
}

func TestWhatIsLeftAfterAFailedWrite(t *testing.T) {
	for name, tt := range map[string]struct {
		room    int
		err     error
		waiting int
	}{
		"reader gone":  {len("first\nsec"), unix.EPIPE, 0},
		"between two":  {len("first\n"), unix.EPIPE, 0},
		"to be tried":  {len("first\nsec"), unix.EIO, 3},
		"nothing went": {0, unix.EBADF, 0},
	} {
		t.Run(name, func(t *testing.T) {
			underTest(t, &smallDisk{room: tt.room, err: tt.err}, func(w *writer, _ *[]pipeline.ComponentState) {
				synctest.Wait()
				waiting, _ := w.outbox.Len()
				require.Equal(t, tt.waiting, waiting)
			})
		})
	}
}

func TestSplit(t *testing.T) {
	for written, want := range map[int]int{0: 3, 5: 3, 6: 2, 7: 2, 12: 2, 13: 1, 18: 1, 19: 0} {
		box, err := outbox.New[text](pipeline.ID{Type: Type}, noop.NewMeterProvider().Meter(""), outbox.DefaultMaxBytes)
		require.NoError(t, err)
		for _, line := range []string{"first\n", "second\n", "third\n"} {
			_, err := box.Put(outbox.Entry[text]{Item: text{line: []byte(line)}, Size: len(line)})
			require.NoError(t, err)
		}
		batch, err := box.Next(t.Context(), batchBytes)
		require.NoError(t, err)
		require.Len(t, split(batch, written).Entries, want, "%d bytes written", written)
	}
}

func TestSeverityNames(t *testing.T) {
	for severity, want := range map[int]string{
		-1: "undefined", 0: "undefined", 1: "trace", 4: "trace", 5: "debug", 9: "info", 12: "info", 13: "warn", 17: "error", 20: "error",
		21: "fatal", 24: "fatal", 25: "undefined",
	} {
		require.Equal(t, want, severityName(log.Severity(severity)))
	}
}
