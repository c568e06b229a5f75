package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// info is what the file system says of a file.
type info struct {
	device, inode uint64
	born, changed int64 // ns; born is 0 where it is not known
	size          int64
	links         uint64
	regular       bool
}

func infoOf(stat *unix.Stat_t) info {
	return info{
		device: uint64(stat.Dev), inode: stat.Ino, changed: stat.Mtim.Nano(), size: stat.Size, //nolint:unconvert // it is 32 bits wide elsewhere
		links: uint64(stat.Nlink), regular: stat.Mode&unix.S_IFMT == unix.S_IFREG, //nolint:unconvert // as above
	}
}

// bornAt asks when a file was made: stat(2) does not say.
func bornAt(fd int) int64 {
	var more unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &more)
	if err != nil || more.Mask&unix.STATX_BTIME == 0 {
		return 0
	}
	return more.Btime.Sec*1e9 + int64(more.Btime.Nsec)
}

// look asks for a path's file.
func look(path string) (info, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return info{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return infoOf(&stat), nil
}

// Born is when a file was made; zero where the file system does not say.
func Born(path string) time.Time {
	file, err := os.OpenFile(path, unix.O_PATH, 0) //nolint:gosec // the operator's own path
	if err != nil {
		return time.Time{}
	}
	defer file.Close()
	if at := bornAt(int(file.Fd())); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

var errNotRegular = errors.New("is no regular file")

// content is an open file, or what is compressed in one.
type content struct {
	file *os.File
	info info
	gzip *unpacked // nil: it is read as it is
}

// openContent opens a regular file. One that begins as gzip's do is unpacked, if that
// is allowed.
func openContent(path string, mayUnpack bool) (*content, error) {
	// O_NONBLOCK, so that a FIFO does not keep the open.
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, err
	}
	c := &content{file: file}
	if err := c.stat(); err != nil {
		c.close()
		return nil, err
	}
	if !c.info.regular {
		c.close()
		return nil, fmt.Errorf("%s %w", path, errNotRegular)
	}
	c.info.born = bornAt(int(file.Fd()))
	var magic [2]byte
	if n, _ := file.ReadAt(magic[:], 0); mayUnpack && n == 2 && magic == [2]byte{0x1f, 0x8b} { // RFC 1952, 2.3.1
		c.gzip = &unpacked{file: file}
		c.info.born = 0 // that of what is packed in it is not known
	}
	return c, nil
}

func (c *content) close() { _ = c.file.Close() }

// stat asks again.
func (c *content) stat() error {
	var stat unix.Stat_t
	for {
		err := unix.Fstat(int(c.file.Fd()), &stat)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "fstat", Path: c.file.Name(), Err: err}
		}
		born := c.info.born
		c.info = infoOf(&stat)
		c.info.born = born
		return nil
	}
}

// readAt fills to as far as the content goes; less is no error.
func (c *content) readAt(to []byte, offset int64) (int, error) {
	from := io.ReaderAt(c.file)
	if c.gzip != nil {
		from = c.gzip
	}
	n, err := from.ReadAt(to, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// is tells whether it holds what was read up to a position. How it begins is looked at
// first: what is packed need not be unpacked up to there, if that is another.
func (c *content) is(p *Position) bool {
	if c.gzip == nil && c.info.size < p.Offset || !c.begins(p) {
		return false
	}
	var buffer [tailSize]byte
	tail := buffer[:p.Tail.Length]
	n, err := c.readAt(tail, p.Offset-int64(len(tail)))
	return err == nil && p.Tail.matches(tail[:n])
}

// begins tells whether it begins as the file of a position. What is shorter than the
// bytes that are known of that, and was written no later than it was read, may be a
// copy that was made before the last of them were written.
func (c *content) begins(p *Position) bool {
	var buffer [headSize]byte
	n, err := c.readAt(buffer[:], 0)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false
	}
	head := buffer[:n]
	switch {
	case n >= p.Head.Length:
		return p.Head.matches(head[:p.Head.Length])
	case n == 0 || p.Key == "" || c.info.changed > p.Changed:
		return false
	default:
		return bytes.IndexByte(head, '\n') < 0 || keyOf(head) == p.Key
	}
}

// end is the position at the end of a file that is not empty.
func (c *content) end() (p Position, ok bool) {
	if c.gzip != nil || c.stat() != nil || c.info.size == 0 {
		return p, false
	}
	var head [headSize]byte
	var tail [tailSize]byte
	n, errHead := c.readAt(head[:], 0)
	p.Offset = c.info.size
	m, errTail := c.readAt(tail[:min(p.Offset, tailSize)], p.Offset-min(p.Offset, tailSize))
	p.Head, p.Tail = printOf(head[:n]), printOf(tail[:m])
	return p, errHead == nil && errTail == nil
}
