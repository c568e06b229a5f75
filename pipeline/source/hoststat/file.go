package hoststat

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

// maxFile bounds what is read of one file: 4,096 CPUs or 20,000 interfaces have less.
const maxFile = 8 << 20

// fileReader reads files of the kernel into one buffer.
type fileReader struct{ buffer []byte }

// read hands the text of a file to parse, which keeps none of it.
func (f *fileReader) read(path string, parse func(text []byte) error) error {
	text, err := f.text(path)
	if err == nil {
		err = parse(text)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, withoutPath(err))
	}
	return nil
}

// withoutPath drops the path that os has put before an error.
func withoutPath(err error) error {
	if of, ok := errors.AsType[*os.PathError](err); ok {
		return of.Err
	}
	return err
}

func (f *fileReader) text(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := isKernels(fd); err != nil {
		return nil, err
	}
	if f.buffer == nil {
		f.buffer = make([]byte, 64<<10)
	}
	for n := 0; ; {
		if n == len(f.buffer) {
			if n >= maxFile {
				return nil, fmt.Errorf("it has more than %d bytes", maxFile)
			}
			f.buffer = append(f.buffer, make([]byte, n)...)
		}
		got, err := unix.Read(fd, f.buffer[n:])
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, err
		case got == 0:
			return f.buffer[:n], nil
		default:
			n += got
		}
	}
}

// isKernels returns nil unless another program stands in for the kernel: lxcfs mounts
// files over those of /proc, with the figures of a container.
func isKernels(fd int) error {
	var s unix.Statfs_t
	if err := unix.Fstatfs(fd, &s); err != nil || s.Type != unix.FUSE_SUPER_MAGIC {
		return nil // what is wrong with it, reading it tells
	}
	return hostview.NewBlind("a program stands in for the kernel there, with the figures of a container",
		"mount the host's /proc into the agent's container and set service.host.proc")
}

// nextLine cuts the first line off a text.
func nextLine(text []byte) (line, rest []byte) {
	if before, after, ok := bytes.Cut(text, []byte{'\n'}); ok {
		return before, after
	}
	return text, nil
}

// nextField cuts the first field off a line; empty: there is none.
func nextField(line []byte) (field, rest []byte) {
	i := 0
	for i < len(line) && isBlank(line[i]) {
		i++
	}
	end := i
	for end < len(line) && !isBlank(line[end]) {
		end++
	}
	return line[i:end], line[end:]
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' }

// number reads a decimal number without a sign.
func number(field []byte) (uint64, error) {
	n, err := strconv.ParseUint(string(field), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is no number of 64 bits", field)
	}
	return n, nil
}

// numbers reads the next fields of a line; n is how many there were.
func numbers(line []byte, into []uint64) (n int, err error) {
	for n < len(into) {
		var field []byte
		if field, line = nextField(line); len(field) == 0 {
			return n, nil
		}
		if into[n], err = number(field); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// decimal reads a number with a fraction, which is not negative.
func decimal(field []byte) (float64, error) {
	x, err := strconv.ParseFloat(string(field), 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
		return 0, fmt.Errorf("%.40q is no number", field)
	}
	return x, nil
}

// times multiplies, unless that is more than a number can be.
func times(n, unit uint64) (uint64, error) {
	if n > math.MaxUint64/unit {
		return 0, fmt.Errorf("%d times %d is out of range", n, unit)
	}
	return n * unit, nil
}

func errLine(line []byte, why string) error {
	return fmt.Errorf("the line %.80q %s", line, why)
}
