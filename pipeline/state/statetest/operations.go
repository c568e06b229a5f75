package statetest

import (
	"bytes"
	"io/fs"
	"maps"
	"slices"

	"github.com/otelnpd/otelnpd/pipeline/state"
)

// Lock takes the lock.
func (d *Disk) Lock() error {
	unlock, err := d.do(Lock, "lock")
	if err != nil {
		return err
	}
	defer unlock()
	d.locked = true
	return nil
}

// Close gives the lock back.
func (d *Disk) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.locked = false
	return nil
}

// Create makes a new file.
func (d *Disk) Create(name string) (state.File, error) {
	unlock, err := d.do(Create, name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if _, ok := d.names[name]; ok {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	made := &inode{}
	d.record(func(names map[string]*inode) { names[name] = made })
	return &file{disk: d, name: name, inode: made}, nil
}

// Read returns a file.
func (d *Disk) Read(name string, limit int) ([]byte, error) {
	unlock, err := d.do(Read, name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	found, err := d.find(name)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(found.data[:min(len(found.data), limit+1)]), nil
}

// Rename gives a file another name.
func (d *Disk) Rename(from, to string) error {
	unlock, err := d.do(Rename, from)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := d.find(from); err != nil {
		return err
	}
	d.record(func(names map[string]*inode) {
		names[to] = names[from]
		delete(names, from)
	})
	return nil
}

// Remove removes a file.
func (d *Disk) Remove(name string) error {
	unlock, err := d.do(Remove, name)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := d.find(name); err != nil {
		return err
	}
	d.record(func(names map[string]*inode) { delete(names, name) })
	return nil
}

// Names returns the names in the directory, in order.
func (d *Disk) Names() ([]string, error) {
	unlock, err := d.do(Names, ".")
	if err != nil {
		return nil, err
	}
	defer unlock()
	return slices.Sorted(maps.Keys(d.names)), nil
}

// Sync makes the names durable.
func (d *Disk) Sync() error {
	unlock, err := d.do(SyncDir, ".")
	if err != nil {
		return err
	}
	defer unlock()
	d.durable, d.pending = maps.Clone(d.names), nil
	return nil
}

func (d *Disk) find(name string) (*inode, error) {
	found, ok := d.names[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return found, nil
}

type file struct {
	disk  *Disk
	name  string
	inode *inode
}

// Write writes; what does not fit on a disk that is full is written in part.
func (f *file) Write(data []byte) (int, error) {
	unlock, err := f.disk.do(Write, f.name)
	if err != nil {
		f.disk.mu.Lock()
		defer f.disk.mu.Unlock()
		f.inode.data = append(f.inode.data, data[:len(data)/2]...)
		return len(data) / 2, err
	}
	defer unlock()
	f.inode.data = append(f.inode.data, data...)
	return len(data), nil
}

func (f *file) Sync() error {
	unlock, err := f.disk.do(SyncFile, f.name)
	if err != nil {
		return err
	}
	defer unlock()
	f.inode.durable = bytes.Clone(f.inode.data)
	return nil
}

func (*file) Close() error { return nil }
