package kmsg

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/source/kmsg/interrupt"
)

// What a read that gave no record says.
var (
	errDrained = errors.New("nothing to read yet")
	errOverrun = errors.New("records were overwritten before they were read")
	errTooLong = errors.New("record longer than the buffer")
)

// device is an open /dev/kmsg at its oldest record, or a file or FIFO that holds
// what one gave.
type device struct {
	fd        int
	stream    *stream // how to tell records apart; nil: each read gives one
	border    int     // a second descriptor, at what was the end at open; -1: none any more
	waitFor   int     // descriptor to wait for; -1: nothing more can come
	interrupt *interrupt.Interrupt
	scratch   [MaxRecord]byte
	firstLive uint64 // sequence number of the first record written since open; 0: not known
	live      bool   // the backlog is over
}

// openDevice opens path without waiting for anything.
func openDevice(path string) (*device, error) {
	d := &device{fd: -1, border: -1, waitFor: -1}
	if err := d.open(path); err != nil {
		d.close()
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return d, nil
}

func (d *device) open(path string) (err error) {
	if d.fd, err = openFile(path, unix.O_RDONLY); err != nil {
		return err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(d.fd, &stat); err != nil {
		return err
	}
	switch {
	case stat.Mode&unix.S_IFMT == unix.S_IFCHR && stat.Rdev == unix.Mkdev(1, 11):
		err = d.openBorder(path)
	case stat.Mode&unix.S_IFMT == unix.S_IFIFO:
		err = d.openFIFO(path)
	case stat.Mode&unix.S_IFMT == unix.S_IFREG:
		d.stream = &stream{}
	default:
		err = errNotKmsg
	}
	if err != nil {
		return err
	}
	d.interrupt, err = interrupt.New()
	return err
}

var errNotKmsg = errors.New("is not the kernel's log (character device 1:11), a file or a FIFO")

func openFile(path string, mode int) (int, error) {
	for {
		fd, err := unix.Open(path, mode|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// openBorder remembers where the ring ends now. The kernel tells its newest
// sequence number nowhere, but the first record that can be read from here is
// the first one that is not backlog.
func (d *device) openBorder(path string) (err error) {
	d.waitFor = d.fd
	if d.border, err = openFile(path, unix.O_RDONLY); err != nil {
		return err
	}
	_, err = unix.Seek(d.border, 0, unix.SEEK_END)
	return err
}

// openFIFO opens it for writing too, so that it does not end when a writer does.
func (d *device) openFIFO(path string) (err error) {
	_ = unix.Close(d.fd)
	d.fd, err = openFile(path, unix.O_RDWR)
	d.waitFor, d.stream = d.fd, &stream{}
	return err
}

func (d *device) close() {
	for _, fd := range []int{d.fd, d.border} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	if d.interrupt != nil {
		_ = d.interrupt.Close()
	}
}

// read reads one record into buf and never waits.
func (d *device) read(buf []byte) (int, error) {
	if d.stream != nil {
		return d.stream.read(d.fd, buf)
	}
	n, err := readFile(d.fd, buf)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, unix.EAGAIN):
		return 0, errDrained
	case errors.Is(err, unix.EPIPE):
		return 0, errOverrun
	case errors.Is(err, unix.EINVAL): // the kernel has gone on to the next
		return 0, errTooLong
	default:
		return 0, fmt.Errorf("read the kernel's log: %w", err)
	}
}

func readFile(fd int, buf []byte) (int, error) {
	for {
		n, err := unix.Read(fd, buf)
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// startsLive tells, once, that the record with that sequence number, which was
// just read, is the first that is not backlog.
func (d *device) startsLive(sequence uint64) bool {
	if d.live {
		return false
	}
	if d.border >= 0 {
		d.readBorder()
	}
	return d.firstLive > 0 && sequence >= d.firstLive && d.endBacklog()
}

// readBorder looks for the first record that was written since open. While there
// is none, all that was read is older.
func (d *device) readBorder() {
	n, err := readFile(d.border, d.scratch[:])
	for errors.Is(err, unix.EPIPE) {
		n, err = readFile(d.border, d.scratch[:])
	}
	if err != nil {
		return
	}
	d.firstLive, _ = sequenceOf(d.scratch[:n])
	_ = unix.Close(d.border)
	d.border = -1
}

// endBacklog tells, once, that there is no more backlog: all has been read.
func (d *device) endBacklog() bool {
	first := !d.live
	d.live = true
	if d.border >= 0 {
		_ = unix.Close(d.border)
		d.border = -1
	}
	return first
}

// canReadAgain tells whether another descriptor would find the same records.
func (d *device) canReadAgain() bool { return d.stream == nil || d.waitFor < 0 }
