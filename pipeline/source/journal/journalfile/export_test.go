package journalfile

import "io"

// OpenBytes opens a file that is in memory.
func OpenBytes(from io.ReaderAt, options Options) (*File, error) {
	return newFile(struct {
		io.ReaderAt
		io.Closer
	}{from, io.NopCloser(nil)}, nil, options)
}
