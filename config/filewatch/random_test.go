package filewatch_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelnpd/otelnpd/config/filewatch"
)

// operations are what may happen to a file, its directory and its mount. Each
// leaves no content of its own but text.
var operations = map[string]func(dir, text string) error{
	"write": func(dir, text string) error {
		return errors.Join(os.MkdirAll(dir+"/etc", 0o755), os.WriteFile(dir+"/etc/file", []byte(text), 0o644))
	},
	"rename": func(dir, text string) error {
		return errors.Join(os.MkdirAll(dir+"/etc", 0o755), os.WriteFile(dir+"/new", []byte(text), 0o644), os.Rename(dir+"/new", dir+"/etc/file"))
	},
	"delete": func(dir, _ string) error { return os.RemoveAll(dir + "/etc/file") },
	"delete the directory": func(dir, _ string) error {
		return os.RemoveAll(dir + "/etc")
	},
	"move the directory": func(dir, _ string) error {
		return errors.Join(os.RemoveAll(dir+"/etc.old"), ignoreMissing(os.Rename(dir+"/etc", dir+"/etc.old")))
	},
	"move it back": func(dir, _ string) error {
		if err := os.RemoveAll(dir + "/etc"); err != nil {
			return err
		}
		return ignoreMissing(os.Rename(dir+"/etc.old", dir+"/etc"))
	},
	"link": func(dir, text string) error {
		return errors.Join(os.MkdirAll(dir+"/etc", 0o755), os.WriteFile(dir+"/target"+text, []byte(text), 0o644),
			os.Symlink("../target"+text, dir+"/new"), os.Rename(dir+"/new", dir+"/etc/file"))
	},
	"link the directory": func(dir, text string) error {
		return errors.Join(os.RemoveAll(dir+"/etc"), os.MkdirAll(dir+"/dir"+text, 0o755),
			os.WriteFile(dir+"/dir"+text+"/file", []byte(text), 0o644), os.Symlink("dir"+text, dir+"/etc"))
	},
	"touch": func(dir, _ string) error {
		return ignoreMissing(os.Chtimes(dir+"/etc/file", time.Now(), time.Now()))
	},
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

type operation struct {
	Name, Text string
	// Pause after it.
	Pause time.Duration
}

func drawOperations(t *rapid.T, pauses ...time.Duration) []operation {
	var kinds []string
	for name := range operations {
		kinds = append(kinds, name)
	}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) operation {
		return operation{
			Name: rapid.SampledFrom(kinds).Draw(t, "operation"), Text: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "text"),
			Pause: rapid.SampledFrom(pauses).Draw(t, "pause"),
		}
	}), 1, 12).Draw(t, "operations")
}

// Whatever happens to the file, what was told last is what it holds at the end,
// and what was told was never younger than the time to settle. All of it stays for
// longer than a poll: what comes and goes between two looks cannot be seen.
func TestRandomOperationsOnPoll(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		list := drawOperations(r, 300*time.Millisecond, 900*time.Millisecond, 1300*time.Millisecond, 5*time.Second)
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			loaded, changed := "", time.Now()
			w := &watched{Watcher: filewatch.NewBlind(filewatch.Options{Logger: slog.New(slog.DiscardHandler), Poll: poll}, errors.ErrUnsupported)}
			require.NoError(t, w.SetPaths([]string{dir + "/etc/file"}))
			w.Start()
			follow := func(pause time.Duration) {
				end := time.After(pause)
				for {
					select {
					case <-w.Changes():
						text, err := os.ReadFile(dir + "/etc/file")
						require.NoError(t, err)
						require.NotEqual(t, loaded, string(text), "nothing has changed")
						require.GreaterOrEqual(t, time.Since(changed), time.Second, "it has not stood")
						loaded = string(text)
					case <-end:
						return
					}
				}
			}
			for _, one := range list {
				before, _ := os.ReadFile(dir + "/etc/file")
				require.NoError(t, operations[one.Name](dir, one.Text))
				if after, _ := os.ReadFile(dir + "/etc/file"); string(after) != string(before) {
					changed = time.Now()
				}
				follow(one.Pause)
			}
			follow(time.Minute)
			if text, err := os.ReadFile(dir + "/etc/file"); err == nil {
				require.Equal(t, loaded, string(text))
			}
			require.NoError(t, w.Shutdown(context.Background()))
		})
	})
}

// The same with the kernel's word alone: no change is missed, though watches are
// set up anew while files and directories come and go.
func TestRandomOperationsWithInotify(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		list := drawOperations(r, 0, 0, time.Millisecond, 3*time.Millisecond)
		dir := t.TempDir()
		file := filepath.Join(dir, "etc/file")
		w := watch(t, 5*time.Millisecond, file)
		loaded := ""
		for _, one := range list {
			require.NoError(t, operations[one.Name](dir, one.Text))
			time.Sleep(one.Pause)
		}
		for deadline := time.After(patience); ; {
			text, err := os.ReadFile(file)
			if errors.Is(err, fs.ErrNotExist) || string(text) == loaded {
				break
			}
			select {
			case <-w.Changes():
				text, err := os.ReadFile(file)
				require.NoError(t, ignoreMissing(err))
				loaded = string(text)
			case <-deadline:
				require.Fail(t, "a change was missed", "%v", list)
			}
		}
		require.NoError(t, w.Shutdown(context.Background()))
	})
}
