package kmsg

import (
	"bytes"
	"errors"

	"golang.org/x/sys/unix"
)

// stream tells the records of a file or FIFO apart, which a read gives as they
// come: a record ends where a line begins that is no dictionary line.
type stream struct {
	buffer     [8 * MaxRecord]byte
	start, end int  // of what buffer holds
	ended      bool // nothing more to read for now
	file       bool // that has an end: it was the end
	cutting    bool // within a record that was too long
}

// errSkipped says that a read gave nothing that counts: try again.
var errSkipped = errors.New("rest of a record that was too long")

// read copies the next record to buf.
func (s *stream) read(fd int, buf []byte) (int, error) {
	for {
		if n := s.recordLength(); n > 0 {
			return s.give(buf, n)
		}
		if s.ended {
			s.ended = false
			return 0, errDrained
		}
		if err := s.fill(fd); err != nil {
			return 0, err
		}
	}
}

func (s *stream) fill(fd int) error {
	s.end = copy(s.buffer[:], s.buffer[s.start:s.end])
	s.start = 0
	n, err := readFile(fd, s.buffer[s.end:])
	s.ended, s.file = n <= 0, n == 0
	if err != nil && !errors.Is(err, unix.EAGAIN) {
		return err
	}
	s.end += max(n, 0)
	return nil
}

// recordLength returns the length of the first record; 0 if it may go on. What
// has a newline at its end is whole once nothing more is there to read; at the
// end of a file, what has none is whole too.
func (s *stream) recordLength() int {
	held := s.buffer[s.start:s.end]
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
	if len(held) > MaxRecord || s.ended && s.file {
		return len(held)
	}
	return 0
}

func (s *stream) give(buf []byte, length int) (int, error) {
	record := s.buffer[s.start : s.start+length]
	s.start += length
	goesOn := s.cutting
	s.cutting = record[length-1] != '\n' && length > MaxRecord
	switch {
	case goesOn: // the rest of what was counted already
		return 0, errSkipped
	case length > len(buf):
		return 0, errTooLong
	}
	return copy(buf, record), nil
}
