package filewatch_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// configMap is the mount of a ConfigMap, written in the order in which kubelet
// writes it: a directory of the time, a link to it under another name, the rename
// of that to ..data, links of the files to ..data/FILE, and then what is stale
// goes.
type configMap struct{ dir string }

func (m configMap) write(t *testing.T, files map[string]string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(m.dir, 0o755))
	data := filepath.Join(m.dir, "..data")
	old, err := os.Readlink(data)
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
	fresh := filepath.Join(m.dir, time.Now().Format("..2006_01_02_15_04_05.000000000"))
	require.NoError(t, os.Mkdir(fresh, 0o755))
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(fresh, name), []byte(text), 0o644))
	}
	require.NoError(t, os.Symlink(filepath.Base(fresh), data+"_tmp"))
	require.NoError(t, os.Rename(data+"_tmp", data))
	for name := range files {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(m.dir, name)); !errors.Is(err, fs.ErrExist) {
			require.NoError(t, err)
		}
	}
	m.removeStale(t, files, old)
}

func (m configMap) removeStale(t *testing.T, files map[string]string, old string) {
	t.Helper()
	entries, err := os.ReadDir(m.dir)
	require.NoError(t, err)
	for _, entry := range entries {
		if _, current := files[entry.Name()]; !current && !strings.HasPrefix(entry.Name(), "..") {
			require.NoError(t, os.Remove(filepath.Join(m.dir, entry.Name())))
		}
	}
	if old != "" {
		require.NoError(t, os.RemoveAll(filepath.Join(m.dir, old)))
	}
}
