package checks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// FilesystemErrorsConfig is how many errors file systems have noted of themselves:
// ext4 since it was last checked (e2fsck(8)), btrfs of each of its devices since its
// counters were last reset (btrfs device stats -z). They note them on the disk: a
// reboot heals nothing. XFS has no such counter. Each file system is an instance,
// named by its device.
type FilesystemErrorsConfig struct {
	Base `yaml:",inline"`
}

func defaultFilesystemErrors() FilesystemErrorsConfig {
	return FilesystemErrorsConfig{Base: Base{
		Enabled: true, Condition: "FilesystemErrors",
		Warn: Limit{Enter: 1, Reason: "FilesystemHasErrors"},
		Fail: Limit{Reason: "FilesystemHasErrors"},
	}}
}

func (c *FilesystemErrorsConfig) entry() entry {
	return entry{
		name: "filesystem_errors", class: "fs-error", unit: count, base: &c.Base, asks: c, instances: true,
		// A file system (ext4, btrfs) has noted errors on disk.
		// Remedy: check it while it is unmounted (`e2fsck`, `btrfs scrub`); see whether its disk works. ext4 keeps
		// the count until then.
		brings: healthyType("FilesystemErrors", "FilesystemsHaveNoErrors", "no file system has noted an error"),
		measures: func(s *system) measure {
			return func(context.Context) (measured, error) { return s.measureFilesystemErrors() }
		},
	}
}

func (s *system) measureFilesystemErrors() (measured, error) {
	ext4, err := s.directories("fs/ext4")
	if err != nil {
		return measured{}, err
	}
	btrfs, err := s.directories("fs/btrfs")
	if err != nil {
		return measured{}, err
	}
	m := measured{complete: true}
	for _, name := range ext4 {
		if f, ok := s.ext4Errors(name); ok {
			m.figures = append(m.figures, f)
		}
	}
	for _, id := range btrfs {
		m.figures = append(m.figures, s.btrfsErrors(id)...)
	}
	return m, nil
}

// ext4Errors reads what sysfs says of an ext4 file system; not ok: the directory is
// none of a file system, or it is gone.
func (s *system) ext4Errors(name string) (f figure, ok bool) {
	dir := s.sys("fs/ext4/" + name)
	errs, err := readNumber(filepath.Join(dir, "errors_count"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return figure{}, false
	case err != nil:
		return figure{instance: name, err: err}, true
	}
	f = figure{instance: name, value: float64(errs), text: fmt.Sprintf("the ext4 file system on %s has noted %s errors since it was last checked", name, decimal(float64(errs)))}
	if errs > 0 {
		f.text += timesOf(dir)
	}
	return f, true
}

// timesOf tells when the first and the last error were.
func timesOf(dir string) (text string) {
	for _, one := range []string{"first", "last"} {
		at, err := readNumber(filepath.Join(dir, one+"_error_time"))
		if err == nil && at > 0 && at < 1<<40 {
			text += ", the " + one + " at " + time.Unix(int64(at), 0).UTC().Format(time.RFC3339)
		}
	}
	return text
}

// btrfsErrors reads the counters of each device of a btrfs file system.
func (s *system) btrfsErrors(id string) (figures []figure) {
	devices, err := s.directories("fs/btrfs/" + id + "/devinfo")
	if err != nil {
		return []figure{{instance: id, err: err}}
	}
	for _, device := range devices {
		text, err := readFile(s.sys("fs/btrfs/" + id + "/devinfo/" + device + "/error_stats"))
		if errors.Is(err, fs.ErrNotExist) || strings.TrimSpace(text) == "invalid" {
			continue // before Linux 5.14, or a device that has not been read yet
		}
		instance := id + "/" + device
		var all uint64
		if err == nil {
			all, err = parseErrorStats(text)
		}
		if err != nil {
			figures = append(figures, figure{instance: instance, err: fmt.Errorf("read the errors of btrfs %s: %w", instance, err)})
			continue
		}
		figures = append(figures, figure{instance: instance, value: float64(all), text: fmt.Sprintf(
			"device %s of the btrfs file system %s has noted %s errors since its counters were reset (%s)",
			device, id, decimal(float64(all)), strings.Join(strings.Fields(text), " "))})
	}
	return figures
}

var errErrorStats = errors.New("it is not in the form of an error_stats file")

// parseErrorStats sums the counters in an error_stats file: write_errs, read_errs,
// flush_errs, corruption_errs and generation_errs, each on a line with its number
// (btrfs_devinfo_error_stats_show in the kernel's fs/btrfs/sysfs.c).
func parseErrorStats(text string) (all uint64, err error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			return 0, errErrorStats
		}
		n, err := strconv.ParseUint(fields[1], 10, 32)
		if err != nil {
			return 0, errErrorStats
		}
		all += n
	}
	if text == "" {
		return 0, errErrorStats
	}
	return all, nil
}
