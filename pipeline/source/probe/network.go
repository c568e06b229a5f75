package probe

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// initialPIDs is the name of the pid namespace that the kernel begins with
// (PROC_PID_INIT_INO in include/linux/proc_ns.h).
const initialPIDs = "pid:[4026531836]"

// nodeNetwork tells whether this process is in the network namespace of the node whose
// /proc is at proc: nil, or why it is not, or why that cannot be told.
//
// A link to a namespace may be read only by who may trace the process. So a socket
// with a name of its own is opened and looked for among those of the node's init.
func nodeNetwork(proc string) *Unknown {
	if err := isNodes(proc); err != nil {
		return &Unknown{Err: err, Remedy: "run with hostNetwork: true, and mount the node's /proc where service.host.proc says"}
	}
	name := "otelnpd-" + rand.Text()
	socket, err := net.ListenUnix("unix", &net.UnixAddr{Name: "@" + name, Net: "unix"})
	if err != nil {
		return &Unknown{Err: fmt.Errorf("find out whose network this is: %w", err), Remedy: "let the agent open unix sockets"}
	}
	defer func() { _ = socket.Close() }() // nobody has spoken on it
	path := filepath.Join(proc, "1/net/unix")
	found, err := contains(path, name)
	switch {
	case err != nil:
		return &Unknown{Err: fmt.Errorf("find out whose network this is: %w", err), Remedy: "mount the node's /proc where service.host.proc says, so that it can be read"}
	case !found:
		return &Unknown{Err: errors.New("loopback is not the node's here"), Remedy: "run with hostNetwork: true"}
	}
	return nil
}

// isNodes tells whether init in proc is the node's, and not that of a container.
func isNodes(proc string) error {
	self, err := os.Readlink(filepath.Join(proc, "self"))
	if err != nil {
		return fmt.Errorf("find out whose network this is: %w", err)
	}
	if self != strconv.Itoa(os.Getpid()) {
		return nil // processes are numbered from further out than in here
	}
	if own, err := os.Readlink("/proc/self/ns/pid"); err == nil && own == initialPIDs {
		return nil
	}
	// A node can itself be a container: then it has an init.
	name, err := os.ReadFile(filepath.Join(proc, "1/comm")) //nolint:gosec // the path is the operator's own
	if comm := strings.TrimSpace(string(name)); err == nil && (comm == "systemd" || comm == "init") {
		return nil
	}
	return fmt.Errorf("%s is that of a container: whose network this is cannot be told", proc)
}

// contains tells whether a file has a text in one of its lines.
func contains(path, text string) (bool, error) {
	file, err := os.Open(path) //nolint:gosec // the path is the operator's own
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }() // it was only read
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if bytes.Contains(lines.Bytes(), []byte(text)) {
			return true, nil
		}
	}
	return false, lines.Err()
}
