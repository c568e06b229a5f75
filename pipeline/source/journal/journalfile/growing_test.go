package journalfile_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

// follower reads a file whenever it has changed.
type follower struct {
	file *journalfile.File
	i    *journalfile.Iterator
	got  []string
}

func follow(t *testing.T, path string, matches journalfile.Matches) *follower {
	t.Helper()
	file := open(t, path, journalfile.Options{})
	i, err := file.Iterator(matches)
	require.NoError(t, err)
	return &follower{file: file, i: i}
}

func (f *follower) look(t *testing.T) {
	t.Helper()
	require.NoError(t, f.file.Refresh())
	var e journalfile.Entry
	for {
		_, ok, err := f.i.Next()
		require.NoError(t, err)
		if !ok {
			return
		}
		require.NoError(t, f.i.Read(&e))
		message, _ := e.Get("MESSAGE")
		f.got = append(f.got, string(message))
	}
}

// TestEveryStepOfTheWriter looks at a file after each single change that its writer
// makes: an entry is either whole or not there yet, and each comes once.
func TestEveryStepOfTheWriter(t *testing.T) {
	for name, layout := range layouts("", "zstd") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "test.journal")
			w := journaltest.Create(t, path, layout, &journaltest.Series{ID: journaltest.NewID()})
			all := follow(t, path, nil)
			kernel := follow(t, path, journalfile.Matches{"_TRANSPORT=kernel"})
			both := follow(t, path, journalfile.Matches{"_TRANSPORT=kernel", "A=1", "A=2"})
			followers := []*follower{all, kernel, both}
			w.AfterWrite = func() {
				for _, f := range followers {
					f.look(t)
				}
			}
			var want [3][]string
			for n := range 60 {
				message := fmt.Sprintf("line %d", n)
				transport, a := []string{"stdout", "kernel"}[n%2], n%4
				w.Append(journaltest.Entry{Realtime: uint64(n), Fields: []string{
					"MESSAGE=" + message, "_TRANSPORT=" + transport, fmt.Sprintf("A=%d", a),
				}})
				want[0] = append(want[0], message)
				if transport == "kernel" {
					want[1] = append(want[1], message)
					if a == 1 || a == 2 {
						want[2] = append(want[2], message)
					}
				}
			}
			for i, f := range followers {
				require.Equal(t, want[i], f.got)
				require.Zero(t, f.file.Stats().Damaged)
			}
		})
	}
}
