package regularfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

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
		_, err = regularfile.ReadInput(path, 5)
		require.ErrorContains(t, err, path+": it is no regular file")
	}
	_, err := regularfile.Read(filepath.Join(dir, "none"), 5)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestReadInput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte("12345"), 0o600))
	content, err := regularfile.ReadInput(path, 4)
	require.NoError(t, err)
	require.Equal(t, "1234", string(content))

	for _, slow := range []bool{false, true} {
		read, write, err := os.Pipe()
		require.NoError(t, err)
		pause := make(chan struct{})
		go func() {
			if slow {
				<-pause
			}
			_, _ = write.WriteString("12345")
			_ = write.Close()
		}()
		time.AfterFunc(20*time.Millisecond, func() { close(pause) })
		content, err = regularfile.ReadInput(fmt.Sprintf("/proc/self/fd/%d", read.Fd()), 9)
		require.NoError(t, err)
		require.Equal(t, "12345", string(content))
		require.NoError(t, read.Close())
	}
}
