package regularfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/regularfile"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	require.NoError(t, os.WriteFile(path, []byte("12345"), 0o600))
	require.NoError(t, os.Symlink(path, link))
	for _, name := range []string{path, link} {
		content, err := regularfile.Read(name, 5)
		require.NoError(t, err)
		require.Equal(t, "12345", string(content))
	}
	_, err := regularfile.Read(path, 4)
	require.ErrorContains(t, err, "more than 4 bytes")
}

func TestReadOfWhatIsNoRegularFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	for _, path := range []string{dir, fifo, "/dev/zero"} {
		_, err := regularfile.Read(path, 5)
		require.ErrorContains(t, err, path+": it is no regular file")
	}
	_, err := regularfile.Read(filepath.Join(dir, "none"), 5)
	require.ErrorIs(t, err, os.ErrNotExist)
}
