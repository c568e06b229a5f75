package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/source/journal"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

// Lines are the lines that a unit has written to the journal, or systemd about it.
type Lines struct {
	// Directories are where the journal is.
	Directories []string
	// Unit is the unit's name.
	Unit string
	// Since is the time of the first line that counts.
	Since time.Time
	// Patterns are looked for in every line: IDENTIFIER[PID]: MESSAGE.
	Patterns []Pattern
}

// Pattern is an expression, and how many lines that it matches are too many.
type Pattern struct {
	Expression *regexp.Regexp
	Count      int
}

// errNoJournal says that nobody writes a journal.
var errNoJournal = errors.New("no journal is there")

// Ask counts, and reports a pattern that has matched too often.
func (l *Lines) Ask(ctx context.Context) error {
	counts := make([]int, len(l.Patterns))
	what := "read the journal of " + l.Unit
	// journalctl --unit looks for the same.
	for _, matches := range []journalfile.Matches{
		{"_SYSTEMD_UNIT=" + l.Unit}, {"UNIT=" + l.Unit, "_PID=1"}, {"COREDUMP_UNIT=" + l.Unit},
	} {
		if err := l.count(ctx, matches, counts); err != nil {
			return &Unknown{Err: fmt.Errorf("%s: %w", what, err), Remedy: "let the agent read the node's journal: mount it, and run as root or in the group systemd-journal"}
		}
	}
	for i := range l.Patterns {
		if p := &l.Patterns[i]; counts[i] >= p.Count {
			return fmt.Errorf("%s: %d lines match %q: at most %d may", what, counts[i], p.Expression, p.Count-1)
		}
	}
	return nil
}

func (l *Lines) count(ctx context.Context, matches journalfile.Matches, counts []int) error {
	reader, err := journal.Open(journal.Options{Directories: l.Directories, Matches: matches})
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }() // it was only read
	if reader.Tail().IsZero() && l.unread(reader.Faults()) == nil {
		return errNoJournal
	}
	reader.SeekRealtime(l.Since)
	var entry journal.Entry
	for reader.Next(&entry) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if int64(entry.Realtime) >= l.Since.UnixMicro() { //nolint:gosec // µs since 1970
			l.match(&entry, counts)
		}
	}
	return l.unread(reader.Faults())
}

// unread is why lines that count may be missing; nil: none are.
func (l *Lines) unread(faults []journal.Fault) error {
	for i := range faults {
		info, err := os.Stat(faults[i].Path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() && info.ModTime().Before(l.Since) {
			continue
		}
		return &faults[i]
	}
	return nil
}

// match counts the lines of an entry. Its first one is preceded by who has written it,
// as journalctl shows it.
func (l *Lines) match(entry *journal.Entry, counts []int) {
	message, _ := entry.Get("MESSAGE")
	identifier, _ := entry.Get("SYSLOG_IDENTIFIER")
	pid, _ := entry.Get("_PID")
	head := slices.Concat(identifier, []byte("["), pid, []byte("]: "))
	for line := range bytes.Lines(message) {
		line = slices.Concat(head, bytes.TrimRight(line, "\n"))
		head = nil
		for i := range l.Patterns {
			if l.Patterns[i].Expression.Match(line) {
				counts[i]++
			}
		}
	}
}
