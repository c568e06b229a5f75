package mounts

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

// Mount is one line of a mountinfo file (proc_pid_mountinfo(5)).
type Mount struct {
	ID     int
	Device string // of the file system: major:minor
	Root   string // which part of it is mounted
	Point  string // where
	Source string // what it is mounted from, as mount(8) was told
	Type   string
	// Options are those of this mount: rw,relatime. ReadOnly is the first of them.
	Options  string
	ReadOnly bool
	// FSOptions are those of the file system itself, the kernel's own changes included.
	FSOptions string
}

// Has tells whether the file system has an option.
func (m *Mount) Has(option string) bool {
	for one := range strings.SplitSeq(m.FSOptions, ",") {
		if one == option {
			return true
		}
	}
	return false
}

// The bounds of a mountinfo file: what an overlay of many layers takes in a line, and
// how many lines there are. The kernel itself allows 100,000 mounts (fs.mount-max).
const (
	maxLine   = 64 << 10
	maxMounts = 100_000
)

// Read reads a mountinfo file, and returns the mounts of the types that are
// wanted, in the order of the file. Nodes have thousands of others.
func Read(path string, wanted func(fsType []byte) bool) (mounts []Mount, err error) {
	file, err := hostview.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	reader := bufio.NewReaderSize(file, maxLine)
	for n := 0; ; n++ {
		line, err := readLine(reader)
		switch {
		case errors.Is(err, io.EOF):
			return mounts, nil
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", path, err)
		case n == maxMounts:
			return nil, fmt.Errorf("read %s: there are more than %d mounts", path, maxMounts)
		}
		if m, ok := parseMount(line, wanted); ok {
			mounts = append(mounts, m)
		}
	}
}

// readLine returns the next line, valid until the next call; what does not fit the
// reader's buffer is left out.
func readLine(reader *bufio.Reader) ([]byte, error) {
	line, err := reader.ReadSlice('\n')
	rest := err
	for errors.Is(rest, bufio.ErrBufferFull) {
		line = slices.Clone(line)
		_, rest = reader.ReadSlice('\n')
	}
	if rest != nil && len(line) == 0 {
		return nil, rest
	}
	return line, nil
}

var fieldsEnd = []byte(" - ")

// parseMount reads a line: id, parent, device, root, mount point, options, any number
// of tags, a hyphen, then type, source and the file system's options. Spaces within
// fields are written as \040.
func parseMount(line []byte, wanted func(fsType []byte) bool) (m Mount, ok bool) {
	own, of, ok := bytes.Cut(bytes.TrimRight(line, "\n"), fieldsEnd)
	if !ok {
		return Mount{}, false
	}
	fsType, of, _ := bytes.Cut(of, []byte{' '})
	if !wanted(fsType) {
		return Mount{}, false
	}
	fields := bytes.Fields(own)
	if len(fields) < 6 {
		return Mount{}, false
	}
	id, err := strconv.Atoi(string(fields[0]))
	if err != nil {
		return Mount{}, false
	}
	source, options, _ := bytes.Cut(of, []byte{' '})
	return Mount{
		ID: id, Device: string(fields[2]), Root: Unescape(fields[3]), Point: Unescape(fields[4]),
		Options: string(fields[5]), ReadOnly: bytes.Equal(fields[5], []byte("ro")) || bytes.HasPrefix(fields[5], []byte("ro,")),
		Type: string(fsType), Source: Unescape(source), FSOptions: string(options),
	}, true
}

// Unescape undoes what the kernel does to blanks and backslashes: \ and three octal
// digits (mangle_path in the kernel's fs/seq_file.c).
func Unescape(field []byte) string {
	if !bytes.ContainsRune(field, '\\') {
		return string(field)
	}
	text := make([]byte, 0, len(field))
	for i := 0; i < len(field); i++ {
		if field[i] == '\\' && i+3 < len(field) {
			if octal, err := strconv.ParseUint(string(field[i+1:i+4]), 8, 8); err == nil {
				text = append(text, byte(octal))
				i += 3
				continue
			}
		}
		text = append(text, field[i])
	}
	return string(text)
}
