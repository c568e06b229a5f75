package file

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Name writes a path as text, which is UTF-8: a path is any bytes but zero, and what is
// kept or passed on is not. One that is no text is quoted, as in Go; [PathOf] reads it.
func Name(path string) string {
	if utf8.ValidString(path) {
		return path
	}
	return strconv.Quote(path)
}

// PathOf returns the absolute path that a name is of.
func PathOf(name string) string {
	if !strings.HasPrefix(name, `"`) { // as no absolute path begins
		return name
	}
	if path, err := strconv.Unquote(name); err == nil {
		return path
	}
	return name
}
