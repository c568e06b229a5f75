package kmsg

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Fault says why the kernel's log cannot be read and what to do about it. It
// wraps the error of the system: errors.Is finds fs.ErrPermission and
// fs.ErrNotExist.
type Fault struct {
	// Reason is what is wrong, in words.
	Reason string
	// Remedy is what the operator can do.
	Remedy string
	// Err is the error behind it.
	Err error
}

// Error returns the reason and the error behind it.
func (f *Fault) Error() string { return f.Reason + ": " + f.Err.Error() }

// Unwrap returns the error behind it.
func (f *Fault) Unwrap() error { return f.Err }

// The remedies.
const (
	remedyCapability = "run as root or grant CAP_SYSLOG (AmbientCapabilities=CAP_SYSLOG in a unit, setcap cap_syslog+ep on the binary)" +
		"; in a container run privileged"
	remedyDevice = "run privileged or grant device 1:11"
	remedyUserNS = "run in the host's user namespace (hostUsers: true)"
	remedyMode   = "run as root, or give this user the right to read the file"
	remedyPath   = "check the path, and where the host's root is mounted; in a container " + remedyDevice
	remedyRetry  = "look at the error; it is tried again at least every 30 s"
)

// newFault finds out why path could not be opened or read.
func newFault(path, proc string, err error) *Fault {
	reason, remedy := explain(path, err, lookAtRights(proc))
	return &Fault{Reason: reason, Remedy: remedy, Err: err}
}

// rights are what the kernel's answer to an open depends on.
type rights struct {
	restricted bool // kernel.dmesg_restrict is 1
	syslog     bool // CAP_SYSLOG is effective
	userNS     bool // in a user namespace of its own, where capabilities do not count
}

// explain turns an error into words. EPERM has three causes: dmesg_restrict
// without the capability, the device list of a container (a cgroup), and a user
// namespace.
func explain(path string, err error, r rights) (reason, remedy string) {
	switch {
	case errors.Is(err, unix.EPERM) && r.restricted && !r.syslog:
		return fmt.Sprintf("%s may not be read: kernel.dmesg_restrict is 1 and this process lacks CAP_SYSLOG", path), remedyCapability
	case errors.Is(err, unix.EPERM) && r.restricted && r.userNS:
		return fmt.Sprintf("%s may not be read: kernel.dmesg_restrict is 1 and CAP_SYSLOG has no effect in a user namespace", path), remedyUserNS
	case errors.Is(err, unix.EPERM):
		return fmt.Sprintf("%s may not be opened although the rights would do: the container runtime's device list lacks it (device 1:11)", path), remedyDevice
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("%s may not be opened: its mode forbids it to uid %d, or its file system is mounted nodev", path, os.Geteuid()), remedyMode
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("there is no %s", path), remedyPath
	case errors.Is(err, errNotKmsg):
		return fmt.Sprintf("%s %s", path, errNotKmsg.Error()), "write the path of the kernel's log, for example /dev/kmsg"
	default:
		return fmt.Sprintf("%s cannot be read", path), remedyRetry
	}
}

// lookAtRights reads what the kernel says of itself and of this process; what
// cannot be read counts as unrestricted, so that nothing is claimed.
func lookAtRights(proc string) rights {
	restrict, _ := os.ReadFile(filepath.Join(proc, "sys/kernel/dmesg_restrict")) //nolint:gosec // the operator's own path
	status, _ := os.ReadFile("/proc/self/status")
	uidMap, _ := os.ReadFile("/proc/self/uid_map")
	return rights{
		restricted: string(bytes.TrimSpace(restrict)) == "1",
		syslog:     hasCapability(string(status), unix.CAP_SYSLOG),
		userNS:     len(uidMap) > 0 && !isInitialNamespace(string(uidMap)),
	}
}

// hasCapability looks for a capability in the CapEff line of /proc/PID/status.
func hasCapability(status string, capability uint) bool {
	_, after, found := strings.Cut(status, "CapEff:")
	if !found {
		return false
	}
	line, _, _ := strings.Cut(after, "\n")
	mask, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	return err == nil && mask>>capability&1 == 1
}

// isInitialNamespace tells whether the map is that of the first user namespace:
// every user is himself.
func isInitialNamespace(uidMap string) bool {
	fields := strings.Fields(uidMap)
	return len(fields) == 3 && fields[0] == "0" && fields[1] == "0" && fields[2] == "4294967295"
}
