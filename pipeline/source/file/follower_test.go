package file_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/file"
)

// rig is a log, whoever writes it, and a follower with a clock of its own.
type rig struct {
	t        *testing.T
	dir      string
	path     string
	options  file.Options
	follower *file.Follower
	now      time.Duration
	lines    []string // taken since it was asked last
	all      []got
}

type got struct {
	file.Line
	of   file.Stream
	text string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, dir: dir, path: filepath.Join(dir, "log"), now: time.Hour, options: file.Options{Buffer: &file.Buffer{}}}
	return r
}

// start makes a follower that goes on from what files say.
func (r *rig) start(files ...file.Resumed) {
	r.follower = file.New(r.path, r.options)
	if len(files) > 0 {
		r.follower.Resume(files)
	}
	r.t.Cleanup(r.follower.Close)
}

// restart is a kill: what was taken last is known, what is kept goes through JSON.
func (r *rig) restart() {
	r.t.Helper()
	text, err := json.Marshal(r.follower.Files())
	require.NoError(r.t, err)
	r.follower.Close()
	var files []file.Resumed
	require.NoError(r.t, json.Unmarshal(text, &files))
	for i := range files {
		require.NoError(r.t, files[i].Check())
		files[i].From = files[i].Offset
	}
	r.start(files...)
}

// read takes all that there is to take now.
func (r *rig) read() []string {
	r.t.Helper()
	r.follower.Changed()
	return r.fill()
}

func (r *rig) fill() []string {
	r.t.Helper()
	r.lines = nil
	for rounds := 0; r.follower.Fill(r.now); rounds++ {
		require.Less(r.t, rounds, 10_000, "it reads the same again and again")
		for line, of, ok := r.follower.Line(); ok; line, of, ok = r.follower.Line() {
			r.lines = append(r.lines, string(line.Text))
			r.all = append(r.all, got{line, *of, string(line.Text)})
		}
	}
	return r.lines
}

// later lets time pass, a quarter of a second at a time.
func (r *rig) later(d time.Duration) []string {
	r.t.Helper()
	var lines []string
	for end := r.now + d; r.now < end; {
		r.now += 250 * time.Millisecond
		lines = append(lines, r.fill()...)
	}
	return lines
}

func (r *rig) in(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) append(name, text string) {
	r.t.Helper()
	f, err := os.OpenFile(r.in(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(r.t, err)
	_, err = f.WriteString(text)
	require.NoError(r.t, err)
	require.NoError(r.t, f.Close())
	time.Sleep(5 * time.Millisecond) // the kernel stamps files by its tick
}

func (r *rig) rename(from, to string) {
	r.t.Helper()
	require.NoError(r.t, os.Rename(r.in(from), r.in(to)))
}

// copyTruncate does as logrotate.
func (r *rig) copyTruncate(from, to string) {
	r.t.Helper()
	text, err := os.ReadFile(r.in(from))
	require.NoError(r.t, err)
	require.NoError(r.t, os.WriteFile(r.in(to), text, 0o600))
	require.NoError(r.t, os.Truncate(r.in(from), 0))
	time.Sleep(5 * time.Millisecond)
}

// compress does as logrotate: the new file has the time of the old one.
func (r *rig) compress(name string) {
	r.t.Helper()
	text, err := os.ReadFile(r.in(name))
	require.NoError(r.t, err)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err = w.Write(text)
	require.NoError(r.t, err)
	require.NoError(r.t, w.Close())
	at, err := os.Stat(r.in(name))
	require.NoError(r.t, err)
	require.NoError(r.t, os.WriteFile(r.in(name+".gz"), packed.Bytes(), 0o600))
	require.NoError(r.t, os.Chtimes(r.in(name+".gz"), at.ModTime(), at.ModTime()))
	require.NoError(r.t, os.Remove(r.in(name)))
}

func numbered(from, to int) string {
	var text strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	return text.String()
}

func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

// Each scenario ends with all lines read once, in order.
func TestScenarios(t *testing.T) {
	for name, scenario := range map[string]func(r *rig) (all string){
		"appended": func(r *rig) string {
			r.append("log", numbered(1, 3))
			r.read()
			r.append("log", numbered(4, 5))
			return numbered(1, 5)
		},
		"renamed and made anew": func(r *rig) string {
			r.append("log", numbered(1, 3))
			r.read()
			r.append("log", numbered(4, 4))
			r.rename("log", "log.1")
			r.append("log", numbered(5, 6))
			return numbered(1, 6)
		},
		"written after it was renamed": func(r *rig) string {
			r.append("log", numbered(1, 3))
			r.read()
			r.rename("log", "log.1")
			r.append("log", "")
			r.read()
			r.append("log.1", numbered(4, 5))
			r.later(3 * time.Second)
			r.append("log.1", numbered(6, 6))
			return numbered(1, 6)
		},
		"renamed twice between two looks": func(r *rig) string {
			r.append("log", numbered(1, 3))
			r.read()
			r.rename("log", "log.1")
			r.append("log", numbered(4, 5))
			r.rename("log.1", "log.2")
			r.rename("log", "log.1")
			r.append("log", numbered(6, 7))
			return numbered(1, 7)
		},
		"copied and truncated": func(r *rig) string {
			r.append("log", numbered(1, 3))
			r.read()
			r.append("log", numbered(4, 5))
			r.copyTruncate("log", "log.1")
			r.append("log", numbered(6, 6))
			return numbered(1, 6)
		},
		"copied and truncated twice between two looks": func(r *rig) string {
			r.append("log", numbered(1, 3))
			r.read()
			r.append("log", numbered(4, 5))
			r.copyTruncate("log", "log.1")
			r.append("log", numbered(6, 7))
			r.rename("log.1", "log.2")
			r.copyTruncate("log", "log.1")
			r.append("log", numbered(8, 8))
			return numbered(1, 8)
		},
		"copied over the copy before, and truncated": func(r *rig) string {
			for i := range 3 {
				r.append("log", numbered(2*i+1, 2*i+1))
				r.read()
				r.append("log", numbered(2*i+2, 2*i+2))
				r.copyTruncate("log", "log.1")
				r.read()
			}
			return numbered(1, 6)
		},
		"truncated": func(r *rig) string {
			r.append("log", numbered(1, 3))
			r.read()
			require.NoError(r.t, os.Truncate(r.path, 0))
			r.append("log", numbered(4, 4))
			return numbered(1, 4)
		},
		"truncated and filled with more": func(r *rig) string {
			r.append("log", numbered(1, 3))
			r.read()
			require.NoError(r.t, os.Truncate(r.path, 0))
			r.append("log", numbered(4, 9))
			return numbered(1, 9)
		},
		"truncated and filled with more that begins alike": func(r *rig) string {
			header := strings.Repeat("header of the log ", 20) + "\n"
			r.append("log", header+numbered(1, 3))
			r.read()
			require.NoError(r.t, os.Truncate(r.path, 0))
			r.append("log", header+numbered(4, 9))
			return header + numbered(1, 3) + header + numbered(4, 9)
		},
		"truncated while a hole is left": func(r *rig) string {
			r.append("log", numbered(1, 3))
			r.read()
			r.copyTruncate("log", "log.1")
			f, err := os.OpenFile(r.path, os.O_WRONLY, 0)
			require.NoError(r.t, err)
			_, err = f.WriteAt([]byte(numbered(4, 5)), 300_000)
			require.NoError(r.t, err)
			require.NoError(r.t, f.Close())
			return numbered(1, 5)
		},
		"a symlink is switched": func(r *rig) string {
			r.append("one", numbered(1, 3))
			require.NoError(r.t, os.Symlink("one", r.path))
			r.read()
			r.append("one", numbered(4, 4))
			r.append("two", numbered(5, 6))
			require.NoError(r.t, os.Symlink(r.in("two"), r.in("new")))
			r.rename("new", "log")
			return numbered(1, 6)
		},
		"a symlink is switched and back": func(r *rig) string {
			r.append("one", numbered(1, 3))
			r.append("two", numbered(4, 5))
			require.NoError(r.t, os.Symlink("one", r.path))
			r.read()
			for i, name := range []string{"two", "one"} {
				require.NoError(r.t, os.Symlink(name, r.in("new")))
				r.rename("new", "log")
				r.read()
				r.later(10 * time.Second)
				r.append(name, numbered(6+i, 6+i))
			}
			return numbered(1, 7)
		},
		"the target of a symlink is renamed": func(r *rig) string {
			require.NoError(r.t, os.Mkdir(r.in("data"), 0o700))
			r.append("data/target", numbered(1, 3))
			require.NoError(r.t, os.Symlink("data/target", r.path))
			r.read()
			r.append("data/target", numbered(4, 4))
			r.rename("data/target", "data/target.1")
			r.append("data/target", numbered(5, 6))
			return numbered(1, 6)
		},
		"not there at start": func(r *rig) string {
			r.options.AtEnd = true
			r.start()
			r.read()
			require.ErrorIs(r.t, r.follower.Fault(), fs.ErrNotExist)
			r.later(time.Minute)
			r.append("log", numbered(1, 2))
			return numbered(1, 2)
		},
		"not there for hours": func(r *rig) string {
			r.append("log", numbered(1, 2))
			r.read()
			require.NoError(r.t, os.Remove(r.path))
			r.later(time.Minute)
			require.True(r.t, r.follower.IsAbsent())
			require.False(r.t, r.follower.IsOpen(), "what was deleted is closed")
			r.now += 5 * time.Hour
			r.append("log", numbered(3, 4))
			return numbered(1, 4)
		},
		"the directory is made anew": func(r *rig) string {
			r.path = r.in("sub/log")
			r.start()
			require.NoError(r.t, os.Mkdir(r.in("sub"), 0o700))
			r.append("sub/log", numbered(1, 2))
			r.read()
			r.append("sub/log", numbered(3, 3))
			require.NoError(r.t, os.RemoveAll(r.in("sub")))
			r.read()
			require.NoError(r.t, os.Mkdir(r.in("sub"), 0o700))
			r.append("sub/log", numbered(4, 5))
			return numbered(1, 5)
		},
		"renamed while nobody looked": func(r *rig) string {
			r.append("log", numbered(1, 3))
			r.read()
			r.append("log", numbered(4, 4))
			r.rename("log", "log.1")
			r.append("log", numbered(5, 6))
			r.restart()
			return numbered(1, 6)
		},
		"renamed thrice and compressed while nobody looked": func(r *rig) string {
			r.append("log", numbered(1, 3))
			r.read()
			r.append("log", numbered(4, 4))
			for i := range 3 {
				for n := i; n > 0; n-- {
					r.rename(fmt.Sprintf("log.%d.gz", n), fmt.Sprintf("log.%d.gz", n+1))
				}
				r.rename("log", "log.1")
				r.compress("log.1")
				r.append("log", numbered(5+i, 5+i))
			}
			r.restart()
			return numbered(1, 7)
		},
		"copied and truncated while nobody looked": func(r *rig) string {
			r.append("log", numbered(1, 3))
			r.read()
			r.append("log", numbered(4, 4))
			r.copyTruncate("log", "log.1")
			r.append("log", numbered(5, 5))
			r.restart()
			return numbered(1, 5)
		},
		"copied, truncated and compressed twice while nobody looked": func(r *rig) string {
			r.append("log", numbered(1, 3))
			r.read()
			r.append("log", numbered(4, 4))
			r.copyTruncate("log", "log.1")
			r.compress("log.1")
			r.append("log", numbered(5, 9))
			r.rename("log.1.gz", "log.2.gz")
			r.copyTruncate("log", "log.1")
			r.compress("log.1")
			r.append("log", numbered(10, 10))
			r.restart()
			return numbered(1, 10)
		},
		"killed while a renamed file is read on": func(r *rig) string {
			r.append("log", numbered(1, 3))
			r.read()
			r.rename("log", "log.1")
			r.append("log", numbered(4, 4))
			r.read()
			r.append("log.1", numbered(5, 5))
			r.restart()
			r.read()
			r.append("log.1", numbered(6, 6))
			return numbered(1, 6)
		},
		"with older files beside it": func(r *rig) string {
			r.append("log.2", "old\n")
			r.append("log.3", "older\n")
			r.compress("log.3")
			r.append("log.1", "not so old\n")
			r.append("log", numbered(1, 3))
			r.read()
			r.rename("log.2", "log.4")
			r.rename("log.1", "log.2")
			r.rename("log", "log.1")
			r.append("log", numbered(4, 4))
			r.restart()
			r.read()
			r.copyTruncate("log", "log.5")
			r.append("log", numbered(5, 5))
			return numbered(1, 5)
		},
		"\\r\\n": func(r *rig) string {
			r.append("log", "line 1\r\nline 2\r\n")
			return numbered(1, 2)
		},
		"any bytes": func(r *rig) string {
			r.append("log", "a\x00b\n\xff\xfe\n\n\xe2\x82\n")
			return "a\x00b\n\xff\xfe\n\n\xe2\x82\n"
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.start()
			want := scenario(r)
			r.read()
			r.later(20 * time.Second)
			var texts []string
			for _, one := range r.all {
				texts = append(texts, one.text)
			}
			requireOwnPlaces(t, r.all)
			require.Equal(t, lines(want), texts)
			require.True(t, r.follower.CaughtUp())
			require.Zero(t, r.follower.TakeCounts().Lost)
		})
	}
}
