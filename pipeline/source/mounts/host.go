package mounts

import (
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

// Host is a node's mounts as they are seen from where the agent runs. It is safe for
// concurrent use.
type Host struct {
	view hostview.View
	// root is set once host.root has been seen to be the host's.
	root atomic.Bool
}

// NewHost returns the mounts of a host.
func NewHost(view hostview.View) *Host { return &Host{view: view} }

// First returns the mounts of the wanted types as the host's first process sees them:
// where, and whether they are read-only, is a matter of each mount namespace.
func (h *Host) First(wanted func(fsType []byte) bool) ([]Mount, error) {
	if err := h.view.SeesProcesses(); err != nil {
		return nil, err
	}
	return Read(h.view.ProcPath("1/mountinfo"), wanted)
}

// Own returns the mounts of the wanted types that the agent itself can reach below
// the host's root, with the points that they have on the host.
func (h *Host) Own(wanted func(fsType []byte) bool) ([]Mount, error) {
	if err := h.seesRoot(); err != nil {
		return nil, err
	}
	mounts, err := Read(h.view.ProcPath("self/mountinfo"), wanted)
	if err != nil {
		return nil, err
	}
	root := filepath.Clean(h.view.Root)
	mounts = slices.DeleteFunc(mounts, func(m Mount) bool { return !IsBelow(m.Point, root) })
	for i := range mounts {
		mounts[i].Point = filepath.Join("/", strings.TrimPrefix(mounts[i].Point, root))
	}
	return mounts, nil
}

// seesRoot returns nil if host.root is the root of the host: what the first process
// has mounted there is what is mounted at host.root.
func (h *Host) seesRoot() error {
	const remedy = "mount the host's / into the agent's container (with mountPropagation: HostToContainer) and set service.host.root"
	if h.root.Load() {
		return nil // that does not change while the agent runs
	}
	root := filepath.Clean(h.view.Root)
	own, err := h.mountAt("self", root)
	if err != nil {
		return err
	}
	if h.view.SeesProcesses() != nil {
		if root != "/" && own.Device != "" {
			return nil // it cannot be told, but somebody has mounted something there, and said so
		}
		return hostview.NewBlind("the agent does not see whether "+h.view.Root+" is the root directory of the host", remedy+", or run it in the host's PID namespace (hostPID: true)")
	}
	first, err := h.mountAt("1", "/")
	if err != nil {
		return err
	}
	if own.Device != first.Device || own.Root != first.Root {
		return hostview.NewBlind(h.view.Root+" is not the root directory of the host", remedy)
	}
	h.root.Store(true)
	return nil
}

// mountAt returns what a process sees on top at a mount point: that which came last.
// Its zero value says that there is nothing.
func (h *Host) mountAt(process, point string) (Mount, error) {
	mounts, err := Read(h.view.ProcPath(process+"/mountinfo"), func([]byte) bool { return true })
	if err != nil {
		return Mount{}, err
	}
	for _, m := range slices.Backward(mounts) {
		if m.Point == point {
			return m, nil
		}
	}
	return Mount{}, nil
}
