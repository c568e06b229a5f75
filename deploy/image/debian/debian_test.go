package debian

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
)

const (
	sumA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	sumB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func TestParseLock(t *testing.T) {
	lock, err := ParseLock("# comment\ntime 2026-01-02T03:04:05Z\n\namd64 " + sumA + " debian/pool/main/d/dash/dash_0.5_amd64.deb\n" +
		"arm64 " + sumB + " debian-security/pool/updates/main/d/dash/dash_0.5_arm64.deb\n")
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), lock.Time)
	packages, err := lock.For("arm64", "dash")
	require.NoError(t, err)
	require.Len(t, packages, 1)
	require.Equal(t, "dash", packages[0].Name())
	require.Equal(t, "http://deb.debian.org/debian-security/pool/updates/main/d/dash/dash_0.5_arm64.deb", packages[0].URL(DefaultMirror))
	require.Equal(t, "http://past/debian-security/2026/pool/updates/main/d/dash/dash_0.5_arm64.deb", packages[0].URL("http://past/{archive}/2026"))
	_, err = lock.For("arm64", "dash", "bash")
	require.ErrorContains(t, err, "has not all of the packages [dash bash] for arm64")
	_, err = lock.For("riscv64")
	require.Error(t, err)
}

func TestParseLockSaysWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"empty":          {"", "no time or no packages"},
		"no packages":    {"time 2026-01-02T03:04:05Z\n", "no time or no packages"},
		"a wrong time":   {"time now\n", "debian.lock:1: parsing time"},
		"a short sum":    {"# x\namd64 abc debian/pool/x_1_amd64.deb\n", "debian.lock:2: \"amd64 abc debian/pool/x_1_amd64.deb\" is neither"},
		"another ending": {"amd64 " + sumA + " debian/pool/x.rpm\n", "is neither a time nor a package"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseLock(test.text)
			require.ErrorContains(t, err, test.want)
		})
	}
}

// entry is one of a tar archive.
type entry struct {
	name, content, link string
	kind                byte
	mode                int64
}

func compressed(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var text bytes.Buffer
	w, err := xz.NewWriter(&text)
	require.NoError(t, err)
	archive := tar.NewWriter(w)
	for _, e := range entries {
		require.NoError(t, archive.WriteHeader(&tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: e.mode, Size: int64(len(e.content))}))
		_, err := archive.Write([]byte(e.content))
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	require.NoError(t, w.Close())
	return text.Bytes()
}

// pack makes a .deb.
func pack(t testing.TB, control string, entries ...entry) []byte {
	t.Helper()
	var deb bytes.Buffer
	deb.WriteString("!<arch>\n")
	member := func(name string, content []byte) {
		fmt.Fprintf(&deb, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", name, 0, 0, 0, 0o100644, len(content))
		deb.Write(content)
		if len(content)%2 == 1 {
			deb.WriteByte('\n')
		}
	}
	member("debian-binary", []byte("2.0\n"))
	member("control.tar.xz", compressed(t, entry{name: "./control", content: control, kind: tar.TypeReg, mode: 0o644}))
	member("data.tar.xz", compressed(t, entries...))
	return deb.Bytes()
}

// unpack makes a root of one package that is in the cache.
func unpack(t *testing.T, deb []byte) (*Root, error) {
	t.Helper()
	p := Package{Arch: "amd64", SHA256: sum(deb), Path: "debian/pool/main/x/x/x_1_amd64.deb"}
	cache := &Cache{Dir: t.TempDir(), Mirror: "file:/nowhere/{archive}"}
	require.NoError(t, os.WriteFile(filepath.Join(cache.Dir, p.SHA256+".deb"), deb, 0o600))
	return Unpack(t.Context(), cache, []Package{p})
}

func TestUnpack(t *testing.T) {
	root, err := unpack(t, pack(t, "Package: x\nVersion: 1:2-3\nArchitecture: all\nDescription: y\n",
		entry{name: "./bin/", kind: tar.TypeDir, mode: 0o755},
		entry{name: "./bin/su", kind: tar.TypeReg, mode: 0o4755, content: "program"},
		entry{name: "./bin/other", kind: tar.TypeLink, link: "./bin/su"},
		entry{name: "./usr/share/man/man1/su.1", kind: tar.TypeReg, mode: 0o644},
		entry{name: "./usr/share/doc/x/copyright", kind: tar.TypeReg, mode: 0o644, content: "free"},
		entry{name: "./usr/share/doc/x/changelog", kind: tar.TypeReg, mode: 0o644},
		entry{name: "../../etc/above", kind: tar.TypeReg, mode: 0o644, content: "stays below the root"},
	))
	require.NoError(t, err)
	var paths []string
	for _, f := range root.Files() {
		if f.Type != tar.TypeDir {
			paths = append(paths, f.Path)
		}
	}
	require.Equal(t, []string{"etc/above", "usr/bin/other", "usr/bin/su", "usr/share/doc/x/copyright", "var/lib/dpkg/status.d/x"}, paths)
	program, _ := root.Get("/usr/bin/su")
	require.Equal(t, int64(0o755), program.Mode)
	other, _ := root.Get("/usr/bin/other")
	require.Equal(t, "program", string(other.Content))
	require.Equal(t, "1:2-3", root.Installed[0].Version)
	require.Equal(t, "all", root.Installed[0].Architecture)
	_, err = root.Authorities()
	require.ErrorContains(t, err, "no certificates")
	require.ErrorContains(t, root.Complete(), "is not there")
}

func TestUnpackSaysWhatIsWrong(t *testing.T) {
	good := pack(t, "Package: x\n", entry{name: "a", kind: tar.TypeReg, content: "b"})
	for name, test := range map[string]struct {
		deb  []byte
		want string
	}{
		"no ar archive":      {[]byte("text"), "it is no ar archive"},
		"cut off":            {good[:len(good)-40], "bytes are left"},
		"another form":       {bytes.Replace(good, []byte("data.tar.xz  "), []byte("data.tar.bz2 "), 1), "data.tar.xz: it is missing"},
		"damaged":            {append(append([]byte{}, good[:len(good)-60]...), make([]byte, 60)...), "data.tar.xz"},
		"a device":           {pack(t, "", entry{name: "dev/x", kind: tar.TypeChar}), "no image has"},
		"a link to nothing":  {pack(t, "", entry{name: "x", kind: tar.TypeLink, link: "y"}), "a hard link to y"},
		"a file as a folder": {pack(t, "", entry{name: "x", kind: tar.TypeReg}, entry{name: "x/y", kind: tar.TypeReg}), "it is no directory"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := unpack(t, test.deb)
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, "unpack x_1_amd64.deb")
		})
	}
}

// A package comes from the mirror once, and only with the pinned content.
func TestCache(t *testing.T) {
	if _, err := os.Stat(downloader); err != nil && os.Getenv("CI") != "true" {
		t.Skip("no apt here")
	}
	mirror, deb := t.TempDir(), []byte("content")
	require.NoError(t, os.MkdirAll(filepath.Join(mirror, "debian/pool"), 0o755))
	file := filepath.Join(mirror, "debian/pool/x_1_amd64.deb")
	require.NoError(t, os.WriteFile(file, deb, 0o644))
	cache := &Cache{Dir: filepath.Join(t.TempDir(), "cache"), Mirror: "copy:" + mirror + "/{archive}"}
	p := Package{Arch: "amd64", SHA256: sum(deb), Path: "debian/pool/x_1_amd64.deb"}
	for range 2 {
		content, err := cache.Get(t.Context(), p)
		require.NoError(t, err)
		require.Equal(t, deb, content)
		_ = os.Remove(file)
	}
	require.NoError(t, os.WriteFile(filepath.Join(cache.Dir, p.SHA256+".deb"), []byte("damaged"), 0o600))
	_, err := cache.Get(t.Context(), p)
	require.ErrorContains(t, err, "name one that has (OTELNPD_DEBIAN_MIRROR)")
	require.NoError(t, os.WriteFile(file, []byte("another"), 0o644))
	_, err = cache.Get(t.Context(), p)
	require.Error(t, err)
}
