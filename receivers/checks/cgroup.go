package checks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

// validateCgroups checks paths in the hierarchy of cgroups.
func validateCgroups(key string, paths []string) error {
	var errs []error
	for i, path := range paths {
		if !filepath.IsLocal(path) || strings.ContainsRune(path, 0) {
			errs = append(errs, pipeline.At(fmt.Sprintf("%s[%d]", key, i),
				fmt.Errorf("%q is no path in the hierarchy of cgroups: write for example kubepods.slice", path)))
		}
	}
	return errors.Join(errs...)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// pidsRoot returns the directory of the host's root cgroup in the hierarchy that
// counts tasks: that of version 2 where it is mounted at fs/cgroup, else the pids
// controller's own of version 1 (Documentation/admin-guide/cgroup-v2.rst and
// cgroup-v1/pids.rst in the kernel's sources). Empty: the host has no such cgroups.
func (s *system) pidsRoot() (string, error) {
	root, notRoot := s.sys("fs/cgroup"), "cgroup.type"
	if !exists(filepath.Join(root, "cgroup.controllers")) {
		root, notRoot = filepath.Join(root, "pids"), "pids.max"
	}
	const remedy = "mount the host's /sys/fs/cgroup and set service.host.sys, or leave cgroups empty"
	switch {
	// Only cgroups below the root have these files: a container that has a cgroup
	// namespace, or only its own cgroup mounted, would take its own for the root.
	case exists(filepath.Join(root, notRoot)):
		return "", hostview.NewBlind(root+" shows a container's cgroup, not those of the host", remedy)
	case exists(root):
		return root, nil
	case s.countsTasks():
		return "", hostview.NewBlind("the host's cgroups are not seen below "+s.sys("fs/cgroup"), remedy)
	}
	return "", nil
}

// countsTasks tells whether the kernel has cgroups that count tasks besides the root,
// by /proc/cgroups; a kernel that leaves controllers of version 2 out there has them
// if version 2 is used at all (cgroups(7)).
func (s *system) countsTasks() bool {
	text, err := readFile(s.proc("cgroups"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line) // name, hierarchy, cgroups, enabled
		if len(fields) == 4 && fields[0] == "pids" {
			return fields[2] != "0" && fields[2] != "1"
		}
	}
	own, err := readFile(s.proc("self/cgroup"))
	return err == nil && strings.Contains("\n"+own, "\n0::")
}

// pidCgroups holds the tasks in cgroups against their pids.max.
func (s *system) pidCgroups(paths []string) (figures []figure) {
	if len(paths) == 0 {
		return nil
	}
	root, err := s.pidsRoot()
	if err != nil {
		return []figure{{instance: "cgroups", err: err}}
	}
	for _, path := range paths {
		if root == "" {
			break
		}
		f, err := pidsOf(root, path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		f.instance, f.err = "/"+path, err
		figures = append(figures, f)
	}
	return figures
}

// pidsOf measures one cgroup. Where its pids.max is "max" it has no limit.
func pidsOf(root, path string) (figure, error) {
	dir := filepath.Join(root, path)
	used, err := readNumber(filepath.Join(dir, "pids.current"))
	if err != nil {
		return figure{}, err
	}
	text, err := readFile(filepath.Join(dir, "pids.max"))
	if err != nil {
		return figure{}, err
	}
	text = strings.TrimSpace(text)
	if text == "max" {
		return figure{text: decimal(float64(used)) + " threads in the cgroup /" + path + ", which has no limit"}, nil
	}
	most, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return figure{}, fmt.Errorf("read %s/pids.max: %.40q is no number", dir, text)
	}
	f := shareOf("", used, most, "threads")
	f.text += " that pids.max of the cgroup /" + path + " allows"
	f.top = func() string { return topText(fullest(dir, 2)) }
	return f, nil
}

// maxChildren is how many cgroups below one are looked at.
const maxChildren = 4096

// fullest ranks cgroups below a directory by their tasks: those so many levels down,
// where there are such, for the pods' are in those of their classes.
func fullest(dir string, levels int) (list []ranked) {
	entries, err := os.ReadDir(dir)
	if err != nil || levels == 0 {
		return nil
	}
	for _, entry := range entries {
		if !entry.IsDir() || len(list) >= maxChildren {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		if below := fullest(path, levels-1); len(below) > 0 {
			list = append(list, below...)
		} else if n, err := readNumber(filepath.Join(path, "pids.current")); err == nil {
			list = append(list, ranked{harmless(entry.Name(), 96), n})
		}
	}
	return list
}
