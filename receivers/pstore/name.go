package pstore

import "strings"

// The types of files that are read, as the kernel names them.
const (
	typeDmesg   = "dmesg"
	typeConsole = "console"
	typePmsg    = "pmsg"
)

// archivedDmesg is the file in which systemd-pstore puts all parts of a dump
// together.
const archivedDmesg = "dmesg.txt"

// fileName is what a file's name says: TYPE-BACKEND-ID, and .enc.z behind it where
// the kernel could not decompress what it had saved (pstore_mkfile in the kernel's
// fs/pstore/inode.c).
type fileName struct {
	kind, backend string
	compressed    bool
}

// parseName reads the name of a file that holds text; known tells whether it is one.
func parseName(name string) (parsed fileName, known bool) {
	if name == archivedDmesg {
		return fileName{kind: typeDmesg}, true
	}
	name, compressed := strings.CutSuffix(name, ".enc.z")
	kind, rest, ok := strings.Cut(name, "-")
	if !ok || kind != typeDmesg && kind != typeConsole && kind != typePmsg {
		return fileName{}, false
	}
	end := strings.LastIndexByte(rest, '-')
	if end <= 0 || !isNumber(rest[end+1:]) {
		return fileName{}, false
	}
	return fileName{kind: kind, backend: rest[:end], compressed: compressed}, true
}

func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
