package pstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// syncLimit is how long the receiver waits for the state to be on disk.
const syncLimit = 30 * time.Second

var errNotKept = errors.New("nothing outlives the agent")

// remove takes away what the kernel still has of dumps that were told, once it is on
// disk that they were.
func (r *Receiver) remove(ctx context.Context, dumps []*dump) *fault {
	var files []file
	for _, d := range dumps {
		for _, p := range d.parts {
			files = append(files, p.files...)
		}
	}
	if len(files) == 0 || !r.config.Remove {
		return nil
	}
	if err := r.sync(ctx); err != nil {
		return &fault{
			reason: fmt.Sprintf("%d files that were told are not removed from pstore: %v", len(files), err),
			remedy: "let the agent keep its state (service.state_dir), or set remove to false", err: err,
		}
	}
	for _, f := range files {
		if err := removeFile(f); err != nil {
			return &fault{
				reason: fmt.Sprintf("a file that was told cannot be removed from pstore: %v", err),
				remedy: "mount pstore writable and run as root, or set remove to false", err: err,
			}
		}
		r.counters.removed.Add(ctx, "", 1)
	}
	return nil
}

func (r *Receiver) sync(ctx context.Context) error {
	keeping := &r.settings.Keeping
	if !keeping.Durable() || keeping.Sync == nil {
		return errNotKept
	}
	ctx, cancel := context.WithTimeout(ctx, syncLimit)
	defer cancel()
	return keeping.Sync(ctx)
}

func removeFile(f file) error {
	root, err := openDirectory(f.directory)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := root.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
