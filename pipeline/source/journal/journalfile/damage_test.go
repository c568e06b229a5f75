package journalfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

// small is a file of a few entries, as bytes, and the content of its entries.
func small(t testing.TB, layout journaltest.Layout) (text []byte, written map[string]bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "small.journal")
	layout.Buckets = 8
	entries := []journaltest.Entry{}
	long := strings.Repeat(" and on", 12)
	for i, message := range []string{"one", "two", "two", "three" + long, "four", "five"} {
		entries = append(entries, journaltest.Entry{
			Realtime: 1000 + uint64(i), Monotonic: 10 + uint64(i), Boot: journalfile.ID{1},
			Fields: []string{"A=" + string(rune('a'+i%3)), "MESSAGE=" + message, "_TRANSPORT=" + []string{"kernel", "stdout"}[i%2]},
		})
	}
	write(t, path, layout, entries)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	written = map[string]bool{}
	for _, entry := range entries {
		written[contentOf(entry.Fields)] = true
	}
	return text, written
}

func contentOf(fields []string) string {
	slices.Sort(fields)
	return strings.Join(fields, "\n")
}

// A header and an array that promise more than any disk has cost no more than the file
// is long: on disk, in memory without an end, and with a hole behind.
func TestGiantCounts(t *testing.T) {
	text, written := small(t, journaltest.Layout{})
	array := binary.LittleEndian.Uint64(text[176:])
	binary.LittleEndian.PutUint64(text[96:], 1<<46)
	binary.LittleEndian.PutUint64(text[152:], 1<<39)
	binary.LittleEndian.PutUint64(text[array+8:], 1<<45)
	path := filepath.Join(t.TempDir(), "giant.journal")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	hole := filepath.Join(t.TempDir(), "hole.journal")
	require.NoError(t, os.WriteFile(hole, text, 0o600))
	require.NoError(t, os.Truncate(hole, 1<<40))
	for _, path := range []string{path, hole} {
		file, err := journalfile.Open(path, journalfile.Options{})
		require.NoError(t, err)
		i, err := file.Iterator(nil)
		require.NoError(t, err)
		count := 0
		for begun := time.Now(); ; count++ {
			_, found, err := i.Next()
			require.Less(t, time.Since(begun), time.Minute)
			if err != nil || !found {
				break
			}
		}
		require.LessOrEqual(t, count, len(written))
		require.NoError(t, file.Close())
	}
}

// maxReads bounds what a file of a few KiB may cost.
const maxReads = 2000

// walk reads a file in every way and returns how many entries there were. What is
// read must have been written.
//
//nolint:thelper // it runs ten thousand times
func walk(t *testing.T, cache *journalfile.Cache, text []byte, written map[string]bool) (count int) {
	file, err := journalfile.OpenBytes(bytes.NewReader(text), journalfile.Options{Cache: cache})
	if err != nil {
		return 0
	}
	for _, matches := range []journalfile.Matches{nil, {"_TRANSPORT=kernel", "A=a", "A=b"}} {
		i, err := file.Iterator(matches)
		require.NoError(t, err)
		for range 2 { // what cannot be read is skipped when it was looked at anew
			count += steps(t, file, i, i.Next, matches, written)
			_ = file.Refresh() // it may find no header any more
		}
		count += steps(t, file, i, i.Next, matches, written)
		require.NoError(t, i.SeekTail())
		count += steps(t, file, i, i.Previous, matches, written)
		seekAll(t, i)
	}
	require.Less(t, file.Stats().Reads, uint64(maxReads))
	return count
}

//nolint:thelper // it runs ten thousand times
func steps(
	t *testing.T, file *journalfile.File, i *journalfile.Iterator, step func() (journalfile.Key, bool, error),
	matches journalfile.Matches, written map[string]bool,
) (count int) {
	var e journalfile.Entry
	var fields []string
	for range 1000 {
		_, ok, err := step()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return count
		}
		if err := i.Read(&e); err != nil {
			if !errors.Is(err, journalfile.ErrDamaged) {
				t.Fatal(err)
			}
			continue
		}
		fields = fields[:0]
		for name, value := range e.All() {
			fields = append(fields, string(name)+"="+string(value))
		}
		if !written[contentOf(fields)] || len(matches) > 0 && !slices.Contains(fields, matches[0]) {
			t.Fatalf("was not written, or does not match: %q", fields)
		}
		count++
	}
	t.Fatalf("no end: %+v", file.Header())
	return count
}

func seekAll(t *testing.T, i *journalfile.Iterator) {
	t.Helper()
	require.NoError(t, i.SeekSeqnum(4))
	require.NoError(t, i.SeekRealtime(1004))
	_, err := i.SeekMonotonic(journalfile.ID{1}, 14)
	require.NoError(t, err)
}

// TestEveryByteDamaged changes each byte of a file in turn, its header, the headers
// of all objects and their payloads: nothing is read that was not written, and it
// ends.
func TestEveryByteDamaged(t *testing.T) {
	for name, layout := range layouts("", "zstd", "lz4", "xz") {
		if layout.Compression != "" && (!layout.Compact || !layout.Keyed) {
			continue // the payloads are what differs
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, written := small(t, layout)
			cache := journalfile.NewCache(0)
			all := walk(t, cache, text, written)
			require.Equal(t, 2*(6+2), all, "forward and backward")
			files, kept := 0, 0
			for at := range text {
				for _, flip := range []byte{0xff, 1 << (at % 8)} {
					text[at] ^= flip
					kept += walk(t, cache, text, written)
					text[at] ^= flip
					files++
				}
			}
			share := float64(kept) / float64(files*all)
			t.Logf("%d files of %d bytes: %.1f %% of the entries were read", files, len(text), share*100)
			require.Greater(t, share, 0.75, "what can be read is")
		})
	}
}

// TestEveryLengthCutOff cuts a file off behind each byte.
func TestEveryLengthCutOff(t *testing.T) {
	for name, layout := range layouts("zstd") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, written := small(t, layout)
			cache := journalfile.NewCache(0)
			for length := range text {
				walk(t, cache, text[:length], written)
			}
		})
	}
}
