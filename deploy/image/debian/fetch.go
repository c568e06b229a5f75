package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// DefaultMirror is Debian's own. What it has no longer, a mirror of the past has:
// http://snapshot.debian.org/archive/{archive}/20260101T000000Z.
const DefaultMirror = "http://deb.debian.org/{archive}"

// downloader is apt's, which knows the machine's proxies and mirrors.
const downloader = "/usr/lib/apt/apt-helper"

// Cache keeps .deb files by their checksums. It is safe for concurrent use, by several
// processes too.
type Cache struct {
	// Dir is the folder, which is made.
	Dir string
	// Mirror is where to get what is missing; see [Package.URL].
	Mirror string
}

// Get returns a package, from the cache or the mirror, once its checksum is right.
func (c *Cache) Get(ctx context.Context, p Package) ([]byte, error) {
	path := filepath.Join(c.Dir, p.SHA256+".deb")
	if content, err := os.ReadFile(path); err == nil && sum(content) == p.SHA256 {
		return content, nil
	}
	content, err := c.download(ctx, p, path)
	if err != nil {
		return nil, fmt.Errorf("get the Debian package %s: %w", p.Name(), err)
	}
	return content, nil
}

func (c *Cache) download(ctx context.Context, p Package, path string) ([]byte, error) {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, err
	}
	temporary, err := os.MkdirTemp(c.Dir, ".get-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temporary)
	file := filepath.Join(temporary, "package.deb")
	cmd := exec.CommandContext(ctx, downloader, "-o", "APT::Sandbox::User=", "download-file", p.URL(c.Mirror), file, "SHA256:"+p.SHA256)
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%sIf the mirror has this version no longer, name one that has (OTELNPD_DEBIAN_MIRROR), or pin newer ones: ./lock. Without apt: use the Dockerfile", err, output)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if got := sum(content); got != p.SHA256 {
		return nil, fmt.Errorf("its SHA-256 is %s and not the pinned %s", got, p.SHA256)
	}
	return content, errors.Join(os.Rename(file, path))
}

func sum(content []byte) string {
	hash := sha256.Sum256(content)
	return hex.EncodeToString(hash[:])
}
