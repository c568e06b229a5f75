package mounts

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

const age = 5 * time.Second

func put(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

func allTypes([]byte) bool { return true }

func TestMountLines(t *testing.T) {
	for line, want := range map[string]Mount{
		`36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`: {
			ID: 36, Device: "98:0", Root: "/mnt1", Point: "/mnt2", Source: "/dev/root", Type: "ext3", Options: "rw,noatime", FSOptions: "rw,errors=continue"},
		`36 35 98:0 / /mnt\0402\134x ro - ext4 /dev/my\011disk ro`: {
			ID: 36, Device: "98:0", Root: "/", Point: `/mnt 2\x`, Source: "/dev/my\tdisk", Type: "ext4", Options: "ro", ReadOnly: true, FSOptions: "ro"},
		`36 35 98:0 / / ro,relatime shared:1 master:2 propagate_from:3 - xfs none rw`: {
			ID: 36, Device: "98:0", Root: "/", Point: "/", Source: "none", Type: "xfs", Options: "ro,relatime", ReadOnly: true, FSOptions: "rw"},
		`36 35 98:0 / /a\9b\04 rw - tmpfs tmpfs`: {ID: 36, Device: "98:0", Root: "/", Point: `/a\9b\04`, Source: "tmpfs", Type: "tmpfs", Options: "rw"},
	} {
		got, ok := parseMount([]byte(line+"\n"), allTypes)
		require.True(t, ok, line)
		require.Equal(t, want, got, line)
	}
	for _, line := range []string{"", " - ", "36 35 98:0 / / rw", "x 35 98:0 / / rw - ext4 a rw", "36 35 98:0 / - ext4 a rw"} {
		_, ok := parseMount([]byte(line), allTypes)
		require.False(t, ok, line)
	}
}

func FuzzMountLine(f *testing.F) {
	f.Add([]byte(`36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`))
	f.Add([]byte(`1 - `))
	f.Fuzz(func(t *testing.T, line []byte) {
		m, ok := parseMount(line, allTypes)
		if ok {
			require.LessOrEqual(t, len(m.Point)+len(m.Root)+len(m.FSOptions)+len(m.Options), len(line))
			_ = Group([]Mount{m, m})
		}
	})
}

// Lines of overlays of many layers are longer than any buffer; those behind them are
// read all the same.
func TestMountLinesOfAnyLength(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mountinfo")
	long := "1 0 0:50 / /a rw - overlay overlay rw,lowerdir=" + strings.Repeat("/x:", maxLine)
	put(t, path, long+"\n2 0 8:1 / /b rw - ext4 /dev/sda1 rw\n"+long+"\n3 0 8:2 / /c rw - ext4 /dev/sda2 rw")
	mounts, err := Read(path, allTypes)
	require.NoError(t, err)
	var points []string
	for _, m := range mounts {
		points = append(points, m.Point)
	}
	require.Equal(t, []string{"/a", "/b", "/a", "/c"}, points)
	require.True(t, mounts[0].Has("rw"))

	put(t, path, strings.Repeat("1 0 8:1 / /b rw - ext4 x rw\n", maxMounts+1))
	_, err = Read(path, allTypes)
	require.ErrorContains(t, err, "there are more than 100000 mounts")
}

// A file system that does not answer holds up neither the others nor the next look,
// and is not asked twice.
func TestFileSystemThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		asked := map[string]int{}
		lock := make(chan struct{}, 1)
		a := NewAsker(bootClock{}, age, func(of *FileSystem) (Usage, error) {
			lock <- struct{}{}
			asked[of.Device]++
			<-lock
			if of.Device == "hung" {
				<-release
			}
			return Usage{Used: 1, Available: 1}, nil
		})
		disk := func(device string) FileSystem {
			return FileSystem{Device: device, Mounts: []Mount{{Point: "/" + device, Source: "nfs:/x", Type: "nfs4"}}}
		}
		list := []FileSystem{disk("hung"), disk("a"), disk("b")}
		for look := 1; look <= 3; look++ {
			began := time.Now()
			answers := a.All(t.Context(), list)
			require.Equal(t, patience, time.Since(began))
			require.ErrorContains(t, answers[0].Err, "the file system /hung (nfs:/x, nfs4) has not answered for ")
			var blind *hostview.Blind
			require.ErrorAs(t, answers[0].Err, &blind)
			require.Contains(t, blind.Remedy, "look at the disk or server behind it")
			require.NoError(t, answers[1].Err)
			require.NoError(t, answers[2].Err)
			time.Sleep(age)
		}
		require.Equal(t, map[string]int{"hung": 1, "a": 3, "b": 3}, asked)
		close(release)
		synctest.Wait()
		answers := a.All(t.Context(), list)
		require.NoError(t, answers[0].Err)
		require.EqualValues(t, 1, answers[0].Usage.Used)
		synctest.Wait()
	})
}

// However many hang, a bound number of threads waits for them.
func TestManyFileSystemsHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		a := NewAsker(bootClock{}, age, func(*FileSystem) (Usage, error) { <-release; return Usage{}, errors.New("late") })
		var list []FileSystem
		for i := range maxAsked + 5 {
			list = append(list, FileSystem{Device: string(rune('a' + i)), Mounts: []Mount{{Point: "/x"}}})
		}
		began := time.Now()
		answers := a.All(t.Context(), list)
		require.Equal(t, patience, time.Since(began))
		require.ErrorContains(t, answers[maxAsked].Err, "was not asked, since 16 others do not answer")
		close(release)
		synctest.Wait()
		answers = a.All(t.Context(), list)
		require.EqualError(t, answers[maxAsked].Err, "late")
		synctest.Wait()
	})
}

// bootClock is the clock of a bubble of synctest.
type bootClock struct{}

func (bootClock) Now() pipeline.Instant {
	return pipeline.Instant{Wall: time.Now(), Boot: time.Duration(time.Now().UnixNano())}
}

// Where the host's first process is not seen, somebody must have mounted something.
func TestRootThatCannotBeTold(t *testing.T) {
	proc := t.TempDir()
	put(t, filepath.Join(proc, "self/mountinfo"), "1 0 0:60 / / rw - overlay overlay rw\n2 0 259:2 / /host rw - ext4 /dev/nvme0n1p2 rw\n")
	for root, want := range map[string]bool{"/": false, "/host": true, "/elsewhere": false} {
		h := NewHost(hostview.View{Root: root, Proc: proc})
		if err := h.seesRoot(); want {
			require.NoError(t, err, root)
		} else {
			require.ErrorContains(t, err, "does not see whether "+root+" is the root directory of the host")
		}
	}
}
