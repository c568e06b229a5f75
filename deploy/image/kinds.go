package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/otelnpd/otelnpd/deploy/image/debian"
	"github.com/otelnpd/otelnpd/deploy/image/tree"
)

// kind is one of the images.
type kind struct {
	name, title, description string
	entrypoint, command      []string
	// packages are those of debian.lock that its base is made of; none: all.
	packages []string
	// base makes the lower layer, which changes with Debian alone, of what the
	// packages hold.
	base func(root *debian.Root) (*tree.Tree, error)
	// own puts the agent in, and what comes with it.
	own func(b *builder, t *tree.Tree, agent []byte) error
}

func kinds() []kind {
	return []kind{
		{
			name: "otelnpd", title: "otelnpd", description: "Watches a node for problems and reports them",
			entrypoint: []string{agentPath}, command: []string{"run"},
			packages: []string{"ca-certificates", "tzdata"}, base: scratchBase,
			own: func(_ *builder, t *tree.Tree, agent []byte) error { return t.Write(agentPath, 0o755, agent) },
		},
		{
			name: "otelnpd-compat", title: "otelnpd in place of node-problem-detector",
			description: "Watches a node for problems, with the command line, files and folders of node-problem-detector's image",
			entrypoint:  []string{"/node-problem-detector", "--config.system-log-monitor=/config/kernel-monitor.json,/config/readonly-monitor.json"},
			base:        compatBase, own: (*builder).compatOwn,
		},
	}
}

const (
	agentPath       = "/usr/bin/otelnpd"
	authoritiesPath = "etc/ssl/certs/ca-certificates.crt"
	users           = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
	groups          = "root:x:0:\nnogroup:x:65534:\n"
)

// scratchBase is the authorities and the time zones, with their copyright files and
// what tells scanners of them.
func scratchBase(root *debian.Root) (*tree.Tree, error) {
	t := tree.New()
	for _, f := range root.Files() {
		keep := false
		for _, pattern := range []string{"usr/share/doc/*/copyright", "var/lib/dpkg/status.d/*"} {
			matched, err := path.Match(pattern, f.Path)
			if err != nil {
				return nil, err
			}
			keep = keep || matched
		}
		if keep || isBelow(f.Path, "usr/share/zoneinfo") {
			if err := t.Add(f); err != nil {
				return nil, err
			}
		}
	}
	return t, finish(t, root)
}

func compatBase(root *debian.Root) (*tree.Tree, error) {
	if err := root.Complete(); err != nil {
		return nil, err
	}
	// A file, so that a host's can be mounted over it: a link would lead elsewhere.
	zone, ok := root.Get("usr/share/zoneinfo/Etc/UTC")
	if !ok {
		return nil, errors.New("the package tzdata has no Etc/UTC")
	}
	if err := root.Write("etc/localtime", 0o644, zone.Content); err != nil {
		return nil, err
	}
	return root.Tree, finish(root.Tree, root)
}

// finish puts in what both images have beside their packages.
func finish(t *tree.Tree, root *debian.Root) error {
	authorities, err := root.Authorities()
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{authoritiesPath: authorities, "etc/passwd": []byte(users), "etc/group": []byte(groups)} {
		if err := t.Write(name, 0o644, content); err != nil {
			return err
		}
	}
	return t.Dir("tmp", 0o1777)
}

func isBelow(name, dir string) bool {
	return name == dir || len(name) > len(dir) && name[:len(dir)+1] == dir+"/"
}

// compatOwn puts the agent in under the names that node-problem-detector's files and
// charts call, and files with the names and the meaning of those that its image has.
func (b *builder) compatOwn(t *tree.Tree, agent []byte) error {
	if err := t.Write(agentPath, 0o755, agent); err != nil {
		return err
	}
	for _, link := range []string{"node-problem-detector", "home/kubernetes/bin/log-counter", "home/kubernetes/bin/health-checker"} {
		if err := t.Symlink(link, agentPath); err != nil {
			return err
		}
	}
	if err := b.copyFiles(t, "deploy/image/config/*.json", "config", 0o644); err != nil {
		return err
	}
	if err := b.copyFiles(t, "deploy/image/config/*/*.json", "config", 0o644); err != nil {
		return err
	}
	return b.copyFiles(t, "deploy/plugins/*.sh", "config/plugin", 0o755)
}

// copyFiles puts the files of the sources that a pattern names into a folder, those of
// a folder below config into one of the same name.
func (b *builder) copyFiles(t *tree.Tree, pattern, to string, mode int64) error {
	paths, err := filepath.Glob(filepath.Join(b.root, pattern))
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return fmt.Errorf("no files %s in %s", pattern, b.root)
	}
	for _, source := range paths {
		content, err := os.ReadFile(source)
		if err != nil {
			return err
		}
		name := filepath.Base(source)
		if folder := filepath.Base(filepath.Dir(source)); filepath.Base(filepath.Dir(filepath.Dir(source))) == "config" {
			name = folder + "/" + name
		}
		if err := t.Write(path.Join(to, name), mode, content); err != nil {
			return err
		}
	}
	return nil
}
