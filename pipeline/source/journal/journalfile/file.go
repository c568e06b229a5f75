package journalfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// DefaultMaxField is how many bytes of a field are read unless the options say
// otherwise.
const DefaultMaxField = 64 << 10

// Options say how to read a file.
type Options struct {
	// Cache is shared with other files; nil: one of 1 MiB for this file alone.
	Cache *Cache
	// MaxField is how many bytes of a field are read, its name included; the rest is
	// cut off and counted. 0: DefaultMaxField. Of all fields of an entry together 16
	// times as many are read.
	MaxField int
}

// Stats count what a file had that could not be passed on, and what it cost.
type Stats struct {
	// Damaged are entries, and references to entries, that led nowhere or were not
	// what had been written.
	Damaged uint64
	// Cut are fields that were longer than what is read of one.
	Cut uint64
	// Reads are calls of pread(2).
	Reads uint64
}

// File is an open journal file. Its methods are for one goroutine at a time, which
// holds for all files that share a cache.
type File struct {
	file     source
	info     fs.FileInfo
	cache    *Cache
	number   uint32 // in the cache
	version  uint32 // counts refreshes: windows from before are not valid any more
	maxField int
	header   Header
	stats    Stats
	scratch  []byte
	head     [readHeader]byte
	decoder  decoder
	all      *chain

	dataHeader int // where payloads begin in data objects
}

// source is what a file is read from.
type source interface {
	io.ReaderAt
	io.Closer
	// Size returns how many bytes there are now.
	Size() (uint64, error)
}

// onDisk is a file of the system's.
type onDisk struct{ *os.File }

// Size returns how many bytes the file has now.
func (f onDisk) Size() (uint64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return uint64(max(info.Size(), 0)), nil
}

// Open opens a file. An error that wraps ErrUnfinished says that its writer has just
// made it, an *UnsupportedError that it cannot be read.
func Open(path string, options Options) (*File, error) {
	// A FIFO in place of the file must not hold anybody up.
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0) //nolint:gosec // the path is the caller's own
	if err != nil {
		return nil, err
	}
	f, err := begin(file, options)
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("read the journal file %s: %w", path, err)
	}
	return f, nil
}

func begin(file *os.File, options Options) (*File, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is no regular file")
	}
	return newFile(onDisk{file}, info, options)
}

func newFile(from source, info fs.FileInfo, options Options) (f *File, err error) {
	f = &File{file: from, info: info, cache: options.Cache, maxField: options.MaxField}
	if f.cache == nil {
		f.cache = NewCache(1 << 20)
	}
	if f.maxField <= 0 {
		f.maxField = DefaultMaxField
	}
	f.number = f.cache.register()
	if f.header, err = f.readHeader(); err != nil {
		return nil, err
	}
	f.dataHeader = dataHeader
	if f.header.Compact {
		f.dataHeader = compactData
	}
	f.all = &chain{file: f, main: true}
	return f, nil
}

func (f *File) readHeader() (Header, error) {
	n, err := f.readAt(f.head[:], 0)
	if err != nil {
		return Header{}, err
	}
	clear(f.head[n:])
	header, err := parseHeader(f.head[:n])
	if err != nil {
		return Header{}, err
	}
	size, err := f.file.Size()
	if err != nil {
		return Header{}, err
	}
	header.bound(size)
	return header, nil
}

// Close closes the file. No method may be called any more.
func (f *File) Close() error { return f.file.Close() }

// Header returns what the file said of itself at Open or the last Refresh.
func (f *File) Header() Header { return f.header }

// Stats returns what has been counted.
func (f *File) Stats() Stats { return f.stats }

// Info returns what the system knew of the file at Open.
func (f *File) Info() fs.FileInfo { return f.info }

var (
	// ErrReplaced says that another file was written over the one that was opened.
	ErrReplaced = errors.New("the journal file was replaced in its place: open it again")
	// ErrErased says that the file was emptied: journald does so when it deletes a file,
	// and who has it open can read it no more.
	ErrErased = errors.New("the journal file was emptied")
)

// Refresh looks at what has been written meanwhile. All that was in the file before
// Refresh was called is found after it. After an error the file is as it was.
func (f *File) Refresh() error {
	header, err := f.again()
	if err != nil || f.header.State == Archived {
		return err
	}
	f.version++ // behind the header: what is read from now on is as new as it
	f.header = header
	return nil
}

// again reads the header of the same file again.
func (f *File) again() (Header, error) {
	header, err := f.readHeader()
	switch {
	case errors.Is(err, ErrUnfinished):
		return Header{}, ErrErased
	case err != nil:
		return Header{}, fmt.Errorf("read the journal file's header again: %w", err)
	case header.FileID != f.header.FileID:
		return Header{}, ErrReplaced
	}
	return header, nil
}

// Check tells, by ErrErased or ErrReplaced, that the file's content is gone. If it is
// nil, all that was read before was the file's.
func (f *File) Check() error {
	_, err := f.again()
	return err
}

// growing tells whether what is missing may still come.
func (f *File) growing() bool { return f.header.State != Archived }
