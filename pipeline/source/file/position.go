package file

import (
	"errors"
	"fmt"
	"math"
)

// Position says how far a file has been read, and how to know it again. Its form as
// JSON is kept over restarts.
type Position struct {
	// Path is where the file was seen last, symlinks resolved, below the host's root: its
	// [Name].
	Path string `json:"path"`
	// Device and Inode are those of stat(2), Born is when it was made, in ns; 0: the
	// file system does not say.
	Device uint64 `json:"device,omitempty"`
	Inode  uint64 `json:"inode,omitempty"`
	Born   int64  `json:"born,omitempty"`
	// Changed is when it was last written, as far as that has been read, in ns.
	Changed int64 `json:"changed,omitempty"`
	// Key is a fingerprint of the first line; empty: it is not known yet.
	Key string `json:"key,omitempty"`
	// Generation counts the files and truncations that were read at the path before and
	// began with the same line.
	Generation uint64 `json:"generation,omitempty"`
	// Offset is where the first line starts that was not given.
	Offset int64 `json:"offset"`
	// Skipping tells that it is within a line that was cut: the rest is not given.
	Skipping bool `json:"skipping,omitempty"`
	// Head is the fingerprint of the file's first bytes, Tail that of those before
	// Offset.
	Head Print `json:"head,omitzero"`
	Tail Print `json:"tail,omitzero"`
	// Done tells that the file is read to its end and was rotated away.
	Done bool `json:"done,omitempty"`
}

// The bounds of what is read back.
const (
	maxPath = 8 << 10
	maxKey  = 64
	// MaxFiles is how many files of one path are read at once.
	MaxFiles = 64
)

// Check tells what no follower can have written.
func (p *Position) Check() error {
	var errs []error
	if p.Path == "" || len(p.Path) > maxPath {
		errs = append(errs, fmt.Errorf("the path has %d bytes", len(p.Path)))
	}
	if p.Offset < 0 || p.Offset > math.MaxInt64/2 || p.Generation > math.MaxInt64 {
		errs = append(errs, fmt.Errorf("the offset is %d, the generation %d", p.Offset, p.Generation))
	}
	if p.Head.Length < 0 || p.Head.Length > headSize {
		errs = append(errs, fmt.Errorf("the fingerprint of the head is of %d bytes", p.Head.Length))
	}
	if p.Tail.Length < 0 || p.Tail.Length > tailSize || int64(p.Tail.Length) > p.Offset {
		errs = append(errs, fmt.Errorf("the fingerprint before the offset %d is of %d bytes", p.Offset, p.Tail.Length))
	}
	if len(p.Key) > maxKey {
		errs = append(errs, fmt.Errorf("the key has %d bytes", len(p.Key)))
	}
	return errors.Join(errs...)
}

// at tells that a file is the one of the position, by the file system.
func (p *Position) at(i info) bool {
	return p.Inode == i.inode && p.Device == i.device && (p.Born == 0 || i.born == 0 || p.Born == i.born)
}
