package main

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// made is an image of all architectures.
type made struct {
	name, version string
	index         v1.ImageIndex
	// sboms are the SBOMs by architecture.
	sboms map[string][]byte
	// images are those of the index by architecture.
	images map[string]v1.Image
}

// archive is the path of the image's archive in a folder.
func (m *made) archive(folder string) string { return filepath.Join(folder, m.name+".oci.tar") }

// write writes the archive, the SBOMs and, where they are asked for, the files, and
// returns the image's digest.
func (m *made) write(to folders) (digest string, err error) {
	if err := os.MkdirAll(to.out, 0o755); err != nil {
		return "", err
	}
	for arch, list := range m.sboms {
		if err := os.WriteFile(filepath.Join(to.out, m.name+"-linux-"+arch+".spdx.json"), list, 0o644); err != nil {
			return "", err
		}
	}
	if to.roots != "" {
		if err := m.writeRoots(to.roots); err != nil {
			return "", err
		}
	}
	hash, err := m.index.Digest()
	if err != nil {
		return "", err
	}
	return hash.String(), m.writeLayout(to.out)
}

// writeRoots writes the files of each architecture as a tar archive.
func (m *made) writeRoots(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for arch, image := range m.images {
		file, err := os.Create(filepath.Join(folder, m.name+"-linux-"+arch+".tar"))
		if err != nil {
			return err
		}
		files := mutate.Extract(image)
		_, err = io.Copy(file, files)
		if err := errors.Join(err, files.Close(), file.Close()); err != nil {
			return err
		}
	}
	return nil
}

// writeLayout writes the archive into a folder.
func (m *made) writeLayout(folder string) error {
	dir, err := os.MkdirTemp(folder, ".layout-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	// The names by which containerd, and other tools, call what they import.
	err = path.AppendIndex(m.index, layout.WithAnnotations(map[string]string{
		"io.containerd.image.name":          "docker.io/otelnpd/" + m.name + ":" + m.version,
		"org.opencontainers.image.ref.name": m.version,
	}))
	if err != nil {
		return err
	}
	return writeArchive(dir, m.archive(folder))
}

// writeArchive makes an archive of a folder, whole or not at all. Its files have
// neither time nor owner.
func writeArchive(dir, path string) error {
	file, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	archive := tar.NewWriter(file)
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return addFile(archive, dir, name)
	})
	if err := errors.Join(err, archive.Close(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return os.Rename(file.Name(), path)
}

func addFile(archive *tar.Writer, dir, name string) error {
	file, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	err = archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: info.Size(), ModTime: time.Unix(0, 0)})
	if err != nil {
		return err
	}
	_, err = io.Copy(archive, file)
	return err
}
