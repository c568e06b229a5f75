package file

import (
	"compress/gzip"
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

// is tells whether it holds what was read up to a position.
func (c *content) is(p *Position) bool {
	if c.gzip == nil && c.info.size < p.Offset {
		return false
	}
	var buffer [headSize]byte
	for _, part := range []struct {
		print  Print
		offset int64
	}{{p.Head, 0}, {p.Tail, p.Offset - int64(p.Tail.Length)}} {
		text := buffer[:part.print.Length]
		if n, err := c.readAt(text, part.offset); err != nil || !part.print.matches(text[:n]) {
			return false
		}
	}
	return true
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

// backSize is how far reads of an unpacked content may go back without unpacking
// anew: a line that is not whole, and the bytes before it.
const backSize = MaxLine + 4<<10

// unpacked reads what gzip has compressed, forward.
type unpacked struct {
	file   *os.File
	from   *gzip.Reader
	back   []byte // what was read last
	offset int64  // behind that
}

// ReadAt implements io.ReaderAt.
func (u *unpacked) ReadAt(to []byte, offset int64) (n int, err error) {
	if u.from == nil || offset < u.offset-int64(len(u.back)) {
		u.from, err = gzip.NewReader(io.NewSectionReader(u.file, 0, 1<<62))
		if err != nil {
			return 0, fmt.Errorf("unpack %s: %w", u.file.Name(), err)
		}
		u.back, u.offset = u.back[:0], 0
	}
	if offset < u.offset {
		n = copy(to, u.back[int64(len(u.back))-(u.offset-offset):])
	}
	for u.offset < offset {
		var skipped [4 << 10]byte
		read, err := u.read(skipped[:min(int64(len(skipped)), offset-u.offset)])
		if err != nil && read == 0 {
			return 0, err
		}
	}
	for n < len(to) {
		read, err := u.read(to[n:])
		n += read
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (u *unpacked) read(to []byte) (int, error) {
	n, err := u.from.Read(to)
	u.offset += int64(n)
	if n >= backSize {
		u.back = append(u.back[:0], to[n-backSize:n]...)
	} else {
		u.back = append(u.back, to[:n]...)
		if len(u.back) > 2*backSize {
			u.back = append(u.back[:0], last(u.back, backSize)...)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("unpack %s: %w", u.file.Name(), err)
	}
	return n, err
}
