package file_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/inotify"
	"github.com/otelnpd/otelnpd/pipeline/source/file"
)

func TestAPartialLastLine(t *testing.T) {
	r := newRig(t)
	r.start()
	r.append("log", "whole\npart")
	require.Equal(t, []string{"whole"}, r.read())
	require.True(t, r.follower.CaughtUp() || len(r.read()) == 0 && r.follower.CaughtUp())
	require.Empty(t, r.later(4*time.Second))
	r.append("log", "ial")
	require.Empty(t, r.read())
	require.Empty(t, r.later(4*time.Second), "it has grown")
	require.LessOrEqual(t, r.follower.Wait(r.now), time.Second)
	r.restart()
	require.Empty(t, r.read())
	require.Equal(t, []string{"partial"}, r.later(6*time.Second))
	require.Equal(t, int64(6), r.all[1].Offset)
	r.restart()
	r.append("log", " late\nnext\n")
	require.Equal(t, []string{" late", "next"}, r.read())
}

func TestALongLineIsCut(t *testing.T) {
	for _, length := range []int{100, 101, 102, 5000, 300_000, 1_000_000} {
		r := newRig(t)
		r.options.MaxLine = 100
		r.start()
		long := strings.Repeat("x", length)
		r.append("log", "before\n"+long[:length/2])
		taken := r.read()
		r.restart() // perhaps within it
		r.append("log", long[length/2:]+"\r\nafter\n")
		taken = append(taken, r.read()...)
		require.Equal(t, []string{"before", long[:100], "after"}, taken, length)
		require.Equal(t, length > 100, r.all[1].Cut, length)
		require.Equal(t, int64(7+length+2), r.all[2].Offset)
	}
}

func TestAtTheEnd(t *testing.T) {
	long := strings.Repeat("y", 70_000)
	for name, tt := range map[string]struct{ there, later, want string }{
		"of whole lines":       {numbered(1, 3), numbered(4, 4), "line 4\n"},
		"of an empty file":     {"", numbered(1, 1), "line 1\n"},
		"of a partial line":    {numbered(1, 3) + "li", "ne 4\n", "line 4\n"},
		"of one partial line":  {"li", "ne 1\n", "line 1\n"},
		"of a line too long":   {long, "end\nnext\n", "next\n"},
		"of a long whole line": {long + "\n", "next\n", "next\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.options.AtEnd = true
			r.append("log", tt.there)
			r.start()
			require.Empty(t, r.read())
			r.append("log", tt.later)
			require.Equal(t, lines(tt.want), r.read())
			whole := newRig(t)
			whole.append("log", tt.there+tt.later)
			whole.start()
			whole.read()
			require.Equal(t, whole.all[len(whole.all)-1], r.all[len(r.all)-1], "one place, wherever the reading began")
		})
	}
}

// What a Fill has brought and nobody has taken comes with the next one.
func TestWhatWasNotTakenComesAgain(t *testing.T) {
	r := newRig(t)
	r.append("log", numbered(1, 3)+"part")
	r.start()
	require.True(t, r.follower.Fill(r.now))
	require.False(t, r.follower.CaughtUp())
	require.True(t, r.follower.Fill(r.now))
	line, _, ok := r.follower.Line()
	require.True(t, ok)
	require.Equal(t, "line 1", string(line.Text))
	require.Equal(t, int64(7), r.follower.Files()[0].Offset)
	require.Equal(t, []string{"line 2", "line 3"}, r.fill())
}

// What was given before is given again from where the holder asks.
func TestFromBeforeThePosition(t *testing.T) {
	r := newRig(t)
	r.start()
	r.append("log", numbered(1, 5))
	r.read()
	before := r.all
	at := r.follower.Files()[0].Position
	r.rename("log", "log.1")
	r.append("log", numbered(6, 6))
	r.follower.Close()
	r.all = nil
	r.start(file.Resumed{Position: at, From: 14})
	require.Equal(t, []string{"line 3", "line 4", "line 5", "line 6"}, r.read())
	for i := range 3 {
		require.Equal(t, before[2+i], r.all[i])
	}
}

func TestWhatIsGoneIsLost(t *testing.T) {
	r := newRig(t)
	r.start()
	r.append("log", numbered(1, 3))
	r.read()
	require.NoError(t, os.Remove(r.path))
	r.restart()
	require.Empty(t, r.later(time.Minute))
	require.Zero(t, r.follower.TakeCounts(), "it may come back")
	r.append("log", numbered(4, 5))
	require.Empty(t, r.read(), "it may just be renamed")
	require.Equal(t, []string{"line 4", "line 5"}, r.later(3*time.Second))
	require.Equal(t, file.Counts{Lost: 1}, r.follower.TakeCounts())
	require.Equal(t, []uint64{1}, r.follower.TakeEnded())
	require.Zero(t, r.follower.TakeCounts())
}

func TestAPositionComesBack(t *testing.T) {
	r := newRig(t)
	r.start()
	r.append("log", numbered(1, 3))
	r.read()
	r.rename("log", "elsewhere")
	r.restart()
	require.Empty(t, r.later(time.Minute))
	r.rename("elsewhere", "log")
	r.append("log", numbered(4, 4))
	require.Equal(t, []string{"line 4"}, r.later(2*time.Second))
	require.Zero(t, r.follower.TakeCounts())
}

func TestFaults(t *testing.T) {
	r := newRig(t)
	r.start()
	r.read()
	require.Equal(t, "there is no "+r.path, r.follower.Fault().Reason)
	require.ErrorIs(t, r.follower.Fault(), fs.ErrNotExist)
	require.NoError(t, unix.Mkfifo(r.path, 0o600))
	r.read()
	require.Equal(t, r.path+" is no regular file", r.follower.Fault().Reason)
	require.NoError(t, os.Remove(r.path))
	r.append("log", numbered(1, 1))
	require.Equal(t, []string{"line 1"}, r.read())
	require.Nil(t, r.follower.Fault())
	if os.Geteuid() != 0 {
		require.NoError(t, os.Chmod(r.path, 0))
		r.restart()
		r.read()
		require.ErrorIs(t, r.follower.Fault(), fs.ErrPermission)
	}
}

// An absolute symlink of the host leads below where the host's root is seen.
func TestTheHostsRoot(t *testing.T) {
	r := newRig(t)
	r.options.Root = r.dir
	require.NoError(t, os.MkdirAll(r.in("var/pods"), 0o700))
	require.NoError(t, os.Symlink("/var/pods/0.log", r.in("var/link")))
	require.NoError(t, os.Symlink("/var/../../var", r.in("alias")))
	r.append("var/pods/0.log", numbered(1, 2))
	r.path = "/alias/link"
	r.start()
	require.Equal(t, []string{"line 1", "line 2"}, r.read())
	require.Equal(t, "/var/pods/0.log", r.follower.Files()[0].Path)
	watches := map[string]inotify.Names{}
	r.follower.Watches(watches)
	require.Contains(t, watches, r.in("var/pods/0.log"))
	require.Equal(t, inotify.Names{"link": true, "pods": true}, watches[r.in("var")])
	require.Equal(t, inotify.Names{"0.log": true}, watches[r.in("var/pods")])
}

func TestResolvingIsBounded(t *testing.T) {
	r := newRig(t)
	require.NoError(t, os.Symlink("loop", r.in("loop")))
	require.NoError(t, os.Symlink(strings.Repeat("bomb/", 40), r.in("bomb")))
	for name, reason := range map[string]string{"loop": "too many levels of symbolic links", "bomb": "file name too long"} {
		r.path = r.in(name)
		r.start()
		require.Empty(t, r.read())
		require.Equal(t, r.path+" cannot be read: "+reason, r.follower.Fault().Reason)
		watches := map[string]inotify.Names{}
		r.follower.Watches(watches)
		require.Less(t, len(watches), 600)
	}
}

// Nothing is read and nothing looked at while nothing happens.
func TestIdle(t *testing.T) {
	r := newRig(t)
	r.start()
	r.append("log", numbered(1, 3))
	r.read()
	require.InDelta(t, time.Second, r.follower.Wait(r.now), float64(10*time.Millisecond))
	allocated := testing.AllocsPerRun(100, func() { r.follower.Fill(r.now) })
	require.Zero(t, allocated)
}

func FuzzResume(f *testing.F) {
	f.Add([]byte(numbered(1, 3)), "log", int64(14), 14, uint64(5), 0, uint64(0), false, "k")
	f.Add([]byte("x"), "log", int64(-1), 300, uint64(5), 65, uint64(0), true, "")
	f.Fuzz(func(t *testing.T, content []byte, name string, offset int64, head int, sum uint64, tail int, generation uint64, skipping bool, key string) {
		r := newRig(t)
		require.NoError(t, os.WriteFile(r.path, content, 0o600))
		p := file.Position{
			Path: filepath.Join(r.dir, filepath.Base("/"+name)), Offset: offset, Head: file.Print{Length: head, Sum: sum},
			Tail: file.Print{Length: tail, Sum: sum}, Generation: generation, Skipping: skipping, Key: key,
		}
		if p.Check() != nil {
			return
		}
		r.start(file.Resumed{Position: p, From: p.Offset / 2})
		for range 30 {
			r.read()
			r.now += time.Second
		}
		for _, one := range r.follower.Files() {
			require.NoError(t, one.Check())
		}
	})
}

// Whatever is written, in whatever pieces: the lines are those of the text.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\r\n\x00c\n"), uint8(3))
	f.Add([]byte(strings.Repeat("long", 50)+"\nx\n"), uint8(1))
	f.Fuzz(func(t *testing.T, content []byte, piece uint8) {
		r := newRig(t)
		r.options.MaxLine = 64
		r.start()
		out, err := os.Create(r.path)
		require.NoError(t, err)
		defer out.Close()
		var taken []string
		for rest := content; len(rest) > 0; {
			n := min(len(rest), int(piece)+1+len(content)/20)
			_, err := out.Write(rest[:n])
			require.NoError(t, err)
			rest = rest[n:]
			taken = append(taken, r.read()...)
		}
		taken = append(taken, r.later(6*time.Second)...)
		var want []string
		for _, line := range strings.SplitAfter(string(content), "\n") {
			line = strings.TrimLeft(line, "\x00")
			if line == "" {
				continue
			}
			line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
			want = append(want, line[:min(len(line), 64)])
		}
		require.Equal(t, want, taken)
	})
}
