package journal_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/journal"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

func TestIsLive(t *testing.T) {
	const offline, online, archived = 0, 1, 2
	this, earlier := journalfile.ID{1}, journalfile.ID{9}
	for name, c := range map[string]struct {
		name    string
		state   byte
		entries int
		boot    journalfile.ID
		grows   bool
		want    bool
	}{
		"is written":                        {"system.journal", online, 3, this, false, true},
		"has nothing to write for a while":  {"system.journal", offline, 3, this, false, true},
		"has just been rotated":             {"system.journal", online, 0, this, false, true},
		"of an earlier boot":                {"system.journal", offline, 3, earlier, false, false},
		"of an earlier boot, and a crash":   {"system.journal", online, 3, earlier, false, false},
		"of whatever boot":                  {"system.journal", offline, 3, journalfile.ID{}, false, true},
		"of who has another boot id":        {"system.journal", online, 3, earlier, true, true},
		"archived":                          {"system@1.journal", archived, 3, this, false, false},
		"archived, of whatever boot":        {"system@1.journal", archived, 3, journalfile.ID{}, false, false},
		"was not closed":                    {"system@1.journal~", online, 3, this, false, false},
		"was not closed, of whichever boot": {"system@1.journal~", online, 3, journalfile.ID{}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			directory := t.TempDir()
			w := journaltest.Create(t, filepath.Join(directory, c.name), journaltest.Layout{}, &journaltest.Series{ID: journaltest.NewID()})
			for n := range c.entries {
				w.Append(line(n))
			}
			w.SetState(c.state)
			reader := open(t, journal.Options{Directories: []string{directory}})
			if c.grows {
				require.False(t, reader.IsLive(c.boot))
				w.Append(line(c.entries))
			}
			for range 3 {
				messages(reader)
				reader.Refresh()
			}
			require.Equal(t, c.want, reader.IsLive(c.boot))
			require.True(t, reader.HasRead())
		})
	}
	require.False(t, open(t, journal.Options{Directories: []string{t.TempDir()}}).IsLive(journalfile.ID{}))
}
