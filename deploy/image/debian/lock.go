// Package debian makes a tree of files of pinned Debian packages. It runs none of
// their scripts, so that any machine makes the tree of any architecture, and the same
// each time.
package debian

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// Package is one pinned package.
type Package struct {
	// Arch is the architecture whose image it is for, in Go's words, which are Debian's.
	Arch string
	// SHA256 is that of the .deb file, in hexadecimal digits.
	SHA256 string
	// Path is where a mirror has it, below its own address: ARCHIVE/pool/….
	Path string
}

// Lock is the pinned packages of all architectures.
type Lock struct {
	// Time is when they were pinned, and the time of all files of them.
	Time     time.Time
	Packages []Package
}

// ParseLock reads debian.lock.
func ParseLock(text string) (*Lock, error) {
	lock := &Lock{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if err := lock.take(fields); err != nil {
			return nil, fmt.Errorf("debian.lock:%d: %w: run ./lock to write it anew", number, err)
		}
	}
	if lock.Time.IsZero() || len(lock.Packages) == 0 {
		return nil, errors.New("debian.lock: no time or no packages: run ./lock to write it anew")
	}
	return lock, nil
}

func (l *Lock) take(fields []string) (err error) {
	switch {
	case len(fields) == 2 && fields[0] == "time":
		l.Time, err = time.Parse(time.RFC3339, fields[1])
		return err
	case len(fields) == 3 && len(fields[1]) == 64 && strings.HasSuffix(fields[2], ".deb"):
		l.Packages = append(l.Packages, Package{Arch: fields[0], SHA256: fields[1], Path: fields[2]})
		return nil
	}
	return fmt.Errorf("%q is neither a time nor a package", strings.Join(fields, " "))
}

// For returns the packages of an architecture: those with the names, or all where none
// is named.
func (l *Lock) For(arch string, names ...string) ([]Package, error) {
	var found []Package
	for _, p := range l.Packages {
		if p.Arch == arch && (len(names) == 0 || slices.Contains(names, p.Name())) {
			found = append(found, p)
		}
	}
	if len(found) == 0 || len(names) > 0 && len(found) != len(names) {
		return nil, fmt.Errorf("debian.lock has not all of the packages %v for %s", names, arch)
	}
	return found, nil
}

// Name is the package's name.
func (p Package) Name() string {
	name, _, _ := strings.Cut(path.Base(p.Path), "_")
	return name
}

// URL is where a mirror has it. {archive} in the mirror's address stands for the
// archive: debian or debian-security.
func (p Package) URL(mirror string) string {
	archive, rest, _ := strings.Cut(p.Path, "/")
	return strings.ReplaceAll(mirror, "{archive}", url.PathEscape(archive)) + "/" + rest
}
