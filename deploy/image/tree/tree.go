// Package tree keeps the files of a layer in memory and writes them so that the same
// files make the same bytes.
package tree

import (
	"archive/tar"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// File is one entry. All belong to uid and gid 0.
type File struct {
	// Path is relative to the root, without a leading slash or dot.
	Path string
	// Type is one of tar's: a regular file, a directory or a symbolic link.
	Type byte
	// Mode are the permission bits, without those that lend the owner's rights.
	Mode int64
	// Link is the target of a symbolic link.
	Link string
	// Content is that of a regular file. It must not change afterwards.
	Content []byte
}

// Tree is the files of a layer by path. It is not safe for concurrent use.
type Tree struct {
	files map[string]File
}

// New returns an empty tree.
func New() *Tree { return &Tree{files: map[string]File{}} }

// Add puts a file in, and the directories that it is in where they are missing. It
// takes the place of one that is there, but for a directory's.
func (t *Tree) Add(f File) error {
	f.Path = Clean(f.Path)
	if f.Path == "" {
		return nil
	}
	old, there := t.files[f.Path]
	if there && (old.Type == tar.TypeDir) != (f.Type == tar.TypeDir) {
		return fmt.Errorf("put %s into the tree: it is a directory in one place and none in another", f.Path)
	}
	if parent := path.Dir(f.Path); parent != "." {
		if err := t.parent(parent); err != nil {
			return err
		}
	}
	f.Mode &= 0o1777
	t.files[f.Path] = f
	return nil
}

func (t *Tree) parent(dir string) error {
	f, there := t.files[dir]
	switch {
	case there && f.Type != tar.TypeDir:
		return fmt.Errorf("put files into %s: it is no directory", dir)
	case there:
		return nil
	}
	return t.Dir(dir, 0o755)
}

// Clean returns a path in the form of File's.
func Clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// Dir puts a directory in.
func (t *Tree) Dir(name string, mode int64) error {
	return t.Add(File{Path: name, Type: tar.TypeDir, Mode: mode})
}

// Write puts a regular file in.
func (t *Tree) Write(name string, mode int64, content []byte) error {
	return t.Add(File{Path: name, Type: tar.TypeReg, Mode: mode, Content: content})
}

// Symlink puts a symbolic link in.
func (t *Tree) Symlink(name, target string) error {
	return t.Add(File{Path: name, Type: tar.TypeSymlink, Mode: 0o777, Link: target})
}

// Get returns the file at a path.
func (t *Tree) Get(name string) (File, bool) {
	f, ok := t.files[Clean(name)]
	return f, ok
}

// Files returns all files in the order of their paths.
func (t *Tree) Files() []File {
	return slices.SortedFunc(maps.Values(t.files), func(a, b File) int { return strings.Compare(a.Path, b.Path) })
}

// WriteTar writes all files, each with the one time of modification.
func (t *Tree) WriteTar(w io.Writer, modified time.Time) error {
	archive := tar.NewWriter(w)
	for _, f := range t.Files() {
		if err := writeEntry(archive, f, modified); err != nil {
			return fmt.Errorf("write %s into the layer: %w", f.Path, err)
		}
	}
	return archive.Close()
}

func writeEntry(archive *tar.Writer, f File, modified time.Time) error {
	name := f.Path
	if f.Type == tar.TypeDir {
		name += "/"
	}
	err := archive.WriteHeader(&tar.Header{
		Typeflag: f.Type, Name: name, Linkname: f.Link, Mode: f.Mode,
		Size: int64(len(f.Content)), ModTime: modified.UTC().Truncate(time.Second),
	})
	if err != nil {
		return err
	}
	_, err = archive.Write(f.Content)
	return err
}
