package journalfile

import "io"

// inMemory is a file that is not on disk.
type inMemory struct {
	io.ReaderAt
	io.Closer
}

// Size is that of what has one, like a bytes.Reader; else there is no end.
func (m inMemory) Size() (uint64, error) {
	if sized, ok := m.ReaderAt.(interface{ Size() int64 }); ok {
		return uint64(sized.Size()), nil
	}
	return 1 << 48, nil
}

// OpenBytes opens a file that is in memory.
func OpenBytes(from io.ReaderAt, options Options) (*File, error) {
	return newFile(inMemory{from, io.NopCloser(nil)}, nil, options)
}

// LZ4Block decompresses a block.
var LZ4Block = lz4Block
