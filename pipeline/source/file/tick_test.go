package file_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is written in the tick of the kernel's clock in which a file was emptied has no
// later time. It is found all the same where it was packed before anybody read it.
func TestWrittenInTheTickOfTheTruncation(t *testing.T) {
	r := newRig(t)
	r.start()
	r.append("log", numbered(1, 1))
	require.Equal(t, []string{"line 1"}, r.read())
	r.copyTruncate("log", "log.1")
	require.Empty(t, r.read())
	emptied, err := os.Stat(r.path)
	require.NoError(t, err)
	r.append("log", numbered(2, 2))
	require.NoError(t, os.Chtimes(r.path, emptied.ModTime(), emptied.ModTime()))
	r.rename("log.1", "log.2")
	r.rename("log", "log.1")
	r.compress("log.1")
	r.append("log", numbered(3, 3))
	r.restart()
	require.Equal(t, []string{"line 2", "line 3"}, r.read())
}

// A file that was copied, emptied and then renamed is another one than it was.
func TestCopiedThenRenamedMeanwhile(t *testing.T) {
	r := newRig(t)
	r.start()
	r.append("log", numbered(1, 2))
	require.Equal(t, []string{"line 1", "line 2"}, r.read())
	r.copyTruncate("log", "log.1")
	r.append("log", numbered(3, 3))
	r.rename("log.1", "log.2")
	r.rename("log", "log.1")
	r.append("log", numbered(4, 4))
	r.restart()
	require.Equal(t, []string{"line 3", "line 4"}, r.read())
}
