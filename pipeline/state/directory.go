package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/faultpoint"
	"github.com/otelnpd/otelnpd/pipeline/filelock"
)

// The files of a state directory.
const (
	fileName       = "state.json"
	unfinishedName = "state.json.new"
	lockName       = "lock"
	// asideInfix follows the name of a file that could not be read.
	asideInfix = ".unreadable-"
)

// maxAside is how many files that could not be read are left for people to look
// at.
const maxAside = 3

// Directory is a state directory that is this process's alone.
type Directory struct {
	path   string
	disk   Disk
	logger *slog.Logger
	// unlocked leaves out the lock, for a disk that is not the machine's.
	unlocked bool

	mu   sync.Mutex
	lock *filelock.Lock
}

// NewDirectory returns the directory at path. A disk that is not nil is a
// simulated one, which nobody else has.
func NewDirectory(path string, disk Disk, logger *slog.Logger) *Directory {
	d := &Directory{path: path, disk: disk, logger: logger, unlocked: disk != nil}
	if disk == nil {
		d.disk = OSDisk{}
	}
	return d
}

// Path is the directory's.
func (d *Directory) Path() string { return d.path }

// Open makes the directory if need be, locks it and reads what was kept. Without a
// state file the document is nil. A file that cannot be understood is set aside,
// which is logged, and is as none. The error is [filelock.ErrHeld] where another
// process has the directory; any other means that nothing can be read there now.
//
// It waits for the disk no longer than ctx lets.
func (d *Directory) Open(ctx context.Context) (*Document, error) {
	type opened struct {
		document *Document
		err      error
	}
	result := make(chan opened, 1)
	go func() {
		document, err := d.open()
		result <- opened{document, err}
	}()
	select {
	case got := <-result:
		return got.document, got.err
	case <-ctx.Done():
		return nil, fmt.Errorf("the disk under %s does not answer: %w", d.path, context.Cause(ctx))
	}
}

func (d *Directory) open() (*Document, error) {
	if err := d.take(); err != nil {
		return nil, err
	}
	// What a crash left half-written is nothing.
	_ = d.disk.Remove(d.file(unfinishedName))
	text, err := d.disk.ReadFile(d.file(fileName), MaxBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // nothing has been kept yet
	}
	var document *Document
	if err == nil {
		document, err = Decode(text)
	}
	if err != nil {
		d.setAside(err)
		return nil, nil //nolint:nilnil // as if nothing had been kept
	}
	return document, nil
}

// take makes the directory and locks it, unless this process has it already.
func (d *Directory) take() error {
	if err := d.disk.MakeDirectory(d.path); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	if d.unlocked {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lock != nil {
		return nil
	}
	lock, err := filelock.Take(d.file(lockName))
	if err != nil {
		return fmt.Errorf("lock the state directory: %w", err)
	}
	d.lock = lock
	return nil
}

// Close gives the directory back.
func (d *Directory) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lock == nil {
		return nil
	}
	err := d.lock.Release()
	d.lock = nil
	return err
}

func (d *Directory) file(name string) string { return filepath.Join(d.path, name) }

// setAside keeps a file that could not be read for people to look at.
func (d *Directory) setAside(cause error) {
	aside := fileName + asideInfix + time.Now().UTC().Format("20060102T150405.000000000Z")
	err := d.disk.Rename(d.file(fileName), d.file(aside))
	d.logger.Error("what was kept before this start cannot be read, and the agent goes on without it: "+
		"with the Node's conditions, where it tells Kubernetes, and with what its sources still have; "+
		"after a downgrade, go back to the newer version to have it again",
		"error", cause, "set_aside", d.file(aside), "set_aside_error", err)
	names, err := d.disk.Names(d.path)
	if err != nil {
		return
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, fileName+asideInfix) })
	slices.Sort(names)
	for _, name := range names[:max(0, len(names)-maxAside)] {
		_ = d.disk.Remove(d.file(name))
	}
}

// replace writes the file anew. Until it returns, and if it fails, the file is the
// one before or the new one.
func (d *Directory) replace(content []byte) error {
	err := d.writeUnfinished(content)
	if errors.Is(err, fs.ErrNotExist) { // somebody has removed the directory
		if err = d.retake(); err == nil {
			err = d.writeUnfinished(content)
		}
	}
	if err != nil {
		_ = d.disk.Remove(d.file(unfinishedName))
		return err
	}
	faultpoint.Reach("state.fsync")
	if err := d.disk.Rename(d.file(unfinishedName), d.file(fileName)); err != nil {
		return err
	}
	faultpoint.Reach("state.rename")
	if err := d.disk.SyncDirectory(d.path); err != nil {
		return err
	}
	faultpoint.Reach("state.directory")
	return nil
}

// retake makes a directory anew that was removed, and locks it.
func (d *Directory) retake() error {
	if err := d.Close(); err != nil {
		return err
	}
	return d.take()
}

// writeUnfinished writes the file beside, down to the disk. Its name is fixed, so
// that crashes leave no more than one.
func (d *Directory) writeUnfinished(content []byte) error {
	path := d.file(unfinishedName)
	if err := d.disk.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := d.disk.Create(path)
	if err != nil {
		return err
	}
	faultpoint.Reach("state.create")
	_, err = file.Write(content)
	if err == nil {
		faultpoint.Reach("state.write")
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// Show reads the state in a directory beside a running agent: it locks and changes
// nothing.
func Show(path string) (*Document, error) {
	text, err := OSDisk{}.ReadFile(filepath.Join(path, fileName), MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	return Decode(text)
}
