package hostview

import (
	"os"

	"golang.org/x/sys/unix"
)

// HostNetworkRemedy says how the agent sees the host's network.
const HostNetworkRemedy = "run the agent in the host's network namespace (hostNetwork: true)"

// SeesNetwork returns nil if the agent is in the network namespace of the host. What
// /proc says of the network is of the reader's namespace, whatever /proc is mounted.
func (v View) SeesNetwork() error {
	// dev_weight is the kernel's own, and only its first namespace has it
	// (net_core_table in the kernel's net/core/sysctl_net_core.c).
	if exists(v.ProcPath("sys/net/core/dev_weight")) {
		return nil
	}
	if v.SeesProcesses() == nil {
		own, err := os.Readlink(v.ProcPath("self/ns/net"))
		if first, failed := os.Readlink(v.ProcPath("1/ns/net")); err == nil && failed == nil && own == first {
			return nil
		}
	}
	return NewBlind("the agent is not in the host's network namespace", HostNetworkRemedy)
}

// SeesLinks returns nil if View.Sys shows the links of the host. A mounted sysfs
// shows the namespace that it was mounted in, whoever reads it.
func (v View) SeesLinks() error {
	if err := v.SeesSys(); err != nil {
		return err
	}
	err := v.SeesNetwork()
	if err == nil || !sameFileSystem(v.Sys, "/sys") {
		return nil
	}
	return NewBlind(
		v.Sys+" shows the network links of a container, not those of the host",
		HostNetworkRemedy+", or mount the host's /sys and set service.host.sys",
	)
}

// sameFileSystem tells whether two directories are in one file system.
func sameFileSystem(x, y string) bool {
	var of [2]unix.Stat_t
	for i, path := range []string{x, y} {
		if err := unix.Stat(path, &of[i]); err != nil {
			return false
		}
	}
	return of[0].Dev == of[1].Dev
}
