package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Fault says why a file cannot be read and what to do about it. It wraps the error of
// the system: errors.Is finds fs.ErrPermission and fs.ErrNotExist.
type Fault struct {
	// Reason is what is wrong, in words.
	Reason string
	// Remedy is what the operator can do.
	Remedy string
	// Err is the error behind it.
	Err error
}

// Error returns the reason.
func (f *Fault) Error() string { return f.Reason }

// Unwrap returns the error behind it.
func (f *Fault) Unwrap() error { return f.Err }

func newFault(path string, err error) *Fault {
	f := &Fault{Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.Reason = fmt.Sprintf("there is no %s", path)
		f.Remedy = "it is read from its beginning once it is there; check the path, and where the host's root is mounted"
	case errors.Is(err, fs.ErrPermission):
		f.Reason = fmt.Sprintf("%s may not be read by uid %d", path, os.Geteuid())
		f.Remedy = "run as root, or give this user the right to read the file and to enter its directory (group adm for /var/log)"
	case errors.Is(err, errNotRegular):
		f.Reason = fmt.Sprintf("%s is no regular file", path)
		f.Remedy = "write the path of a text file"
	default:
		f.Reason = fmt.Sprintf("%s cannot be read: %v", path, cause(err))
		f.Remedy = "mend that: see its disk or server, its directories and symlinks; it is tried again every second"
	}
	return f
}

// cause is what the system says, without the path that the reason has.
func cause(err error) error {
	if of := (*fs.PathError)(nil); errors.As(err, &of) {
		return of.Err
	}
	return err
}
