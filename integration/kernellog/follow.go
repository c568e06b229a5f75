package kernellog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Record is a record of the kernel log.
type Record struct {
	Sequence uint64
	// Text is what was written, as the kernel escapes it.
	Text string
}

// next reads a record from a file of the device that does not block. The format is
// that of the kernel's Documentation/ABI/testing/dev-kmsg.
func next(fd int) (Record, error) {
	buffer := make([]byte, maxRecord)
	n, err := unix.Read(fd, buffer)
	if err == nil && n == 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return Record{}, fmt.Errorf("read %s: %w", device, err)
	}
	head, body, _ := bytes.Cut(buffer[:n], []byte{';'})
	fields := strings.SplitN(string(head), ",", 4)
	if len(fields) < 4 {
		return Record{}, fmt.Errorf("read %s: a record begins with %q", device, head)
	}
	sequence, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return Record{}, fmt.Errorf("read %s: a record begins with %q: %w", device, head, err)
	}
	text, _, _ := strings.Cut(string(body), "\n") // a dictionary may follow
	return Record{Sequence: sequence, Text: text}, nil
}

// Follower reads the kernel log beside the agent, from now on. It is safe for
// concurrent use.
type Follower struct {
	text string

	mu        sync.Mutex
	records   []Record
	last      uint64 // the newest record's number; 0: none yet
	overtaken uint64
	err       error
}

// Follow gathers the records that contain a text and are written from now on, until
// the test ends.
func Follow(t testing.TB, text string) *Follower {
	t.Helper()
	fd, err := unix.Open(device, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	require.NoError(t, err, "open %s", device)
	_, err = unix.Seek(fd, 0, unix.SEEK_END)
	require.NoError(t, err, "seek to the end of %s", device)
	f := &Follower{text: text}
	end := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() { f.run(fd, end) })
	t.Cleanup(func() {
		close(end)
		reading.Wait()
		_ = unix.Close(fd)
	})
	return f
}

// pollMilliseconds is how soon the end is seen.
const pollMilliseconds = 50

func (f *Follower) run(fd int, end <-chan struct{}) {
	for {
		record, err := next(fd)
		switch {
		case errors.Is(err, unix.EAGAIN):
			_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, pollMilliseconds)
			if errors.Is(err, unix.EINTR) {
				err = nil
			}
		case errors.Is(err, unix.EPIPE): // goes on with the oldest, whose number tells how many are missing
			err = nil
		case err == nil:
			f.take(record)
		}
		if err != nil {
			f.mu.Lock()
			f.err = err
			f.mu.Unlock()
			return
		}
		select {
		case <-end:
			return
		default:
		}
	}
}

func (f *Follower) take(record Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last > 0 {
		f.overtaken += record.Sequence - f.last - 1
	}
	f.last = record.Sequence
	if strings.Contains(record.Text, f.text) {
		f.records = append(f.records, record)
	}
}

// Overtaken returns how many records the ring has overwritten before this reader,
// which does nothing else than read, came to them.
func (f *Follower) Overtaken() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.overtaken
}

// Some returns the records so far, of which some may be missing.
func (f *Follower) Some() []Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.records)
}

// Records returns the records so far. It fails the test if one may be missing.
func (f *Follower) Records(t testing.TB) []Record {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	require.NoError(t, f.err)
	require.Zero(t, f.overtaken, "records that the ring has overwritten before they were read")
	return slices.Clone(f.records)
}
