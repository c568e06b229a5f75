package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/otelnpd/otelnpd/deploy/image/debian"
	"github.com/otelnpd/otelnpd/deploy/image/sbom"
	"github.com/otelnpd/otelnpd/deploy/image/tree"
)

// builder makes images of one version of the agent.
type builder struct {
	// root is the folder of the agent's sources.
	root              string
	version, revision string
	// created is the time of the agent's layer and of the image.
	created time.Time
	// agent is the path of the built agent of an architecture.
	agent func(arch string) string
	lock  *debian.Lock
	cache *debian.Cache
}

// architectures in the order of the index.
func architectures() []string { return []string{"amd64", "arm64"} }

// useCache reads the lock and says where packages are kept.
func (b *builder) useCache(dir string) error {
	text, err := os.ReadFile(filepath.Join(b.root, "deploy/image/debian.lock"))
	if err != nil {
		return err
	}
	if b.lock, err = debian.ParseLock(string(text)); err != nil {
		return err
	}
	if dir == "" {
		if dir = os.Getenv("OTELNPD_CACHE"); dir == "" {
			user, err := os.UserCacheDir()
			if err != nil {
				return fmt.Errorf("find the cache folder: set OTELNPD_CACHE: %w", err)
			}
			dir = filepath.Join(user, "otelnpd")
		}
		dir = filepath.Join(dir, "debian")
	}
	b.cache = &debian.Cache{Dir: dir, Mirror: debian.DefaultMirror}
	if mirror := os.Getenv("OTELNPD_DEBIAN_MIRROR"); mirror != "" {
		b.cache.Mirror = mirror
	}
	return nil
}

// image makes the image of all architectures.
func (b *builder) image(ctx context.Context, k kind) (*made, error) {
	m := &made{name: k.name, version: b.version, sboms: map[string][]byte{}, images: map[string]v1.Image{}}
	m.index = mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range architectures() {
		image, list, err := b.imageOf(ctx, k, arch)
		if err != nil {
			return nil, fmt.Errorf("for %s: %w", arch, err)
		}
		m.sboms[arch], m.images[arch] = list, image
		m.index = mutate.AppendManifests(m.index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	var ok bool
	if m.index, ok = mutate.Annotations(m.index, b.labels(k)).(v1.ImageIndex); !ok {
		return nil, errors.New("annotate the index")
	}
	return m, nil
}

func (b *builder) imageOf(ctx context.Context, k kind, arch string) (v1.Image, []byte, error) {
	packages, err := b.lock.For(arch, k.packages...)
	if err != nil {
		return nil, nil, err
	}
	root, err := debian.Unpack(ctx, b.cache, packages)
	if err != nil {
		return nil, nil, err
	}
	base, err := k.base(root)
	if err != nil {
		return nil, nil, err
	}
	list, err := sbom.Write(sbom.Subject{
		Name: k.name, Version: b.version, Arch: arch, Binary: b.agent(arch), Packages: root.Installed, Created: b.created,
	})
	if err != nil {
		return nil, nil, err
	}
	own, err := b.ownFiles(k, arch, list)
	if err != nil {
		return nil, nil, err
	}
	image, err := b.assemble(k, arch, stage{base, b.lock.Time, "files of Debian 12"}, stage{own, b.created, "otelnpd " + b.version})
	return image, list, err
}

func (b *builder) ownFiles(k kind, arch string, list []byte) (*tree.Tree, error) {
	own := tree.New()
	agent, err := os.ReadFile(b.agent(arch))
	if err != nil {
		return nil, err
	}
	license, err := os.ReadFile(filepath.Join(b.root, "LICENSE"))
	if err != nil {
		return nil, err
	}
	return own, errors.Join(
		k.own(b, own, agent),
		own.Write("usr/share/doc/otelnpd/copyright", 0o644, license),
		own.Write("usr/share/doc/otelnpd/sbom.spdx.json", 0o644, list),
		own.Dir("var/lib/otelnpd", 0o755), own.Dir("run/otelnpd", 0o755),
	)
}

// stage is a layer that is to be.
type stage struct {
	tree *tree.Tree
	time time.Time
	what string
}

func (b *builder) assemble(k kind, arch string, stages ...stage) (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", arch, v1.Time{Time: b.created}
	config.Config = v1.Config{
		Entrypoint: k.entrypoint, Cmd: k.command, WorkingDir: "/", Labels: b.labels(k),
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return nil, err
	}
	for _, s := range stages {
		layer, err := s.layer()
		if err != nil {
			return nil, err
		}
		image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: s.time}, CreatedBy: s.what}})
		if err != nil {
			return nil, err
		}
	}
	return image, nil
}

// layer compresses the files once.
func (s stage) layer() (v1.Layer, error) {
	var compressed bytes.Buffer
	zip := gzip.NewWriter(&compressed)
	if err := errors.Join(s.tree.WriteTar(zip, s.time), zip.Close()); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(compressed.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
}

// labels are those of the OCI image specification.
func (b *builder) labels(k kind) map[string]string {
	const prefix = "org.opencontainers.image."
	return map[string]string{
		prefix + "title": k.title, prefix + "description": k.description, prefix + "version": b.version, prefix + "revision": b.revision,
		prefix + "created": b.created.Format(time.RFC3339), prefix + "licenses": "Apache-2.0",
		prefix + "source": "https://github.com/otelnpd/otelnpd", prefix + "documentation": "https://github.com/otelnpd/otelnpd/tree/main/docs",
	}
}
