package debian

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/ulikunitz/xz"

	"github.com/otelnpd/otelnpd/deploy/image/tree"
)

// deb is an unpacked package. The format is that of deb(5): an ar archive of two tar
// archives.
type deb struct {
	control map[string]string
	files   []tree.File
}

// maxUnpacked bounds a tar archive: a package is checked by its sum, not by its size.
const maxUnpacked = 512 << 20

func readDeb(content []byte) (*deb, error) {
	members, err := readAr(content)
	if err != nil {
		return nil, err
	}
	control, err := readTar(members["control.tar.xz"])
	if err != nil {
		return nil, fmt.Errorf("read control.tar.xz: %w", err)
	}
	files, err := readTar(members["data.tar.xz"])
	if err != nil {
		return nil, fmt.Errorf("read data.tar.xz: %w", err)
	}
	d := &deb{files: files, control: map[string]string{}}
	for _, f := range control {
		d.control[f.Path] = string(f.Content)
	}
	return d, nil
}

// readAr returns the members of an ar archive, whose headers are 60 characters in
// fixed columns, by name.
func readAr(content []byte) (map[string][]byte, error) {
	const magic, header = "!<arch>\n", 60
	rest, ok := bytes.CutPrefix(content, []byte(magic))
	if !ok {
		return nil, errors.New("it is no ar archive")
	}
	members := map[string][]byte{}
	for len(rest) >= header {
		name := strings.TrimRight(string(rest[:16]), " /")
		size, err := strconv.Atoi(strings.TrimSpace(string(rest[48:58])))
		if err != nil || size < 0 || size > len(rest)-header {
			return nil, fmt.Errorf("its member %q has the size %q, and %d bytes are left", name, rest[48:58], len(rest)-header)
		}
		members[name] = rest[header : header+size]
		rest = rest[min(len(rest), header+size+size%2):]
	}
	return members, nil
}

// readTar returns the files of a compressed tar archive.
func readTar(compressed []byte) ([]tree.File, error) {
	if len(compressed) == 0 {
		return nil, errors.New("it is missing: another compression than xz is not known here")
	}
	plain, err := xz.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, err
	}
	return ReadTar(io.LimitReader(plain, maxUnpacked))
}

// ReadTar returns the files of a tar archive, in its order. A hard link becomes a file
// of its own.
func ReadTar(plain io.Reader) ([]tree.File, error) {
	var files []tree.File
	byPath := map[string]tree.File{}
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		f, err := readEntry(archive, header, byPath)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", header.Name, err)
		}
		byPath[f.Path] = f
		files = append(files, f)
	}
}

func readEntry(archive *tar.Reader, header *tar.Header, byPath map[string]tree.File) (tree.File, error) {
	f := tree.File{Path: tree.Clean(header.Name), Type: header.Typeflag, Mode: header.Mode, Link: header.Linkname}
	switch header.Typeflag {
	case tar.TypeReg:
		content, err := io.ReadAll(archive)
		f.Content = content
		return f, err
	case tar.TypeLink:
		target, ok := byPath[tree.Clean(header.Linkname)]
		if !ok {
			return f, fmt.Errorf("it is a hard link to %s, which is not there", header.Linkname)
		}
		target.Path = f.Path
		return target, nil
	case tar.TypeDir, tar.TypeSymlink:
		return f, nil
	}
	return f, fmt.Errorf("its type is %q, which no image has", header.Typeflag)
}
