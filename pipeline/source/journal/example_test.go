package journal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/journal"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

// printNew prints the kernel's grave messages as they come, until ctx is over. A later call
// with the same state file goes on where this one has ended.
func printNew(ctx context.Context, out io.Writer, state string, directories ...string) error {
	reader, err := journal.Open(journal.Options{
		Directories: directories, // such as /var/log/journal and /run/log/journal
		Matches:     journalfile.Matches{"_TRANSPORT=kernel", "PRIORITY=2", "PRIORITY=3"},
	})
	if err != nil {
		return err
	}
	defer reader.Close()
	var position journal.Position
	switch text, err := os.ReadFile(state); {
	case err == nil:
		if err := json.Unmarshal(text, &position); err != nil {
			return err
		}
		for _, gap := range reader.Resume(position) {
			fmt.Fprintf(out, "%d entries are gone\n", gap.Missing)
		}
	case errors.Is(err, fs.ErrNotExist):
		reader.SeekHead() // or SeekTail, SeekBoot, SeekRealtime
	default:
		return err
	}
	var entry journal.Entry // used again for every entry
	for {
		for reader.Next(&entry) {
			message, _ := entry.Get("MESSAGE")
			fmt.Fprintf(out, "%s %s\n", journal.CursorOf(&entry), message)
		}
		text, err := json.Marshal(reader.Position())
		if err != nil {
			return err
		}
		if err := os.WriteFile(state, text, 0o600); err != nil {
			return err
		}
		if err := reader.Wait(ctx); err != nil { // for something to change, or ctx
			return err
		}
		reader.Refresh()
		for _, gap := range reader.TakeGaps() {
			fmt.Fprintf(out, "%d entries were removed before they were read\n", gap.Missing)
		}
	}
}

func TestReadmeExample(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, code, found := strings.Cut(string(readme), "```go\n")
	require.True(t, found)
	code, _, _ = strings.Cut(code, "```")
	own, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	require.Contains(t, string(own), code, "what the README shows is what is tested here")

	s := newSpread(t)
	kernel := []string{"_TRANSPORT=kernel", "PRIORITY=3"}
	w := s.create("system.journal")
	state := filepath.Join(t.TempDir(), "position")
	run := func(want int) (lines []string) {
		ctx, cancel := context.WithCancel(t.Context())
		out, done := &bytes.Buffer{}, make(chan error)
		go func() { done <- printNew(ctx, out, state, s.directory) }()
		journaltest.Await(t, "the position", func() bool {
			var p journal.Position
			text, _ := os.ReadFile(state)
			return json.Unmarshal(text, &p) == nil && p.Cursor.Seqnum == uint64(want)
		})
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		return strings.Split(strings.TrimSpace(out.String()), "\n")
	}
	w.Append(line(1, kernel...))
	w.Append(line(2, "_TRANSPORT=kernel", "PRIORITY=6"))
	w.Append(line(3, kernel...))
	first := run(3)
	require.Len(t, first, 2)
	require.True(t, strings.HasPrefix(first[1], "s="+s.series.ID.String()+";i=3;"), first[1])
	require.True(t, strings.HasSuffix(first[1], " line 3"), first[1])
	s.write("system.journal", 4)
	s.archive("system.journal", "system@1.journal")
	s.create("system.journal").Append(line(8, kernel...))
	require.NoError(t, os.Remove(s.path("system@1.journal")))
	second := run(8)
	require.Equal(t, "4 entries are gone", second[0])
	require.Len(t, second, 2)
}
