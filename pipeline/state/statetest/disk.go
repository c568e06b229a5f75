// Package statetest has a simulated disk for package state: it fails and hangs as
// told, and a crash leaves of what was not synced whatever a real one may.
package statetest

import (
	"bytes"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"github.com/otelnpd/otelnpd/pipeline/state"
)

// Operation is a kind of call to the disk.
type Operation string

// The operations, by the methods of [state.Disk] and [state.File].
const (
	Lock     Operation = "lock"
	Create   Operation = "create"
	Write    Operation = "write"
	SyncFile Operation = "fsync"
	Rename   Operation = "rename"
	SyncDir  Operation = "fsync of the directory"
	Read     Operation = "read"
	Remove   Operation = "remove"
	Names    Operation = "names"
)

// Disk is a simulated state directory. It is safe for concurrent use.
type Disk struct {
	mu sync.Mutex
	// names is the directory as programs see it, durable as it is on the medium.
	names, durable map[string]*inode
	// pending are the changes that lead from durable to names, in order.
	pending []change
	locked  bool
	fail    map[Operation]error
	hold    map[Operation]chan struct{}
	counts  map[Operation]int
	// before, if set, is called before each operation; its error is that of the
	// operation.
	before func(Operation) error
}

type inode struct {
	data, durable []byte
}

// change is one change of the directory.
type change func(names map[string]*inode)

var _ state.Disk = (*Disk)(nil)

// NewDisk returns an empty disk.
func NewDisk() *Disk {
	return &Disk{
		names: map[string]*inode{}, durable: map[string]*inode{},
		fail: map[Operation]error{}, hold: map[Operation]chan struct{}{}, counts: map[Operation]int{},
	}
}

// Put makes a file that is durable.
func (d *Disk) Put(name string, data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	made := &inode{data: bytes.Clone(data), durable: bytes.Clone(data)}
	d.names[name], d.durable[name] = made, made
}

// File returns what programs see of a file; nil: there is none.
func (d *Disk) File(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if found, ok := d.names[name]; ok {
		return append([]byte{}, found.data...)
	}
	return nil
}

// Locked tells whether the lock is held.
func (d *Disk) Locked() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.locked
}

// Count returns how often an operation was begun.
func (d *Disk) Count(operation Operation) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts[operation]
}

// Fail makes an operation fail, as a real one with errno does; nil: no longer.
func (d *Disk) Fail(operation Operation, errno error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail[operation] = errno
}

// Hold makes an operation hang until release is called.
func (d *Disk) Hold(operation Operation) (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	held := make(chan struct{})
	d.hold[operation] = held
	return sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.hold, operation)
		close(held)
	})
}

// Before makes f be called before every operation from now on; what it returns
// is the operation's error.
func (d *Disk) Before(f func(Operation) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before = f
}

// Kill returns the disk as the next process finds it when this one was killed:
// all that was done is there.
func (d *Disk) Kill() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := NewDisk()
	for name, file := range d.names {
		found := &inode{data: bytes.Clone(file.data), durable: bytes.Clone(file.durable)}
		next.names[name] = found
	}
	next.pending = []change{func(names map[string]*inode) { clear(names); maps.Copy(names, next.names) }}
	return next
}

// PowerOff returns the disk as it is found after the power failed. Of the changes
// of the directory that were not synced the first few are there; a file that was
// not synced is as it was, or empty, or there in part, or zeros. choose(n) returns
// which of n possibilities it is, from 0 on.
func (d *Disk) PowerOff(choose func(n int) int) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := maps.Clone(d.durable)
	for _, made := range d.pending[:choose(len(d.pending)+1)] {
		made(left)
	}
	next := NewDisk()
	for _, name := range slices.Sorted(maps.Keys(left)) {
		data := left[name].survives(choose)
		next.names[name] = &inode{data: data, durable: bytes.Clone(data)}
	}
	next.durable = maps.Clone(next.names)
	return next
}

func (i *inode) survives(choose func(n int) int) []byte {
	if bytes.Equal(i.data, i.durable) {
		return bytes.Clone(i.durable)
	}
	possible := [][]byte{i.durable, i.data, i.data[:len(i.data)/2], make([]byte, len(i.data))}
	return bytes.Clone(possible[choose(len(possible))])
}

// do begins an operation: it hangs or fails as it was told, and else holds mu.
func (d *Disk) do(operation Operation, path string) (unlock func(), err error) {
	d.mu.Lock()
	d.counts[operation]++
	before, held := d.before, d.hold[operation]
	d.mu.Unlock()
	if before != nil {
		if err := before(operation); err != nil {
			return nil, err
		}
	}
	if held != nil {
		<-held
	}
	d.mu.Lock()
	if errno := d.fail[operation]; errno != nil {
		d.mu.Unlock()
		return nil, &fs.PathError{Op: string(operation), Path: path, Err: errno}
	}
	return d.mu.Unlock, nil
}

// record notes a change of the directory, and makes it.
func (d *Disk) record(made change) {
	made(d.names)
	d.pending = append(d.pending, made)
}
