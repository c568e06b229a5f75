package inotify

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// event is what inotify tells.
type event struct {
	watch int32
	mask  uint32
	name  string // of the entry, in a watched directory
}

// parseEvents calls each for every event of a read: struct inotify_event of
// inotify(7), with a name that is padded by zeros. What is cut short is left out.
func parseEvents(text []byte, each func(event)) {
	for len(text) >= unix.SizeofInotifyEvent {
		e := event{
			watch: int32(binary.NativeEndian.Uint32(text)), //nolint:gosec // the kernel's int
			mask:  binary.NativeEndian.Uint32(text[4:]),
		}
		length := int64(binary.NativeEndian.Uint32(text[12:]))
		text = text[unix.SizeofInotifyEvent:]
		if length > int64(len(text)) {
			return
		}
		name, _, _ := bytes.Cut(text[:length], []byte{0})
		e.name = string(name)
		text = text[length:]
		each(e)
	}
}
