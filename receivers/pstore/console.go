package pstore

import (
	"bytes"
)

// panicText stands in the kernel's last words (panic in kernel/panic.c).
const panicText = "Kernel panic - not syncing"

// cleanEnds stand at the end of a console's log after an orderly end (kernel/reboot.c
// and kernel/kexec_core.c).
var cleanEnds = [][]byte{
	[]byte("reboot: Restarting system"), []byte("reboot: System halted"), []byte("reboot: Power down"), []byte("Starting new kernel"),
}

// consoleTail is how much of the end of a console's log is looked at for that.
const consoleTail = 4 << 10

// dismissConsole tells why a console's log has nothing to tell; empty: it has. The
// kernel shows one after every warm boot: after an orderly end it tells nothing new,
// and of a crash the dump tells.
func dismissConsole(d *dump, dumps []*dump) string {
	text := d.newest().body
	if d.reason() == reasonReset {
		tail := text[max(0, len(text)-consoleTail):]
		for _, end := range cleanEnds {
			if bytes.Contains(tail, end) {
				return skipCleanEnd
			}
		}
	}
	for _, other := range dumps {
		if other.kind() == typeDmesg && other.reason() != reasonOops && endsIn(other, text) {
			return skipCovered
		}
	}
	return ""
}

// endsIn tells whether the last line with a stamp of a dump stands in a text.
func endsIn(d *dump, text []byte) bool {
	lines := d.lines()
	for i := len(lines) - 1; i >= 0; i-- {
		if stamped := lines[i].stamped(); stamped != "" {
			return bytes.Contains(text, []byte(stamped))
		}
	}
	return false
}
