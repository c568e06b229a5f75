package journal_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/journal"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

// spread is a journal whose entries are spread over files by hand.
type spread struct {
	t         *testing.T
	directory string
	series    *journaltest.Series
	files     map[string]*journaltest.Writer
}

func newSpread(t *testing.T) *spread {
	t.Helper()
	return &spread{t: t, directory: t.TempDir(), series: &journaltest.Series{ID: journaltest.NewID()}, files: map[string]*journaltest.Writer{}}
}

func (s *spread) path(name string) string { return filepath.Join(s.directory, name) }

// create makes a file without entries.
func (s *spread) create(name string) *journaltest.Writer {
	s.t.Helper()
	s.files[name] = journaltest.Create(s.t, s.path(name), journaltest.Layout{Keyed: true}, s.series)
	return s.files[name]
}

// write appends the next count entries to a file: number n is "line n".
func (s *spread) write(name string, count int) {
	s.t.Helper()
	w := s.files[name]
	if w == nil {
		w = s.create(name)
	}
	for range count {
		w.Append(line(int(s.series.Last) + 1))
	}
}

// archive finishes a file, as journald does when it rotates.
func (s *spread) archive(name, as string) {
	s.t.Helper()
	s.files[name].SetState(2)
	require.NoError(s.t, os.Rename(s.path(name), s.path(as)))
	delete(s.files, name)
}

// erase removes a file as journald does: who has it open cannot read it any more.
func (s *spread) erase(name string) {
	s.t.Helper()
	require.NoError(s.t, os.Truncate(s.path(name), 0))
	require.NoError(s.t, os.Remove(s.path(name)))
}

func (s *spread) open(matches ...string) *journal.Reader {
	s.t.Helper()
	return open(s.t, journal.Options{Directories: []string{s.directory}, Matches: matches})
}

func (s *spread) gap(first, last, missing uint64) journal.Gap {
	return journal.Gap{Series: s.series.ID, First: first, Last: last, Missing: missing}
}

// copyOf is a position as it comes back from where it was kept.
func copyOf(t *testing.T, p journal.Position) (read journal.Position) {
	t.Helper()
	text, err := json.Marshal(p)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &read))
	return read
}
