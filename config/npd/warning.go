package npd

import (
	"fmt"
	"maps"
	"slices"
)

// Warning tells what is odd but works, or what cannot be done.
type Warning struct {
	// File as the command line names it; empty: the command line itself.
	File string
	// Line and Column count from 1; 0: the file as a whole.
	Line   int
	Column int
	// Message says what it is and what to do about it.
	Message string
}

// String returns FILE:LINE:COLUMN: MESSAGE.
func (w Warning) String() string {
	switch {
	case w.File == "":
		return w.Message
	case w.Line == 0:
		return shown(w.File) + ": " + w.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", shown(w.File), w.Line, w.Column, w.Message)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
