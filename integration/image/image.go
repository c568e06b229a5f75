// Package image makes the agent's images as `make images` does, and the root file
// systems that they hold.
package image

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
)

// The images.
const (
	Agent  = "otelnpd"
	Compat = "otelnpd-compat"
)

// build makes the images once a test run and returns their folder. Where the environment
// has OTELNPD_IMAGES, those in that folder are used instead.
var build = sync.OnceValues(func() (string, error) { //nolint:gochecknoglobals // a build a run
	if folder := os.Getenv("OTELNPD_IMAGES"); folder != "" {
		return filepath.Abs(folder)
	}
	root, err := agent.Root()
	if err != nil {
		return "", err
	}
	if output, err := exec.Command("make", "--silent", "--directory", root, "images").CombinedOutput(); err != nil {
		return "", fmt.Errorf("make images: %w\n%s", err, output)
	}
	return filepath.Join(root, "dist", "images"), nil
})

// Archive returns the path of an image as an OCI archive.
func Archive(t testing.TB, name string) string {
	t.Helper()
	folder, err := build()
	require.NoError(t, err)
	return filepath.Join(folder, name+".oci.tar")
}

// Layout is an unpacked OCI archive.
type Layout struct {
	// Dir has the layout.
	Dir string
	// Name is what the image is called when it is imported.
	Name string
}

// Unpack unpacks an image's archive.
func Unpack(t testing.TB, name string) Layout {
	t.Helper()
	l := Layout{Dir: t.TempDir()}
	output, err := exec.CommandContext(t.Context(), "tar", "--extract", "--file", Archive(t, name), "--directory", l.Dir).CombinedOutput()
	require.NoError(t, err, "%s", output)
	l.Name = l.index(t, filepath.Join(l.Dir, "index.json")).Manifests[0].Annotations["io.containerd.image.name"]
	require.NotEmpty(t, l.Name)
	return l
}

// Descriptor says where a blob of a layout is.
type Descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    *struct {
		Architecture string `json:"architecture"`
	} `json:"platform,omitempty"`
}

type index struct{ Manifests []Descriptor }

// Manifest is that of an image of one architecture.
type Manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        Descriptor   `json:"config"`
	Layers        []Descriptor `json:"layers"`
}

func (l Layout) index(t testing.TB, path string) (i index) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &i))
	require.NotEmpty(t, i.Manifests)
	return i
}

// Blob is the path of a blob.
func (l Layout) Blob(d Descriptor) string {
	return filepath.Join(l.Dir, "blobs", "sha256", strings.TrimPrefix(d.Digest, "sha256:"))
}

// Manifest is that of this machine's architecture.
func (l Layout) Manifest(t testing.TB) (m Manifest) {
	t.Helper()
	top := l.index(t, filepath.Join(l.Dir, "index.json"))
	for _, d := range l.index(t, l.Blob(top.Manifests[0])).Manifests {
		if d.Platform.Architecture == runtime.GOARCH {
			text, err := os.ReadFile(l.Blob(d))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &m))
			return m
		}
	}
	require.FailNow(t, "the image is not made for "+runtime.GOARCH)
	return m
}

// Root unpacks the root file system of an image for this machine.
func Root(t testing.TB, name string) (folder string) {
	t.Helper()
	l := Unpack(t, name)
	folder = filepath.Join(t.TempDir(), "root")
	require.NoError(t, os.Mkdir(folder, 0o755))
	for _, layer := range l.Manifest(t).Layers {
		require.NoError(t, extract(l.Blob(layer), folder))
	}
	return folder
}

func extract(path, folder string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = extractEntry(root, archive, header)
		}
		if err != nil {
			return fmt.Errorf("unpack %s: %w", path, err)
		}
	}
}

func extractEntry(root *os.Root, archive *tar.Reader, header *tar.Header) error {
	name, mode := strings.TrimSuffix(header.Name, "/"), header.FileInfo().Mode().Perm()
	switch header.Typeflag {
	case tar.TypeDir:
		if err := root.MkdirAll(name, mode); err != nil {
			return err
		}
		return root.Chmod(name, mode)
	case tar.TypeSymlink:
		return root.Symlink(header.Linkname, name)
	}
	file, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, archive)
	return errors.Join(err, file.Close())
}
