package checks

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// FileDescriptorsConfig is how many files are open, in per cent of what the kernel
// allows in all (fs.file-max). Where they are used up nobody can open a file.
type FileDescriptorsConfig struct {
	Base `yaml:",inline"`
}

func defaultFileDescriptors() FileDescriptorsConfig {
	return FileDescriptorsConfig{Base: Base{
		Enabled: true, Condition: "FileDescriptorPressure",
		Warn: Limit{Enter: 80, Leave: 75, Reason: "FileDescriptorsHigh"},
		Fail: Limit{Enter: 90, Leave: 85, For: 30 * time.Second, Reason: "FileDescriptorsExhausted"},
	}}
}

func (c *FileDescriptorsConfig) entry() entry {
	return entry{
		name: "file_descriptors", class: "file-descriptor-exhaustion", unit: percent, base: &c.Base, asks: c,
		// Nearly as many files are open as the kernel allows in all. When they are, nobody can open one.
		// Remedy: end or restart who has the most, which the message names; raise fs.file-max.
		brings: healthyType("FileDescriptorPressure", "FileDescriptorsAvailable", "there are file descriptors left"),
		measures: func(s *system) measure {
			return func(ctx context.Context) (measured, error) { return measureFiles(ctx, s) }
		},
	}
}

func measureFiles(ctx context.Context, s *system) (measured, error) {
	path := s.proc("sys/fs/file-nr")
	text, err := readFile(path)
	if err != nil {
		return measured{}, err
	}
	used, most, err := parseFiles(text)
	if err != nil {
		return measured{}, fmt.Errorf("read %s: %w", path, err)
	}
	f := shareOf("", used, most, "open files")
	if most >= math.MaxInt64 {
		f.text = decimal(float64(used)) + " open files, without a limit"
	}
	f.top = func() string { return topFiles(ctx, s) }
	return measured{figures: []figure{f}}, nil
}

var errFiles = errors.New("it is not in the form of a file-nr file")

// parseFiles reads /proc/sys/fs/file-nr: allocated, unused, and the most there can be
// (proc_sys_fs(5)). Since Linux 2.6 unused is always 0.
func parseFiles(text string) (used, most uint64, err error) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return 0, 0, errFiles
	}
	var numbers [3]uint64
	for i, field := range fields {
		if numbers[i], err = strconv.ParseUint(field, 10, 64); err != nil {
			return 0, 0, errFiles
		}
	}
	if numbers[1] > numbers[0] {
		return 0, 0, errFiles
	}
	return numbers[0] - numbers[1], numbers[2], nil
}
