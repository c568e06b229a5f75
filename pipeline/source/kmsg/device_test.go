package kmsg

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// tag marks the lines of one test.
func tag(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("otelnpd-test %s %d.%d: ", t.Name(), os.Getpid(), time.Now().UnixNano())
}

func subscribeKmsg(t *testing.T, shared *Shared, w *witness) *Subscription {
	t.Helper()
	sub := shared.Subscribe("/dev/kmsg", "/proc", w.subscriber())
	require.Equal(t, []*Fault{nil}, w.faults, "readable when Subscribe returns")
	return sub
}

func TestKernelLog(t *testing.T) {
	needRoot(t)
	lockKmsg(t) // a burst of another test would overwrite the line
	kmsg, tag := openKmsg(t), tag(t)
	write(t, kmsg, "<3>"+tag+"before\n")
	w := &witness{}
	sub := subscribeKmsg(t, newShared(t), w)
	opened := time.Now()
	write(t, kmsg, "<3>"+tag+"at once\n")
	time.Sleep(100*time.Millisecond - time.Since(opened)) // NPD misses what comes in its first third of a second
	write(t, kmsg, "<30>"+tag+"tab\tü \\ end\n")
	before, after := w.awaitText(t, tag+"before"), w.awaitText(t, tag+"tab\tü \\ end")
	w.awaitText(t, tag+"at once")
	w.await(t, "the end of the backlog", func() bool { return len(w.ends) > 0 })
	closeSubscription(t, sub)
	requireExact(t, w, sub)

	require.Len(t, w.ends, 1)
	last := w.seen[w.ends[0]-1]
	require.GreaterOrEqual(t, last.sequence, before.sequence, "what was there before is backlog")
	require.Less(t, last.sequence, w.awaitText(t, tag+"at once").sequence, "what came after is not")
	require.WithinDuration(t, opened.Add(100*time.Millisecond), after.time, 2*time.Second, "on the wall clock")
}

// writeBurst writes n tagged lines at full speed.
func writeBurst(t *testing.T, tag string, n int) time.Duration {
	t.Helper()
	lockKmsg(t)
	unlimitKmsg(t)
	kmsg := openKmsg(t)
	start := time.Now()
	writeLines(t, kmsg, tag, n)
	return time.Since(start)
}

func writeLines(t *testing.T, kmsg *os.File, tag string, n int) {
	t.Helper()
	for i := range n {
		write(t, kmsg, tag+strconv.Itoa(i)+"\n")
	}
}

func TestBurst(t *testing.T) {
	needRoot(t)
	const lines = 100_000
	tag := tag(t)
	w := &witness{}
	sub := subscribeKmsg(t, newShared(t), w)
	took := writeBurst(t, tag, lines)

	kmsg := openKmsg(t)
	written := time.Now()
	w.awaitAfter(t, kmsg, tag)
	latency := w.awaitText(t, tag+"after").at.Sub(written)
	closeSubscription(t, sub)
	requireExact(t, w, sub)
	account := sub.Account()
	seen := len(slices.DeleteFunc(w.tagged(tag), func(line string) bool { return line == "after" }))
	require.LessOrEqual(t, seen, lines)
	require.Positive(t, seen)
	require.GreaterOrEqual(t, account.Received+account.Lost.Total(), uint64(lines))
	require.Less(t, latency, 5*time.Second)
	t.Logf("%d lines in %v (%.0f/s): %d seen, lost %v; the next line came after %v",
		lines, took.Round(time.Millisecond), lines/took.Seconds(), seen, account.Lost, latency)
}

// TestBurstWithASlowSubscriber keeps the subscriber busy all the time: the
// reader goes on, and what its queue cannot hold is counted.
func TestBurstWithASlowSubscriber(t *testing.T) {
	needRoot(t)
	tag := tag(t)
	shared := newShared(t)
	shared.tuning.chunks = 4
	release := make(chan struct{})
	w := &witness{hold: func() { <-release }}
	sub := subscribeKmsg(t, shared, w)
	writeBurst(t, tag, 20_000)
	close(release)
	w.awaitAfter(t, openKmsg(t), tag)
	closeSubscription(t, sub)
	requireExact(t, w, sub)
	require.Positive(t, sub.Account().Lost[QueueFull])
}

// TestOverrun holds the reader while the kernel's ring is overwritten.
func TestOverrun(t *testing.T) {
	needRoot(t)
	lockKmsg(t) // before the reader is held: another test may have it for minutes
	unlimitKmsg(t)
	kmsg, tag := openKmsg(t), tag(t)
	shared := newShared(t)
	release := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(release) })
	t.Cleanup(letGo)
	w := &witness{}
	var held atomic.Bool
	drains := 0
	shared.tuning.beforeDrain = func() {
		if drains++; drains == 2 { // the backlog is read
			held.Store(true)
			<-release
		}
	}
	sub := subscribeKmsg(t, shared, w)
	writeUntil(t, kmsg, tag+"wake", held.Load)
	const lines = 20_000
	writeLines(t, kmsg, tag, lines)
	letGo()
	w.awaitAfter(t, kmsg, tag)
	closeSubscription(t, sub)
	requireExact(t, w, sub)
	require.Positive(t, sub.Account().Lost[Overrun])
	require.NotContains(t, w.texts(), tag+"0", "the test overwrote it")
}

// writeUntil writes a line again and again until something has come about: what the
// reader finds in the round that it is in does not make it begin another, and
// processes that ask nobody may overwrite it before it is read.
func writeUntil(t *testing.T, kmsg *os.File, line string, done func() bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := kmsg.WriteString(line + "\n")
		return err == nil && done()
	}, patience, 10*time.Millisecond, "what %q is to make come about", line)
}

// awaitAfter writes a line behind all others until one of it has come: while the
// queue is full, none does.
func (w *witness) awaitAfter(t *testing.T, kmsg *os.File, tag string) {
	t.Helper()
	writeUntil(t, kmsg, tag+"after", func() bool { return slices.Contains(w.texts(), tag+"after") })
}

// TestTooLong reads with a buffer that is too short for some records: the kernel
// answers EINVAL and goes on to the next.
func TestTooLong(t *testing.T) {
	needRoot(t)
	lockKmsg(t) // a burst of another test would overwrite the line
	tag := tag(t)
	shared := newShared(t)
	shared.tuning.recordSize = len(tag) + 60
	long := strings.Repeat("x", 300)
	kmsg := openKmsg(t)
	one, two := &witness{}, &witness{}
	first := subscribeKmsg(t, shared, one)
	one.await(t, "the end of the backlog", func() bool { return len(one.ends) > 0 })
	before := first.Account().Lost
	write(t, kmsg, tag+"short\n")
	write(t, kmsg, tag+long+"\n")
	write(t, kmsg, tag+"last\n")
	one.awaitText(t, tag+"last")
	require.Equal(t, []string{"short", "last"}, one.tagged(tag))
	require.Greater(t, first.Account().Lost[TooLong], before[TooLong])
	requireExact(t, one, first)

	// The same holds for one that catches up, and for a loss that nothing follows.
	write(t, kmsg, tag+long+"\n")
	second := subscribeKmsg(t, shared, two)
	two.await(t, "the end of the backlog", func() bool { return len(two.ends) > 0 })
	require.Equal(t, []string{"short", "last"}, two.tagged(tag))
	requireExact(t, two, second)
	closeSubscription(t, first)
	closeSubscription(t, second)
	require.GreaterOrEqual(t, second.Account().Next, first.Account().Next)
}

// TestLateSubscriberOfTheKernelLog joins in the middle of a burst.
func TestLateSubscriberOfTheKernelLog(t *testing.T) {
	needRoot(t)
	tag := tag(t)
	shared := newShared(t)
	one, two := &witness{}, &witness{}
	first := subscribeKmsg(t, shared, one)
	lockKmsg(t)
	unlimitKmsg(t)
	kmsg := openKmsg(t)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // some 20 lines a millisecond, which no reader misses
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				_, _ = fmt.Fprintf(kmsg, "%s%d\n", tag, i)
			}
			if i%20 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	}()
	one.awaitText(t, tag+"500")
	second := subscribeKmsg(t, shared, two)
	next := second.Account().Next
	two.await(t, "lines after its joining", func() bool {
		return len(two.ends) > 0 && len(two.seen) > two.ends[0]+500
	})
	close(stop)
	<-stopped
	write(t, kmsg, tag+"after\n")
	one.awaitText(t, tag+"after")
	two.awaitText(t, tag+"after")
	closeSubscription(t, second)
	closeSubscription(t, first)
	requireExact(t, one, first)
	requireExact(t, two, second)
	require.GreaterOrEqual(t, second.Account().Next, next)
	if first.Account().Lost == (Loss{}) && second.Account().Lost == (Loss{}) {
		require.Equal(t, one.tagged(tag), two.tagged(tag))
	}
}

// TestIdleReaderSleeps counts how often the reader's thread wakes up while
// nothing is written. A FIFO, because others write to /dev/kmsg.
func TestIdleReaderSleeps(t *testing.T) {
	path, writer := fifo(t)
	shared := newShared(t)
	threads := make(chan int, 100)
	shared.tuning.beforeDrain = func() { threads <- unix.Gettid() }
	w := &witness{}
	sub := shared.Subscribe(path, "/proc", w.subscriber())
	write(t, writer, records(0, 3))
	w.awaitText(t, "line 2")
	thread := <-threads
	before := switches(t, thread)
	time.Sleep(500 * time.Millisecond)
	require.Equal(t, before, switches(t, thread))
	closeSubscription(t, sub)
}

// switches counts how often a thread of this process has gone to sleep.
func switches(t *testing.T, thread int) (count string) {
	t.Helper()
	var last string
	require.Eventually(t, func() bool { // until it sleeps
		last, count = count, switchesNow(t, thread)
		return last == count
	}, patience, 50*time.Millisecond)
	return count
}

func switchesNow(t *testing.T, thread int) string {
	t.Helper()
	status, err := os.Open(fmt.Sprintf("/proc/self/task/%d/status", thread))
	require.NoError(t, err)
	defer func() { _ = status.Close() }()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if count, ok := strings.CutPrefix(lines.Text(), "voluntary_ctxt_switches:"); ok {
			return strings.TrimSpace(count)
		}
	}
	t.Fatal("the kernel counts no context switches")
	return ""
}

// TestDeviceThatFails lets reads of a FIFO fail: the source is opened again, and
// its subscribers go on behind what they have had.
func TestDeviceThatFails(t *testing.T) {
	path, writer := fifo(t)
	w := &witness{}
	write(t, writer, records(0, 10)) // before, so that these ten are the backlog
	sub := newShared(t).Subscribe(path, "/proc", w.subscriber())
	w.awaitText(t, "line 9")

	folder, err := unix.Open(t.TempDir(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	source := sub.source
	source.mu.Lock()
	require.NoError(t, unix.Dup3(folder, source.device.fd, unix.O_CLOEXEC)) // reads of it fail with EISDIR
	source.mu.Unlock()
	require.NoError(t, unix.Close(folder))
	write(t, writer, records(8, 7)) // wakes the poll that still watches the FIFO
	w.await(t, "the fault and its end", func() bool {
		return len(w.faults) == 3 && w.faults[1] != nil && w.faults[2] == nil
	})
	require.ErrorIs(t, w.faults[1], unix.EISDIR)
	w.awaitText(t, "line 14")
	closeSubscription(t, sub)
	require.Equal(t, lineTexts(0, 15), w.texts(), "none twice")
	require.Equal(t, []int{10}, w.ends, "and no second backlog")
	requireExact(t, w, sub)
}
