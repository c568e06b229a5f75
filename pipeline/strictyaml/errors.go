package strictyaml

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxErrors bounds a report: a file that is not ours at all is told in a screen
// or two.
const maxErrors = 100

// maxGathered bounds what is kept until the report is made.
const maxGathered = 10 * maxErrors

// Position is a place in a file; both count from 1.
type Position struct {
	Line   int
	Column int
}

// Error is one fault in a file.
type Error struct {
	// File is the name given to Parse.
	File string
	// Line and Column count from 1.
	Line   int
	Column int
	// Key is the path to the offending key, keys joined by dots and list indexes
	// in brackets (receivers.kmsg.lookback); empty: the file as a whole.
	Key string
	// Message says what is wrong and what to write.
	Message string
}

// Error returns file:line:column: key: message.
func (e *Error) Error() string {
	place := fmt.Sprintf("%s:%d:%d: ", e.File, e.Line, e.Column)
	if e.Key == "" {
		return place + e.Message
	}
	return place + printable(e.Key) + ": " + e.Message
}

// Errors are all faults of a file, in its order.
type Errors []Error

// Error returns all faults, one a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each fault by itself.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i := range e {
		errs[i] = &e[i]
	}
	return errs
}

// Sorted returns the faults by file and position, each once; a fault reached over
// several aliases counts as one. What is beyond a hundred is left out, and said
// to be.
func (e Errors) Sorted() Errors {
	sorted := slices.Clone(e)
	slices.SortStableFunc(sorted, func(x, y Error) int {
		return cmp.Or(strings.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column))
	})
	type fault struct {
		file         string
		line, column int
		message      string
	}
	seen := make(map[fault]bool, len(sorted))
	sorted = slices.DeleteFunc(sorted, func(one Error) bool {
		key := fault{one.File, one.Line, one.Column, one.Message}
		known := seen[key]
		seen[key] = true
		return known
	})
	if len(sorted) > maxErrors {
		last := sorted[maxErrors]
		last.Key, last.Message = "", "more errors follow from here on"
		sorted = append(sorted[:maxErrors:maxErrors], last)
	}
	return sorted
}

// Covers tells whether a fault is already known at the path or above it, so that
// what follows from it need not be told.
func (e Errors) Covers(path string) bool {
	return slices.ContainsFunc(e, func(one Error) bool {
		rest, found := strings.CutPrefix(path, one.Key)
		return found && one.Key != "" && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// orNil returns the faults as an error, nil if there are none.
func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	return e.Sorted()
}

// printable returns text as it is, or quoted where it would disturb a terminal or
// log, and cut where it is long.
func printable(text string) string {
	const limit = 200
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) || !utf8.ValidString(text) {
		return strconv.Quote(text)
	}
	return text
}
