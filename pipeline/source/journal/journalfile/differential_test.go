package journalfile_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

// layouts are all that there are.
func layouts(compressions ...string) map[string]journaltest.Layout {
	all := map[string]journaltest.Layout{}
	for _, compression := range compressions {
		for i := range 4 {
			layout := journaltest.Layout{Compact: i&1 != 0, Keyed: i&2 != 0, Compression: compression}
			all[fmt.Sprintf("%s compact=%t keyed=%t", compression, layout.Compact, layout.Keyed)] = layout
		}
	}
	return all
}

// write makes a file by this module's own writer.
func write(t testing.TB, path string, layout journaltest.Layout, entries []journaltest.Entry) *journaltest.Writer {
	t.Helper()
	w := journaltest.Create(t, path, layout, &journaltest.Series{ID: journaltest.NewID()})
	for _, entry := range entries {
		w.Append(entry)
	}
	return w
}

func open(t testing.TB, path string, options journalfile.Options) *journalfile.File {
	t.Helper()
	file, err := journalfile.Open(path, options)
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// exported is an entry in journalctl's form.
func exported(e *journalfile.Entry) journaltest.Exported {
	x := journaltest.Exported{
		Cursor:   fmt.Sprintf("s=%s;i=%x;b=%s;m=%x;t=%x;x=%x", e.SeqnumID, e.Seqnum, e.BootID, e.Monotonic, e.Realtime, e.XorHash),
		Realtime: e.Realtime, Monotonic: e.Monotonic, Boot: e.BootID.String(),
	}
	for name, value := range e.All() {
		if string(name) != "_BOOT_ID" {
			x.Fields = append(x.Fields, string(name)+"="+string(value))
		}
	}
	return x
}

// readAll reads from where the iterator stands.
func readAll(t testing.TB, i *journalfile.Iterator, backward bool, most int) (entries []journaltest.Exported) {
	t.Helper()
	step := i.Next
	if backward {
		step = i.Previous
	}
	var e journalfile.Entry
	for len(entries) < most {
		key, ok, err := step()
		require.NoError(t, err)
		if !ok {
			break
		}
		require.NoError(t, i.Read(&e))
		require.Equal(t, key, e.Key)
		entries = append(entries, exported(&e))
	}
	return entries
}

// whole reads fields of any length.
var whole = journalfile.Options{MaxField: 1 << 20}

func TestSameAsJournalctl(t *testing.T) {
	journaltest.Need(t, "journalctl")
	writers := map[string]func(t *testing.T, path string, layout journaltest.Layout, entries []journaltest.Entry){
		"own": func(t *testing.T, path string, layout journaltest.Layout, entries []journaltest.Entry) {
			t.Helper()
			write(t, path, layout, entries).SetState(0)
			journaltest.Verify(t, path)
		},
		"remote": func(t *testing.T, path string, layout journaltest.Layout, entries []journaltest.Entry) {
			t.Helper()
			journaltest.WriteRemote(t, path, layout, entries)
		},
	}
	for name, compressions := range map[string][]string{"own": {"", "lz4", "xz", "zstd"}, "remote": {"zstd"}} {
		for kind, layout := range layouts(compressions...) {
			if name == "own" && layout.Compression != "" && layout.Compact != layout.Keyed {
				continue
			}
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "test.journal")
				entries := journaltest.Random(7, 300)
				writers[name](t, path, layout, entries)
				header := open(t, path, whole).Header()
				require.Equal(t, layout.Compact, header.Compact)
				require.Equal(t, layout.Keyed, header.Keyed)
				require.Equal(t, uint64(300), header.Entries)
				compare(t, path, entries)
			})
		}
	}
}

// compare asks both for the same, in many ways.
func compare(t *testing.T, path string, entries []journaltest.Entry) {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 3))
	for round := range 9 {
		matches := randomMatches(random, round)
		backward := round%2 == 1
		file := open(t, path, whole)
		i, err := file.Iterator(matches)
		require.NoError(t, err)
		args := append([]string{"--file", path, "-o", "export", "--all"}, matches...)
		if backward {
			args = append(args, "--reverse")
			require.NoError(t, i.SeekTail())
		}
		if round%3 == 2 && !backward {
			at := entries[random.IntN(len(entries))].Realtime
			args = append(args, fmt.Sprintf("--since=@%d.%06d", at/1e6, at%1e6))
			require.NoError(t, i.SeekRealtime(at))
		}
		want := journaltest.ParseExport(t, journaltest.Journalctl(t, args...))
		require.Equal(t, want, readAll(t, i, backward, len(entries)+1), "%q", args)
		require.Zero(t, file.Stats().Damaged)
	}
}

func randomMatches(random *rand.Rand, round int) (matches journalfile.Matches) {
	if round < 3 {
		return nil
	}
	for range 1 + random.IntN(4) {
		switch random.IntN(4) {
		case 0:
			matches = append(matches, "_TRANSPORT="+[]string{"kernel", "syslog", "none"}[random.IntN(3)])
		case 1:
			matches = append(matches, fmt.Sprintf("PRIORITY=%d", random.IntN(8)))
		case 2:
			matches = append(matches, fmt.Sprintf("SYSLOG_IDENTIFIER=unit-%d", random.IntN(8)))
		default:
			matches = append(matches, fmt.Sprintf("_SYSTEMD_UNIT=unit-%d.service", random.IntN(6)))
		}
	}
	return matches
}

func TestLongFieldsAreCut(t *testing.T) {
	for _, compression := range []string{"", "lz4", "xz", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.journal")
			long := "MESSAGE=" + strings.Repeat("all work and no play ", 10_000)
			write(t, path, journaltest.Layout{Compression: compression}, []journaltest.Entry{
				{Realtime: 1, Fields: []string{"A=1", long, "B=2"}}, {Realtime: 2, Fields: []string{"A=3"}},
			})
			file := open(t, path, journalfile.Options{})
			i, err := file.Iterator(nil)
			require.NoError(t, err)
			got := readAll(t, i, false, 10)
			require.Equal(t, []string{"A=1", long[:journalfile.DefaultMaxField], "B=2"}, got[0].Fields)
			require.Equal(t, []string{"A=3"}, got[1].Fields)
			require.Equal(t, uint64(1), file.Stats().Cut)
			require.Zero(t, file.Stats().Damaged)
		})
	}
}
