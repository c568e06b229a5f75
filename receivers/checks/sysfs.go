package checks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// maxEntries bounds the entries of a directory of the kernel that are looked at.
const maxEntries = 4096

// directories lists a directory below host.sys, in order; none if there is no such
// directory.
func (s *system) directories(path string) ([]string, error) {
	if err := s.view().SeesSys(); err != nil {
		return nil, err
	}
	dir, err := os.Open(s.sys(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", dir.Name(), err)
	}
	if len(names) > maxEntries {
		return nil, fmt.Errorf("read %s: it has more than %d entries", dir.Name(), maxEntries)
	}
	slices.Sort(names)
	return names, nil
}
