package file

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// maxLinks is how many symlinks the kernel follows: path_resolution(7).
	maxLinks = 40
	// maxSteps bounds the rest of what hostile symlinks can ask for.
	maxSteps = 512
)

// resolved is where a path leads.
type resolved struct {
	// path is without symlinks, as the host sees it; where the path leads nowhere it
	// is as far as it was followed, and the rest.
	path string
	// steps are the entries of directories on the way, outside the root's view: what
	// changes there changes where the path leads.
	steps []step
}

type step struct{ dir, name string }

// resolve follows a path of the host as the host's kernel does: an absolute symlink
// leads from the host's root on, wherever that is mounted here.
func resolve(root, path string) resolved {
	var r resolved
	at, rest, links := "/", split(path), 0
	for len(rest) > 0 && len(r.steps) < maxSteps {
		name := rest[0]
		rest = rest[1:]
		if name == ".." {
			at = filepath.Dir(at)
			continue
		}
		r.steps = append(r.steps, step{filepath.Join(root, at), name})
		here := filepath.Join(at, name)
		info, err := os.Lstat(filepath.Join(root, here))
		if err != nil {
			r.path = filepath.Join(append([]string{here}, rest...)...)
			return r
		}
		if info.Mode().Type() != fs.ModeSymlink || links >= maxLinks {
			at = here
			continue
		}
		target, err := os.Readlink(filepath.Join(root, here))
		if err != nil {
			break
		}
		links++
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(split(target), rest...)
	}
	r.path = filepath.Join(append([]string{at}, rest...)...)
	return r
}

// split keeps "..", which is one directory up from where a symlink leads.
func split(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(name string) bool { return name == "" || name == "." })
}
