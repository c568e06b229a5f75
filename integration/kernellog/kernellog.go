// Package kernellog writes to the real kernel log, which all processes of the
// machine share, and takes account of it by its sequence numbers.
package kernellog

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const (
	device = "/dev/kmsg"
	// rateLimit is on, off or ratelimit (the default: 10 lines in 5 s for each open
	// file): the kernel's Documentation/admin-guide/sysctl/kernel.rst.
	rateLimit = "/proc/sys/kernel/printk_devkmsg"
	// lockFile keeps tests of several processes apart that write much or set the
	// rate limit.
	lockFile = "/tmp/otelnpd-kmsg.lock"
	// maxRecord is more than the kernel makes of a record with its dictionary.
	maxRecord = 8192
)

// Log is the kernel log, held by one test.
type Log struct {
	file *os.File
}

// Open takes the kernel log for one test, waiting for other processes' tests, and
// lifts its rate limit until the test ends. Where the log cannot be written the test
// is skipped, or fails where CI=true.
func Open(t testing.TB) *Log {
	t.Helper()
	file, err := os.OpenFile(device, os.O_WRONLY, 0)
	if err == nil && os.Getuid() != 0 {
		err = errors.New("setting the rate limit needs root")
	}
	if err != nil && os.Getenv("CI") != "true" {
		t.Skipf("the kernel log cannot be written here: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	lock(t)
	before, err := os.ReadFile(rateLimit)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(rateLimit, []byte("on\n"), 0))
	t.Cleanup(func() { _ = os.WriteFile(rateLimit, before, 0) })
	return &Log{file: file}
}

func lock(t testing.TB) {
	t.Helper()
	file, err := os.OpenFile(lockFile, os.O_CREATE|os.O_RDWR, 0o666)
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	begun := time.Now()
	for deadline := lockDeadline(t); ; time.Sleep(20 * time.Millisecond) {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return
		}
		require.ErrorIs(t, err, unix.EWOULDBLOCK)
		require.True(t, time.Now().Before(deadline), "%s is held by others for %s", lockFile, time.Since(begun))
	}
}

// lockDeadline is until when a test waits for others: many may be before it, so that it
// is shortly before the end of its own time.
func lockDeadline(t testing.TB) time.Time {
	t.Helper()
	if limited, is := t.(interface{ Deadline() (time.Time, bool) }); is {
		if deadline, has := limited.Deadline(); has {
			return deadline.Add(-10 * time.Second)
		}
	}
	return time.Now().Add(40 * time.Minute)
}

// Write writes a line to the log, as `echo LINE > /dev/kmsg` does.
func (l *Log) Write(t testing.TB, line string) {
	t.Helper()
	_, err := l.file.WriteString(line + "\n")
	require.NoError(t, err, "write %q to %s", line, device)
}

// WriteMany writes count lines, one write each, made by line from their numbers.
func (l *Log) WriteMany(count int, line func(buffer []byte, i int) []byte) error {
	buffer := make([]byte, 0, 1024)
	for i := range count {
		buffer = append(line(buffer[:0], i), '\n')
		if _, err := l.file.Write(buffer); err != nil {
			return fmt.Errorf("write line %d to %s: %w", i, device, err)
		}
	}
	return nil
}

var tags atomic.Int64

// Tag returns a word that no other test or earlier run has written.
func Tag() string {
	return fmt.Sprintf("t%dx%dx%d", os.Getpid(), time.Now().UnixMilli(), tags.Add(1))
}

// Last returns the sequence number of the newest record.
func Last(t testing.TB) uint64 {
	t.Helper()
	var last uint64
	read(t, func(record Record) { last = record.Sequence })
	return last
}

// Count returns how many of the records that the ring still holds contain a text.
func Count(t testing.TB, text string) int {
	t.Helper()
	count := 0
	read(t, func(record Record) {
		if strings.Contains(record.Text, text) {
			count++
		}
	})
	return count
}

// read visits all records of the ring, from the oldest to the newest.
func read(t testing.TB, visit func(Record)) {
	t.Helper()
	fd, err := unix.Open(device, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	require.NoError(t, err, "open %s", device)
	file := os.NewFile(uintptr(fd), device)
	defer file.Close()
	for {
		record, err := next(fd)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return
		case errors.Is(err, unix.EPIPE): // overtaken: goes on with the oldest
			continue
		}
		require.NoError(t, err)
		visit(record)
	}
}
