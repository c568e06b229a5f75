package tree_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/deploy/image/tree"
)

// The order in which files are put in does not show.
func TestSameFilesSameBytes(t *testing.T) {
	add := []func(*tree.Tree) error{
		func(t *tree.Tree) error { return t.Write("/usr/bin/b", 0o4755, []byte("b")) },
		func(t *tree.Tree) error { return t.Symlink("bin", "usr/bin") },
		func(t *tree.Tree) error { return t.Dir("tmp", 0o1777) },
		func(t *tree.Tree) error { return t.Write("./usr/bin/a", 0o644, []byte("a")) },
	}
	var texts [2]bytes.Buffer
	for i := range texts {
		all := tree.New()
		for j := range add {
			if i == 1 {
				j = len(add) - 1 - j
			}
			require.NoError(t, add[j](all))
		}
		require.NoError(t, all.WriteTar(&texts[i], time.Unix(1_700_000_000, 999)))
	}
	require.Equal(t, texts[0].Bytes(), texts[1].Bytes())
	require.Equal(t, []string{"bin 777", "tmp/ 1777", "usr/ 755", "usr/bin/ 755", "usr/bin/a 644", "usr/bin/b 755"}, list(t, &texts[0]))
}

func list(t *testing.T, text io.Reader) (names []string) {
	t.Helper()
	for archive := tar.NewReader(text); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		require.NoError(t, err)
		require.Zero(t, header.Uid+header.Gid)
		require.Equal(t, int64(1_700_000_000), header.ModTime.Unix())
		names = append(names, header.Name+" "+octal(header.Mode))
	}
}

func octal(mode int64) (text string) {
	for ; mode > 0; mode /= 8 {
		text = string(rune('0'+mode%8)) + text
	}
	return text
}

func TestAdd(t *testing.T) {
	all := tree.New()
	require.NoError(t, all.Write("a/b", 0o644, []byte("1")))
	require.NoError(t, all.Write("a/b", 0o600, []byte("2")), "the later one stays")
	f, ok := all.Get("/a/../a/b")
	require.True(t, ok)
	require.Equal(t, "2", string(f.Content))
	require.NoError(t, all.Dir("/", 0o755), "the root is not in it")
	require.ErrorContains(t, all.Write("a", 0o644, nil), "it is a directory in one place")
	require.ErrorContains(t, all.Write("a/b/c", 0o644, nil), "it is no directory")
}
