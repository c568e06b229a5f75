package filelock_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/filelock"
)

// childVariable makes the test binary a process that takes the lock at its value,
// says so and waits to be killed.
const childVariable = "OTELNPD_FILELOCK_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		lock, err := filelock.Take(path)
		fmt.Println(lock != nil, err)
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed
		return
	}
	os.Exit(m.Run())
}

func TestOneHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := filelock.Take(path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(os.Getpid())+"\n", string(text))

	_, err = filelock.Take(path)
	var held *filelock.HeldError
	require.ErrorAs(t, err, &held)
	require.Equal(t, filelock.HeldError{Path: path, PID: os.Getpid()}, *held)
	require.EqualError(t, err, fmt.Sprintf("another process (pid %d) holds %s", os.Getpid(), path))

	require.NoError(t, lock.Close())
	require.ErrorIs(t, lock.Close(), fs.ErrClosed)
	require.FileExists(t, path)
	again, err := filelock.Take(path)
	require.NoError(t, err)
	require.NoError(t, again.Close())
}

// What a former owner wrote, or anybody, decides nothing.
func TestTextOfTheFileIsForPeopleAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	for _, text := range []string{"", "4194304\n", "-1", "none of your business, and long", "\x00\xff"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		lock, err := filelock.Take(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err = filelock.Take(path)
		var held *filelock.HeldError
		require.ErrorAs(t, err, &held)
		if text != "4194304\n" {
			require.EqualError(t, err, "another process holds "+path)
		}
		require.NoError(t, lock.Close())
	}
}

func TestLockOfAKilledProcessIsFree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = []string{childVariable + "=" + path}
	output, err := child.StdoutPipe()
	require.NoError(t, err)
	_, err = child.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	var took bool
	_, err = fmt.Fscan(output, &took)
	require.NoError(t, err)
	require.True(t, took)

	_, err = filelock.Take(path)
	var held *filelock.HeldError
	require.ErrorAs(t, err, &held)
	require.Equal(t, child.Process.Pid, held.PID)

	require.NoError(t, child.Process.Kill())
	_ = child.Wait() // it says that it was killed
	lock, err := filelock.Take(path)
	require.NoError(t, err)
	require.NoError(t, lock.Close())
}

func TestRemovedLockDoesNotStand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	path := filepath.Join(dir, "lock")
	require.NoError(t, os.Mkdir(dir, 0o700))
	lock, err := filelock.Take(path)
	require.NoError(t, err)
	requireStands(t, lock, true)
	require.NoError(t, os.RemoveAll(dir))
	requireStands(t, lock, false)
	require.NoError(t, os.WriteFile(dir, nil, 0o600))
	requireStands(t, lock, false)
	require.NoError(t, os.Remove(dir))

	require.NoError(t, os.Mkdir(dir, 0o700))
	other, err := filelock.Take(path)
	require.NoError(t, err, "a lock without a name keeps nobody out")
	requireStands(t, lock, false)
	requireStands(t, other, true)
	require.NoError(t, lock.Close())
	require.NoError(t, other.Close())
	_, err = other.Stands()
	require.ErrorIs(t, err, fs.ErrClosed)
}

func requireStands(t *testing.T, lock *filelock.Lock, want bool) {
	t.Helper()
	stands, err := lock.Stands()
	require.NoError(t, err)
	require.Equal(t, want, stands)
}

func TestPlacesWhereNoLockCanBe(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	require.NoError(t, os.WriteFile(precious, []byte("precious"), 0o600))
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(precious, link))
	for _, path := range []string{link, dir, filepath.Join(precious, "lock"), filepath.Join(dir, "none", "lock")} {
		_, err := filelock.Take(path)
		require.ErrorContains(t, err, "open "+path)
	}
	text, err := os.ReadFile(precious)
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
}

// While somebody removes the file again and again, there is never more than one
// whose lock stands.
func TestNeverTwoThatStand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var standing sync.Mutex
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 200 {
				lock, err := filelock.Take(path)
				if err != nil {
					continue
				}
				if stands, _ := lock.Stands(); stands {
					if !standing.TryLock() {
						t.Error("two locks stand")
						return
					}
					// Removing comes last: until then nobody else can have it.
					standing.Unlock()
					if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
						t.Error(err)
					}
				}
				_ = lock.Close()
			}
		})
	}
	all.Wait()
}
