package debian

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/otelnpd/otelnpd/deploy/image/tree"
)

// Root is what packages come to.
type Root struct {
	*tree.Tree
	// Installed are the packages with what their control files say.
	Installed []Installed
}

// Installed is a package that is part of a root.
type Installed struct {
	Package

	Version string
	// Architecture is the package's own, or all.
	Architecture string
}

// certificates is where Debian keeps the authorities of Mozilla's list, one a file.
const certificates = "usr/share/ca-certificates/mozilla/"

// merged are the folders of the root that are links into /usr, which packages of
// Debian 12 still write into.
var merged = map[string]string{"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"} //nolint:gochecknoglobals // a constant table

// leftOut is what no program of an image reads: manuals, translations, what services
// and package managers want. Copyright files stay.
var leftOut = []string{ //nolint:gochecknoglobals // a constant table
	"usr/share/man/", "usr/share/info/", "usr/share/locale/", "usr/share/lintian/", "usr/share/bash-completion/", "usr/share/bug/",
	"usr/share/doc-base/", "usr/share/menu/", "usr/share/pixmaps/", "usr/share/applications/", "usr/share/debianutils/",
	"usr/share/zoneinfo/right/", "usr/share/zoneinfo/posix/", "usr/lib/systemd/", "usr/lib/udev/",
	"etc/cron", "etc/init.d/", "etc/default/", "etc/update-motd.d/", "etc/pam.d/",
	"var/run/", "var/lock/", // links of Complete: Debian's package makes them when it is configured
}

// leftOutParts are parts of paths likewise: character sets that UTF-8 has replaced.
var leftOutParts = []string{"/gconv/", "/audit/sotruss"} //nolint:gochecknoglobals // a constant table

// Unpack makes a root of packages.
func Unpack(ctx context.Context, cache *Cache, packages []Package) (*Root, error) {
	root := &Root{Tree: tree.New()}
	for _, p := range packages {
		content, err := cache.Get(ctx, p)
		if err != nil {
			return nil, err
		}
		if err := root.install(p, content); err != nil {
			return nil, fmt.Errorf("unpack %s: %w", path.Base(p.Path), err)
		}
	}
	return root, nil
}

func (r *Root) install(p Package, content []byte) error {
	d, err := readDeb(content)
	if err != nil {
		return err
	}
	for _, f := range d.files {
		if f = merge(f); f.Path == "" || !wanted(f.Path) {
			continue
		}
		if err := r.Add(f); err != nil {
			return err
		}
	}
	control := d.control["control"]
	r.Installed = append(r.Installed, Installed{Package: p, Version: field(control, "Version"), Architecture: field(control, "Architecture")})
	// Where scanners look for the packages of an image that has no dpkg.
	return r.Write("var/lib/dpkg/status.d/"+p.Name(), 0o644, []byte(control))
}

// merge moves a file of the root's old folders to /usr.
func merge(f tree.File) tree.File {
	first, rest, below := strings.Cut(f.Path, "/")
	if target, ok := merged[first]; ok {
		f.Path = strings.TrimSuffix(target+"/"+rest, "/")
		if !below {
			f.Path = target
		}
	}
	return f
}

func wanted(name string) bool {
	if strings.HasPrefix(name, "usr/share/doc/") {
		return path.Base(name) == "copyright"
	}
	for _, prefix := range leftOut {
		if strings.HasPrefix(name+"/", prefix) {
			return false
		}
	}
	for _, part := range leftOutParts {
		if strings.Contains(name+"/", part) {
			return false
		}
	}
	return true
}

func field(control, name string) string {
	for line := range strings.Lines(control) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Authorities returns the certificates of all authorities as one PEM file, as
// update-ca-certificates makes it.
func (r *Root) Authorities() ([]byte, error) {
	var bundle bytes.Buffer
	for _, f := range r.Files() {
		if strings.HasPrefix(f.Path, certificates) && strings.HasSuffix(f.Path, ".crt") {
			bundle.Write(bytes.TrimSpace(f.Content))
			bundle.WriteByte('\n')
		}
	}
	if bundle.Len() == 0 {
		return nil, fmt.Errorf("no certificates in %s: has the package ca-certificates changed?", certificates)
	}
	return bundle.Bytes(), nil
}

// Complete makes links and files that the scripts of the packages would make.
func (r *Root) Complete() error {
	for link, target := range merged {
		if link == "lib64" && !r.has(target) {
			continue // arm64 has none
		}
		if err := r.Symlink(link, target); err != nil {
			return err
		}
	}
	for link, target := range map[string]string{"var/run": "/run", "var/lock": "/run/lock"} {
		if err := errors.Join(r.Dir(target, 0o755), r.Symlink(link, target)); err != nil {
			return err
		}
	}
	for link, target := range map[string]string{
		"usr/bin/sh": "dash", "usr/bin/awk": "mawk", "usr/bin/which": "which.debianutils",
		"usr/sbin/iptables": "xtables-nft-multi", "usr/sbin/ip6tables": "xtables-nft-multi",
		"usr/sbin/iptables-save": "xtables-nft-multi", "usr/sbin/ip6tables-save": "xtables-nft-multi",
	} {
		if !r.has(path.Join(path.Dir(link), target)) {
			return fmt.Errorf("link %s: %s is not there", link, target)
		}
		if err := r.Symlink(link, target); err != nil {
			return err
		}
	}
	return nil
}

func (r *Root) has(name string) bool {
	_, ok := r.Get(name)
	return ok
}
