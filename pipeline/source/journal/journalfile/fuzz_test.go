package journalfile_test

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"testing"

	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

// FuzzDamage changes some bytes of a good file: of each four bytes of edits two say
// where, and one what is put there, before or after the file is looked at for the first
// time. So the inputs stay short, and all that hangs together in a file stays there but
// for what is changed.
func FuzzDamage(f *testing.F) {
	all := layouts("", "zstd", "lz4", "xz")
	names := slices.Sorted(maps.Keys(all))
	texts := make([][]byte, 0, len(names))
	for i, name := range names {
		text, _ := small(f, all[name])
		texts = append(texts, text)
		f.Add(uint8(i), []byte{})
		f.Add(uint8(i), edit(nil, 152, 0xff, 0, 160, 0x80, 1, 176, 8, 0))
		f.Add(uint8(i), edit(nil, len(text)-24, 1, 0, len(text)/2, 3, 1))
	}
	cache := journalfile.NewCache(0)
	f.Fuzz(func(t *testing.T, which uint8, edits []byte) {
		text := bytes.Clone(texts[int(which)%len(texts)])
		later := apply(text, edits)
		readEverything(t, text, cache, later)
	})
}

// edit appends edits: where, what, and whether later.
func edit(edits []byte, what ...int) []byte {
	for part := range slices.Chunk(what, 3) {
		edits = binary.BigEndian.AppendUint16(edits, uint16(part[0]))
		edits = append(edits, byte(part[1]), byte(part[2]))
	}
	return edits
}

// apply makes those edits that come at once, and returns what makes the others.
func apply(text, edits []byte) (later func()) {
	var rest [][]byte
	for one := range slices.Chunk(edits[:min(len(edits)&^3, 256)], 4) {
		if one[3]&1 != 0 {
			rest = append(rest, one)
			continue
		}
		text[int(binary.BigEndian.Uint16(one))%len(text)] = one[2]
	}
	return func() {
		for _, one := range rest {
			text[int(binary.BigEndian.Uint16(one))%len(text)] = one[2]
		}
	}
}

// readEverything reads a file in every way. It must end, and nothing but what cannot be
// read may be an error.
//
//nolint:thelper // it runs ten thousand times
func readEverything(t *testing.T, text []byte, cache *journalfile.Cache, later func()) {
	file, err := journalfile.OpenBytes(bytes.NewReader(text), journalfile.Options{Cache: cache, MaxField: 1 << 12})
	if err != nil {
		return
	}
	for _, matches := range []journalfile.Matches{nil, {"_TRANSPORT=kernel", "A=a", "A=b"}} {
		i, err := file.Iterator(matches)
		require.NoError(t, err)
		for range 2 {
			bounded(t, i, i.Next)
			later()
			_ = file.Refresh() // it may be no journal file any more
		}
		require.NoError(t, i.SeekTail())
		bounded(t, i, i.Previous)
		seekAll(t, i)
	}
	header := file.Header()
	there, err := file.Count(1, max(2, header.Whole()))
	require.NoError(t, err)
	require.LessOrEqual(t, there, header.Entries)
	_, _, err = file.LastOfBoot(journalfile.ID{1}, 14)
	require.NoError(t, err)
	_, _, err = file.LastUntil(1004)
	require.NoError(t, err)
}

// bounded reads as many entries as a file of 64 KiB can refer to.
//
//nolint:thelper // it runs ten thousand times
func bounded(t *testing.T, i *journalfile.Iterator, step func() (journalfile.Key, bool, error)) {
	var e journalfile.Entry
	for range 1 << 14 {
		_, ok, err := step()
		require.NoError(t, err)
		if !ok {
			return
		}
		_ = i.Read(&e)
	}
	t.Fatal("no end")
}

// FuzzFile reads what may be no journal at all.
func FuzzFile(f *testing.F) {
	text, _ := small(f, journaltest.Layout{Compression: "lz4"})
	f.Add(text[:272]) // the header
	f.Add([]byte("LPKSHHRH"))
	cache := journalfile.NewCache(0)
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<16 {
			t.Skip("too long")
		}
		readEverything(t, text, cache, func() {})
	})
}

// FuzzLZ4 compares with a library, for whole blocks and for the beginnings of what is in
// them.
func FuzzLZ4(f *testing.F) {
	for _, text := range []string{"", "a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "on and on and on and on and on and then to an end"} {
		block := make([]byte, lz4.CompressBlockBound(len(text)))
		n, err := lz4.CompressBlock([]byte(text), block, nil)
		require.NoError(f, err)
		f.Add(block[:n])
	}
	f.Add([]byte("\xf0\x05twenty letters in it\x00"))
	f.Add([]byte("\x1fa\x01\x00\xff\x10\x50after"))
	f.Fuzz(func(t *testing.T, block []byte) {
		want, room := make([]byte, 1<<14), make([]byte, 1<<14)
		n, err := lz4.UncompressBlock(block, want)
		if err != nil {
			_, _ = journalfile.LZ4Block(room, block)
			return
		}
		got, ok := journalfile.LZ4Block(room, block)
		require.True(t, ok)
		require.Equal(t, want[:n], room[:got])
		for _, length := range []int{n / 2, n / 3, 1} {
			got, ok := journalfile.LZ4Block(room[:length], block)
			require.True(t, ok)
			require.Equal(t, want[:min(length, n)], room[:got])
		}
	})
}
