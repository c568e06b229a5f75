package agent

import (
	"os/exec"
	"syscall"
	"testing"

	"github.com/otelnpd/otelnpd/integration/process"
)

// inPod runs a command in a root file system of its own, with mounts SOURCE TARGET
// before --, as a container's runtime does for a privileged one: all devices, and
// processes of its own.
const inPod = `
set -e
root=$1
shift
mount --bind "$root" "$root"
mkdir -p "$root/proc" "$root/sys" "$root/dev"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do
	target=$root$(chroot "$root" readlink -m "$2") # a link in there leads no further than its root
	if [ -d "$1" ]; then
		mkdir -p "$target"
	else
		mkdir -p "${target%/*}"
		touch "$target"
	fi
	mount --bind "$1" "$target"
	mount -o remount,bind,ro "$target"
	shift 2
done
shift
cd "$root"
exec chroot . "$@"
`

// Pod is what a privileged container of a Pod has.
type Pod struct {
	// Root is its root file system.
	Root string
	// Mounts are what is mounted read-only: a source, a target, and so on.
	Mounts []string
	// Environment is all of its environment (NAME=value).
	Environment []string
	// Command is what it runs, found in Root.
	Command []string
}

// StartPod starts a Pod's command, whose ports are those of the settings, and returns at
// once. It needs root.
func StartPod(t testing.TB, settings Settings, pod Pod) *Agent {
	t.Helper()
	args := append([]string{"-c", inPod, "pod", pod.Root}, pod.Mounts...)
	args = append(append(args, "--"), pod.Command...)
	cmd := exec.Command("/bin/sh", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS}
	cmd.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, pod.Environment...)
	return &Agent{Process: process.Start(t, "pod", cmd), Settings: settings}
}
