package file

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
)

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
