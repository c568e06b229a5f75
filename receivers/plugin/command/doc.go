// Package command runs commands of which nothing good is known: they may hang, fork,
// write without end, leave daemons behind, or be stuck in the kernel. Each is run in a
// session of its own, for a bounded time, with bounded output, and nothing of it is
// left behind: no process, zombie, file or goroutine.
//
// A process that the kernel does not let go (state D) outlives its SIGKILL. It is left
// to itself and told as stuck; it is reaped when it ends.
//
// No shell is involved.
package command
