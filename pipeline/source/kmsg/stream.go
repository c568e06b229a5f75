package kmsg

import (
	"bytes"
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// stream tells the records of a file or FIFO apart, which a read gives as they
// come: a record ends where a line begins that is no dictionary line.
type stream struct {
	buffer  [2 * MaxRecord]byte
	held    int  // bytes in buffer
	ended   bool // nothing more to read for now
	cutting bool // within a record that was too long
}

// read copies the next record to buf.
func (s *stream) read(fd int, buf []byte) (int, error) {
	for {
		if end := s.recordEnd(); end > 0 {
			return s.give(buf, end)
		}
		if s.ended {
			s.ended = false
			return 0, errDrained
		}
		n, err := readFile(fd, s.buffer[s.held:])
		s.ended = n == 0 || errors.Is(err, unix.EAGAIN)
		if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, io.EOF) {
			return 0, err
		}
		s.held += max(n, 0)
	}
}

// recordEnd returns the length of the first record; 0 if it may go on. What has
// a newline at its end is whole once nothing more is there to read.
func (s *stream) recordEnd() int {
	held := s.buffer[:s.held]
	for at := 0; ; {
		newline := bytes.IndexByte(held[at:], '\n')
		if newline < 0 {
			break
		}
		at += newline + 1
		if at < len(held) && held[at] != ' ' || at == len(held) && s.ended {
			return at
		}
	}
	if len(held) > MaxRecord {
		return len(held)
	}
	return 0
}

func (s *stream) give(buf []byte, end int) (int, error) {
	record := s.buffer[:end]
	whole := record[end-1] == '\n'
	tooLong, goesOn := end > len(buf) || !whole, s.cutting
	s.cutting = !whole
	n := copy(buf, record)
	s.held = copy(s.buffer[:], s.buffer[end:s.held])
	switch {
	case goesOn: // the rest of what was counted already
		return 0, errSkipped
	case tooLong:
		return 0, errTooLong
	}
	return n, nil
}

// errSkipped says that a read gave nothing that counts: try again.
var errSkipped = errors.New("rest of a record that was too long")
