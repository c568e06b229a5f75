package replay

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/source/kmsg/interrupt"
)

// MaxLine is the length, in bytes, at which lines are cut.
const MaxLine = 8192

var errStopped = errors.New("stopped before the input's end")

// input is an open file, a read of which can be ended.
type input struct {
	name      string
	fd        int
	own       bool // opened here
	interrupt *interrupt.Interrupt
}

func openInput(options Options) (*input, error) {
	in := &input{name: options.Path}
	switch {
	case options.Path != "-":
		// O_NONBLOCK, so that a FIFO without a writer does not keep the open.
		fd, err := unix.Open(options.Path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: options.Path, Err: err}
		}
		in.fd, in.own = fd, true
	case options.Stdin == nil:
		return nil, errors.New("there is no standard input")
	default:
		in.fd = int(options.Stdin.Fd())
	}
	var err error
	if in.interrupt, err = interrupt.New(); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

func (in *input) close() {
	if in.own {
		_ = unix.Close(in.fd)
	}
	if in.interrupt != nil {
		_ = in.interrupt.Close()
	}
}

// Read waits until there is something to read, the end, or the interrupt.
func (in *input) Read(to []byte) (int, error) {
	for {
		if _, stopped, err := in.interrupt.Wait(in.fd); err != nil || stopped {
			return 0, errors.Join(err, stoppedError(stopped))
		}
		n, err := unix.Read(in.fd, to)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue
		case err != nil:
			return 0, &os.PathError{Op: "read", Path: in.name, Err: err}
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

func stoppedError(stopped bool) error {
	if stopped {
		return errStopped
	}
	return nil
}

// lineReader gives lines, cut at MaxLine.
type lineReader struct {
	from *bufio.Reader
	cut  uint64
}

func newLineReader(from io.Reader) *lineReader {
	return &lineReader{from: bufio.NewReaderSize(from, MaxLine+2)}
}

// next returns the next line without its end. It is valid until the next call.
// At the end it returns the error alone, io.EOF if all went well.
func (l *lineReader) next() ([]byte, error) {
	line, err := l.from.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		if len(line) > 0 && errors.Is(err, io.EOF) {
			return l.trim(line), nil
		}
		return nil, err
	}
	if err == nil {
		return l.trim(line), nil
	}
	l.cut++
	kept := bytes.Clone(line[:MaxLine])
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = l.from.ReadSlice('\n')
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return kept, nil
}

func (l *lineReader) trim(line []byte) []byte {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\r'})
	if len(line) > MaxLine {
		l.cut++
		line = line[:MaxLine]
	}
	return line
}
