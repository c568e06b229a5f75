// Package mounts tells which file systems a node has mounted, and how full they are. It
// reads mountinfo files, and waits for no file system that does not answer.
package mounts
