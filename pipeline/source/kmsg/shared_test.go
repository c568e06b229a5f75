package kmsg

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

func TestReadsAFileOnce(t *testing.T) {
	path := writeFile(t, records(5, 300)+"7,305,9,-;device\n SUBSYSTEM=pci\n DEVICE=+x\n"+records(310, 2))
	w := &witness{}
	sub := newShared(t).Subscribe(path, "/proc", w.subscriber())
	w.await(t, "the end of the backlog", func() bool { return len(w.ends) > 0 })
	closeSubscription(t, sub)
	want := append(append(lineTexts(5, 300), "device"), lineTexts(310, 2)...)
	require.Equal(t, want, w.texts())
	require.Equal(t, []int{len(want)}, w.ends)
	require.Equal(t, []*Fault{nil}, w.faults)
	require.Equal(t, Account{First: 5, Next: 312, Received: 303, Lost: Loss{Overrun: 4}}, sub.Account())
	requireExact(t, w, sub)
}

func TestHostileFile(t *testing.T) {
	long := strings.Repeat("x", 3*MaxRecord)
	for name, c := range map[string]struct {
		content string
		texts   []string
		lost    Loss
	}{
		"empty":                     {"", []string{}, Loss{}},
		"without the last newline":  {"6,1,1,-;a\n6,2,2,-;b", []string{"a", "b"}, Loss{}},
		"only a dictionary":         {" A=b\n C=d\n6,1,1,-;a\n", []string{"a"}, Loss{Malformed: 1}},
		"text":                      {"hello\nworld\n6,1,1,-;a\n", []string{"a"}, Loss{Malformed: 2}},
		"junk in a gap":             {"6,1,1,-;a\njunk\n6,3,1,-;b\n", []string{"a", "b"}, Loss{Malformed: 1}},
		"a bad stamp":               {"6,1,1,-;a\n6,2,x,-;b\n6,3,1,-;c\n", []string{"a", "c"}, Loss{Malformed: 1}},
		"a bad stamp at the end":    {"6,1,1,-;a\n6,2,x,-;b\n", []string{"a"}, Loss{Malformed: 1}},
		"too long":                  {"6,1,1,-;a\n6,2,2,-;" + long + "\n6,3,3,-;b\n", []string{"a", "b"}, Loss{TooLong: 1}},
		"too long at the end":       {"6,1,1,-;a\n6,2,2,-;" + long + "\n", []string{"a"}, Loss{TooLong: 1}},
		"too long without an end":   {"6,1,1,-;a\n6,2,2,-;" + long, []string{"a"}, Loss{TooLong: 1}},
		"numbers that go backwards": {"6,5,1,-;a\n6,4,1,-;b\n6,5,1,-;c\n6,6,1,-;d\n", []string{"a", "d"}, Loss{Malformed: 2}},
		"NUL and bytes above 127":   {"6,1,1,-;a\x00\xff\n", []string{"a\x00\xff"}, Loss{}},
	} {
		t.Run(name, func(t *testing.T) {
			w := &witness{}
			sub := newShared(t).Subscribe(writeFile(t, c.content), "/proc", w.subscriber())
			w.await(t, "the end of the backlog", func() bool { return len(w.ends) > 0 })
			closeSubscription(t, sub)
			require.Equal(t, c.texts, w.texts())
			require.Equal(t, c.lost, sub.Account().Lost)
		})
	}
}

func TestBacklogEndsBeforeWhatIsWritten(t *testing.T) {
	path, writer := fifo(t)
	write(t, writer, records(0, 3))
	w := &witness{}
	sub := newShared(t).Subscribe(path, "/proc", w.subscriber())
	w.await(t, "the end of the backlog", func() bool { return len(w.ends) > 0 })
	write(t, writer, records(3, 2))
	w.awaitText(t, "line 4")
	closeSubscription(t, sub)
	require.Equal(t, lineTexts(0, 5), w.texts())
	require.Equal(t, []int{3}, w.ends, "told once, in order")
}

func TestCloseGivesWhatWasRead(t *testing.T) {
	path, writer := fifo(t)
	held, release := make(chan struct{}, 100), make(chan struct{})
	w := &witness{hold: func() { held <- struct{}{}; <-release }}
	shared := newShared(t)
	sub := shared.Subscribe(path, "/proc", w.subscriber())
	write(t, writer, records(0, 1))
	<-held // the subscriber is busy; the reader goes on
	write(t, writer, records(1, 200))
	requireEmptied(t, writer)

	short, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	closed := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		closed <- sub.Close(ctx)
	}()
	<-short.Done()
	close(release)
	require.NoError(t, <-closed)
	require.Equal(t, lineTexts(0, 201), w.texts())
	requireExact(t, w, sub)
}

func TestCloseGivesUpWithItsContext(t *testing.T) {
	path, writer := fifo(t)
	held, release := make(chan struct{}, 1), make(chan struct{})
	w := &witness{}
	var once sync.Once
	w.hold = func() { once.Do(func() { held <- struct{}{}; <-release }) }
	sub := newShared(t).Subscribe(path, "/proc", w.subscriber())
	write(t, writer, records(0, 1))
	<-held
	write(t, writer, records(1, 1000))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, sub.Close(ctx), context.Canceled)
	close(release)
	<-sub.source.done // what is left ends by itself
	require.Less(t, len(w.texts()), 1000, "and gives no more than the batch under way")
}

func TestFullQueueDropsAndCounts(t *testing.T) {
	path, writer := fifo(t)
	shared := newShared(t)
	shared.tuning.chunks = 1
	held, release := make(chan struct{}, 1000), make(chan struct{})
	w := &witness{hold: func() { held <- struct{}{}; <-release }}
	sub := shared.Subscribe(path, "/proc", w.subscriber())
	write(t, writer, records(0, 1))
	<-held
	const lines = 5000
	for first := 1; first < lines; first += 100 {
		write(t, writer, records(first, min(100, lines-first)))
		requireEmptied(t, writer)
	}
	close(release)
	// The last ones are lost: they are told although nothing comes after them.
	w.await(t, "the account of all", func() bool { return uint64(len(w.seen))+w.lost.Total() == lines })
	write(t, writer, records(lines, 1))
	w.awaitText(t, "line 5000")
	closeSubscription(t, sub)
	requireExact(t, w, sub)
	require.Positive(t, sub.Account().Lost[QueueFull])
	lost := sub.Account().Lost
	require.Equal(t, lost.Total(), lost[QueueFull])
}

func TestSubscribersShareOneReader(t *testing.T) {
	path, writer := fifo(t)
	shared := newShared(t)
	one, two := &witness{}, &witness{}
	first := shared.Subscribe(path, "/proc", one.subscriber())
	second := shared.Subscribe(path, "/proc", two.subscriber())
	require.Same(t, first.source, second.source)
	two.await(t, "the end of the backlog", func() bool { return len(two.ends) > 0 })
	write(t, writer, records(0, 500))
	one.awaitText(t, "line 499")
	two.awaitText(t, "line 499")
	require.Equal(t, lineTexts(0, 500), one.texts())
	require.Equal(t, lineTexts(0, 500), two.texts())

	closeSubscription(t, first)
	write(t, writer, records(500, 10))
	two.awaitText(t, "line 509")
	require.Len(t, one.texts(), 500, "nothing after Close")
	closeSubscription(t, second)
	require.Empty(t, shared.sources)
	requireExact(t, one, first)
	requireExact(t, two, second)
}

// TestLateSubscribersCatchUp lets many join at any moment of a long file's
// reading: each has all of it, without gap or repeat.
func TestLateSubscribersCatchUp(t *testing.T) {
	const lines = 20_000
	path := writeFile(t, records(7, lines))
	shared := newShared(t)
	batches := make(chan struct{}, 10_000)
	first := &witness{hold: func() { batches <- struct{}{} }}
	subs := []*Subscription{shared.Subscribe(path, "/proc", first.subscriber())}
	witnesses := []*witness{first}
	for range 8 {
		<-batches
		w := &witness{}
		witnesses = append(witnesses, w)
		subs = append(subs, shared.Subscribe(path, "/proc", w.subscriber()))
	}
	for i, w := range witnesses {
		w.await(t, "all lines and the end of the backlog", func() bool { return len(w.seen) == lines && len(w.ends) == 1 })
		closeSubscription(t, subs[i])
		require.Equal(t, []int{lines}, w.ends)
		require.Equal(t, lineTexts(7, lines), w.texts())
		requireExact(t, w, subs[i])
	}
}

func TestCloseWhileCatchingUp(t *testing.T) {
	path := writeFile(t, records(0, 5000))
	shared := newShared(t)
	first := &witness{}
	sub := shared.Subscribe(path, "/proc", first.subscriber())
	held, release := make(chan struct{}, 1), make(chan struct{})
	var once sync.Once
	late := &witness{hold: func() { once.Do(func() { close(held); <-release }) }}
	lateSub := shared.Subscribe(path, "/proc", late.subscriber())
	<-held
	closed := make(chan error)
	go func() { closed <- lateSub.Close(context.Background()) }()
	close(release)
	require.NoError(t, <-closed)
	first.await(t, "all lines", func() bool { return len(first.seen) == 5000 })
	closeSubscription(t, sub)
	requireExact(t, late, lateSub)
}

// TestMissingFileIsTriedAgain runs on a clock of its own: the waits double from
// one second to thirty.
func TestMissingFileIsTriedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kmsg")
	synctest.Test(t, func(t *testing.T) {
		shared := NewShared(Options{Clock: pipeline.SystemClock{}})
		start := time.Now()
		var told []time.Duration
		var faults []*Fault
		sub := shared.Subscribe(path, "/proc", Subscriber{
			Batch: func(Batch) { t.Error("a batch of nothing") },
			State: func(fault *Fault) {
				told = append(told, time.Since(start))
				faults = append(faults, fault)
			},
		})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		second := func(s ...int) (all []time.Duration) {
			for _, one := range s {
				all = append(all, time.Duration(one)*time.Second)
			}
			return all
		}
		require.Equal(t, second(0, 1, 3, 7, 15, 31, 61, 91), told)
		for _, fault := range faults {
			require.ErrorIs(t, fault, fs.ErrNotExist)
			require.Contains(t, fault.Remedy, "check the path")
		}
		require.NoError(t, sub.Close(t.Context()))
	})
}

func TestFileThatAppears(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kmsg")
	shared := newShared(t)
	w, second := &witness{}, &witness{}
	sub := shared.Subscribe(path, "/proc", w.subscriber())
	sub2 := shared.Subscribe(path, "/proc", second.subscriber())
	require.Len(t, w.faults, 1)
	require.ErrorIs(t, w.faults[0], fs.ErrNotExist)
	require.Len(t, second.faults, 1, "told at once as well")
	require.NoError(t, os.WriteFile(path, []byte(records(0, 10)), 0o600))
	for i, one := range []*witness{w, second} {
		one.await(t, "all lines", func() bool { return len(one.seen) == 10 && len(one.ends) == 1 })
		closeSubscription(t, []*Subscription{sub, sub2}[i])
		require.Nil(t, one.faults[len(one.faults)-1])
	}
}

func TestCloseWhileTheFileIsMissing(t *testing.T) {
	w := &witness{}
	sub := newShared(t).Subscribe(filepath.Join(t.TempDir(), "kmsg"), "/proc", w.subscriber())
	closeSubscription(t, sub)
	require.Empty(t, w.texts())
}

// TestManyComeAndGo lets the race detector look at all ways of sharing at once.
func TestManyComeAndGo(t *testing.T) {
	path := writeFile(t, records(0, 3000))
	shared := newShared(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for round := range 5 {
				w := &witness{}
				sub := shared.Subscribe(path, "/proc", w.subscriber())
				if round%2 == 0 {
					w.await(t, "all lines", func() bool { return len(w.seen) == 3000 })
				}
				closeSubscription(t, sub)
				requireExact(t, w, sub)
			}
		})
	}
	group.Wait()
	require.Empty(t, shared.sources)
}
