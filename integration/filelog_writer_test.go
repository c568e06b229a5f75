package integration

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fileWriter writes a log as a daemon does that opens it anew once it was renamed.
type fileWriter struct {
	path string

	file    *os.File
	first   string // the first line of the file
	offset  uint64 // in the file, if it is not truncated
	lines   int
	took    time.Duration
	written []markedLine
	looks   atomic.Int64 // how often it has looked whether the log was renamed
}

// markedLine is a line that a rule matches, and where it was written.
type markedLine struct {
	number int
	first  string
	offset uint64
}

const (
	linesPerSecond = 50_000
	// markEvery is how many lines there are to a marked one.
	markEvery = 25
	pause     = 5 * time.Millisecond
)

func (w *fileWriter) marked() []markedLine { return w.written }

func (w *fileWriter) open() error {
	file, err := os.OpenFile(w.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if w.file != nil {
		if err := w.file.Close(); err != nil {
			return err
		}
	}
	w.file, w.first, w.offset = file, "", 0
	return nil
}

// run writes until ctx is over.
func (w *fileWriter) run(ctx context.Context) error {
	begun := time.Now()
	defer func() { w.took = time.Since(begun) }()
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for ctx.Err() == nil {
		for due := int(time.Since(begun).Seconds() * linesPerSecond); w.lines < due; {
			if err := w.write(min(due-w.lines, 500)); err != nil {
				return err
			}
			if err := w.reopen(); err != nil {
				return err
			}
		}
		<-ticker.C
	}
	return w.file.Close()
}

// reopen opens the log anew if it was renamed, and logrotate has made the new one.
func (w *fileWriter) reopen() error {
	defer w.looks.Add(1)
	own, err := w.file.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(w.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case os.SameFile(own, there):
		return nil
	}
	return w.open()
}

// waitReopened waits until it has looked since it was called, or ctx is over: a look may be
// under way. Who rotates twice before that compresses what is still written.
func (w *fileWriter) waitReopened(ctx context.Context) {
	for looks := w.looks.Load(); w.looks.Load() < looks+2 && ctx.Err() == nil; {
		time.Sleep(pause)
	}
}

// write writes some lines, in two pieces, the first of which ends within one.
func (w *fileWriter) write(count int) error {
	var text bytes.Buffer
	stamp := time.Now().UTC().Format(time.RFC3339Nano)
	for range count {
		w.lines++
		at := text.Len()
		if w.lines%markEvery == 0 {
			fmt.Fprintf(&text, "%s node-1 app: a line that is marked, MARK %d;\n", stamp, w.lines)
		} else {
			fmt.Fprintf(&text, "%s node-1 app: line %d is one of many ordinary ones\n", stamp, w.lines)
		}
		if w.first == "" {
			w.first = text.String()
		}
		if w.lines%markEvery == 0 {
			w.written = append(w.written, markedLine{w.lines, w.first, w.offset + uint64(at)})
		}
	}
	w.offset += uint64(text.Len())
	half := text.Len() / 2
	if _, err := w.file.Write(text.Bytes()[:half]); err != nil {
		return err
	}
	_, err := w.file.Write(text.Bytes()[half:])
	return err
}

// readUnpacked returns what is in a file, or what is compressed in it.
func readUnpacked(t *testing.T, path string) string {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	var from io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		from, err = gzip.NewReader(file)
		require.NoError(t, err)
	}
	text, err := io.ReadAll(from)
	require.NoError(t, err)
	return string(text)
}
