// Package inotify has the kernel tell of changes of files and directories
// (inotify(7)), and of mounts over them (poll(2) of /proc/self/mountinfo).
package inotify

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Of a directory its entries count, not what is written to them: neighbors
	// that write, and there may be many, wake nobody.
	dirMask = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO |
		unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	// What is written by mmap(2) is told when the file is closed.
	fileMask = unix.IN_MODIFY | unix.IN_CLOSE_WRITE | unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF
)

// mountTable is ready to poll when a mount has come or gone: a mount over a
// watched directory changes nothing in it. See proc_pid_mountinfo(5).
const mountTable = "/proc/self/mountinfo"

// Names are the entries of a directory that matter; nil stands for a file, of
// which everything does.
type Names map[string]bool

// EveryName among the names of a directory says that all its entries matter.
const EveryName = "/"

// Notifier has the kernel tell of changes. Its methods are safe for concurrent use.
// One goroutine waits for it, without a
// thread of its own: an epoll instance can itself be waited for.
type Notifier struct {
	told  func()
	epoll *os.File
	ready syscall.RawConn
	queue int // inotify
	// mounts is open twice: a change is told once on each, and the first is used
	// up by waiting. Empty: this system does not have it.
	mounts []int
	done   sync.WaitGroup

	mu    sync.Mutex
	wants map[int32]Names // by watch descriptor
}

// Open begins to wait. told is called for changes of what is watched,
// must not wait, and is not called any more once Close has returned.
func Open(told func()) (*Notifier, error) {
	queue, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("start inotify (see sysctl fs.inotify.max_user_instances): %w", err)
	}
	n := &Notifier{told: told, queue: queue, wants: map[int32]Names{}}
	if err := n.openEpoll(); err != nil {
		n.closeFiles()
		return nil, err
	}
	n.openMounts()
	n.done.Go(n.run)
	return n, nil
}

func (n *Notifier) openEpoll() error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("start epoll: %w", err)
	}
	err = unix.SetNonblock(fd, true) // this has os wait for it without a thread
	n.epoll = os.NewFile(uintptr(fd), "epoll")
	if err != nil {
		return fmt.Errorf("set up epoll: %w", err)
	}
	if err := n.epoll.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("wait for epoll: %w", err)
	}
	if n.ready, err = n.epoll.SyscallConn(); err != nil {
		return fmt.Errorf("use epoll: %w", err)
	}
	if err := n.add(n.queue, unix.EPOLLIN); err != nil {
		return fmt.Errorf("wait for inotify: %w", err)
	}
	return nil
}

// openMounts does without where the mount table is not there or cannot tell.
func (n *Notifier) openMounts() {
	var mounts []int
	for range 2 {
		fd, err := unix.Open(mountTable, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			closeAll(mounts)
			return
		}
		mounts = append(mounts, fd)
	}
	if err := n.add(mounts[0], unix.EPOLLPRI|unix.EPOLLERR); err != nil {
		closeAll(mounts)
		return
	}
	n.mounts = mounts
}

// mountsChanged tells whether a mount has come or gone since it was last asked.
func (n *Notifier) mountsChanged() bool {
	if len(n.mounts) == 0 {
		return false
	}
	ask := []unix.PollFd{{Fd: int32(n.mounts[1]), Events: unix.POLLPRI}} //nolint:gosec // a descriptor has 31 bits
	count, _ := unix.Poll(ask, 0)                                        // -1 is no change, too
	return count > 0
}

func (n *Notifier) add(fd int, events uint32) error {
	var err error
	errConn := n.ready.Control(func(epoll uintptr) {
		err = unix.EpollCtl(int(epoll), unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}) //nolint:gosec // a descriptor has 31 bits
	})
	return errors.Join(errConn, err)
}

// Close ends it and waits for that.
func (n *Notifier) Close() {
	_ = n.epoll.Close() // ends run
	n.done.Wait()
	n.closeFiles()
}

func (n *Notifier) closeFiles() {
	if n.epoll != nil {
		_ = n.epoll.Close()
	}
	_ = unix.Close(n.queue)
	closeAll(n.mounts)
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// run waits for the kernel until the epoll instance is closed.
func (n *Notifier) run() {
	buffer := make([]byte, 4<<10)
	var events [2]unix.EpollEvent
	for {
		var queued, mounts bool
		err := n.ready.Read(func(epoll uintptr) bool {
			count, _ := unix.EpollWait(int(epoll), events[:], 0) // -1 is no event, too
			queued = count > 0
			mounts = n.mountsChanged()
			return queued || mounts
		})
		if err != nil {
			return
		}
		if queued && n.drain(buffer) || mounts {
			n.told()
		}
	}
}

// drain takes all that inotify has to tell and says whether any of it matters.
func (n *Notifier) drain(buffer []byte) (matters bool) {
	for {
		count, err := unix.Read(n.queue, buffer)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || count <= 0 {
			return matters
		}
		n.mu.Lock()
		parseEvents(buffer[:count], func(e event) { matters = n.matters(e) || matters })
		n.mu.Unlock()
	}
}

// matters tells whether an event may be of a file that is watched. The mutex is
// held.
func (n *Notifier) matters(e event) bool {
	if e.mask&unix.IN_Q_OVERFLOW != 0 {
		return true
	}
	wanted, watched := n.wants[e.watch]
	switch {
	case !watched:
		return false
	case e.mask&unix.IN_IGNORED != 0: // the kernel has ended the watch
		delete(n.wants, e.watch)
		return true
	default:
		return wanted == nil || e.name == "" || wanted[e.name] || wanted[EveryName]
	}
}

// Watch makes these paths, and no others, the ones to tell of. added tells that
// some were not watched before. An error is why some cannot be.
func (n *Notifier) Watch(wanted map[string]Names) (added bool, err error) {
	n.mu.Lock() // what is told meanwhile is looked at when all names are known
	defer n.mu.Unlock()
	wants := map[int32]Names{}
	for path, entries := range wanted {
		watch, errAdd := n.watchOne(path, entries)
		if errors.Is(errAdd, unix.ENOENT) || errors.Is(errAdd, unix.ENOTDIR) {
			continue // gone meanwhile: the caller looks again
		}
		if errAdd != nil {
			err = fmt.Errorf("watch %s: %w", path, errAdd)
			continue
		}
		if _, watched := n.wants[watch]; !watched {
			added = true
		}
		if other := wants[watch]; other != nil { // one directory by two ways
			for name := range entries {
				other[name] = true
			}
			continue
		}
		wants[watch] = entries
	}
	for watch := range n.wants {
		if _, wanted := wants[watch]; !wanted {
			// It fails for one that the kernel has ended already.
			_, _ = unix.InotifyRmWatch(n.queue, uint32(watch)) //nolint:gosec // as the kernel gave it
		}
	}
	n.wants = wants
	return added, err
}

func (n *Notifier) watchOne(path string, entries Names) (int32, error) {
	mask := uint32(dirMask)
	if entries == nil {
		mask = fileMask
	}
	watch, err := unix.InotifyAddWatch(n.queue, path, mask)
	return int32(watch), err //nolint:gosec // the kernel's int
}
