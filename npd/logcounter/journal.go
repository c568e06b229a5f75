package logcounter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/source/journal"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

// countJournal counts the lines of a source. The error wraps errNoJournal where nothing
// has been written since the boot.
func countJournal(ctx context.Context, t *tally, counted span, source string, directories []string, booted time.Time) (Result, error) {
	reader, err := journal.Open(journal.Options{
		Directories: directories, Matches: journalfile.Matches{"SYSLOG_IDENTIFIER=" + source},
	})
	if err != nil {
		return Result{}, fmt.Errorf("--journald-source: %q cannot be looked for: %w", source, err)
	}
	defer func() { _ = reader.Close() }() // it was only read
	since := time.UnixMicro(counted.since)
	tail := reader.Tail()
	if len(relevant(reader.Faults(), since)) == 0 && (tail.IsZero() || int64(tail.Realtime) < booted.UnixMicro()) { //nolint:gosec // µs since 1970
		return Result{}, noJournal(directories)
	}
	reader.SeekRealtime(since)
	var entry journal.Entry
	for reader.Next(&entry) {
		if err := ctx.Err(); err != nil {
			return Result{}, tooLong(err)
		}
		if counted.has(int64(entry.Realtime)) { //nolint:gosec // µs since 1970
			message, _ := entry.Get("MESSAGE")
			t.add(message)
		}
	}
	result := Result{Found: t.found, Unread: unread(relevant(reader.Faults(), since))}
	if damaged := reader.Stats().Damaged; damaged > 0 {
		result.Notes = append(result.Notes, fmt.Sprintf("%d entries of the journal are damaged", damaged))
	}
	return result, nil
}

func noJournal(directories []string) error {
	return fmt.Errorf("%w since the boot: %s: mount the host's journal there, or name its directory (journald keeps it in /run/log/journal unless it is told to keep it over a boot), for example --log-path=/run/log/journal",
		errNoJournal, strings.Join(directories, ", "))
}

func tooLong(err error) error {
	return fmt.Errorf("counting took longer than %s: write a shorter --lookback: %w", limit, err)
}

// relevant are the faults of what may have lines that count. A directory that is not
// there has none, nor has a file that was written last before the time that counts.
func relevant(faults []journal.Fault, since time.Time) (kept []journal.Fault) {
	for _, fault := range faults {
		info, err := os.Stat(fault.Path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() && info.ModTime().Before(since) {
			continue
		}
		kept = append(kept, fault)
	}
	return kept
}

// unread tells what cannot be read, and what to do about it; nil: nothing.
func unread(faults []journal.Fault) error {
	errs := make([]error, 0, len(faults))
	for i := range faults {
		remedy := "mend it, or move it away"
		if errors.Is(&faults[i], fs.ErrPermission) {
			remedy = "run as root, or as a member of the group systemd-journal"
		}
		errs = append(errs, fmt.Errorf("%w: %s", &faults[i], remedy))
	}
	return errors.Join(errs...)
}
