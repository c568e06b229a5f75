package logcounter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// limit is how long a count may take: less than the minute that
// node-problem-detector's own configurations leave it.
const limit = 50 * time.Second

// kernelSource is the identifier of the kernel's lines in the journal.
const kernelSource = "kernel"

// Host is where the logs are, and the time.
type Host struct {
	// Clock tells the time now and since the boot.
	Clock pipeline.Clock
	// Journal are the directories of the journal, Kmsg is the kernel's log, Proc where
	// /proc is.
	Journal    []string
	Kmsg, Proc string
}

// System is the machine that this process runs on.
func System() Host {
	return Host{
		Clock: pipeline.SystemClock{}, Journal: []string{"/var/log/journal", "/run/log/journal"},
		Kmsg: "/dev/kmsg", Proc: "/proc",
	}
}

// Result is what was counted.
type Result struct {
	// Found is how many lines match the pattern, less those that match the pattern to
	// subtract.
	Found int
	// Unread is why a part of the log could not be read: there may be more; nil: there
	// is none.
	Unread error
	// Notes are what was lost, in words.
	Notes []string
}

// errNoJournal says that nobody writes a journal there.
var errNoJournal = errors.New("no journal is written there")

// span is the time whose lines count, both ends included, in µs since 1970: what the
// journal's times are in.
type span struct{ since, until int64 }

func (s span) has(micros int64) bool { return micros >= s.since && micros <= s.until }

// Count counts the lines that the host's log has now. An error says what to do.
func Count(ctx context.Context, options *Options, host Host) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	now := host.Clock.Now()
	booted := now.Wall.Add(-now.Boot)
	counted := span{
		since: max(now.Wall.Add(-options.Lookback).UnixMicro(), booted.Add(options.Delay).UnixMicro()),
		until: now.Wall.UnixMicro(),
	}
	kmsg, directories, err := options.places(host)
	if err != nil {
		return Result{}, err
	}
	t := newTally(options)
	if kmsg != "" {
		return countKernel(ctx, t, counted, host, kmsg)
	}
	result, err := countJournal(ctx, t, counted, options.Source, directories, booted)
	if options.Source == kernelSource && errors.Is(err, errNoJournal) {
		return countKernel(ctx, t, counted, host, host.Kmsg)
	}
	return result, err
}

// places returns which file of the kernel's log or, where there is none, which
// directories of the journal to read.
func (o *Options) places(host Host) (kmsg string, directories []string, err error) {
	path := o.LogPath
	if path != "" {
		if path, err = filepath.Abs(path); err != nil {
			return "", nil, fmt.Errorf("--log-path: %q cannot be found: write an absolute path: %w", o.LogPath, err)
		}
	}
	info, err := os.Stat(path)
	isFile, isDirectory := err == nil && !info.IsDir(), err == nil && info.IsDir()
	switch {
	case o.Source == "" && isDirectory:
		return "", nil, fmt.Errorf("--journald-source: is missing: write whose lines of the journal in %s to count, for example --journald-source=kubelet", path)
	case o.Source == "" && path == "":
		return host.Kmsg, nil, nil
	case o.Source == "" || o.Source == kernelSource && isFile:
		return path, nil, nil
	case isFile:
		return "", nil, fmt.Errorf("--log-path: %s is a file: write the journal's directory, for example --log-path=/var/log/journal", path)
	case path == "":
		return "", slices.Clone(host.Journal), nil
	default:
		return "", []string{path}, nil
	}
}
