package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// recordedProc is a /proc whose figures a test sets.
type recordedProc struct{ dir string }

func newRecordedProc(t *testing.T) recordedProc {
	t.Helper()
	p := recordedProc{t.TempDir()}
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	require.NoError(t, err)
	p.set(t, "sys/kernel/random/boot_id", string(id))
	return p
}

// set changes a file at one moment.
func (p recordedProc) set(t *testing.T, path, text string) {
	t.Helper()
	path = filepath.Join(p.dir, path)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o644))
	require.NoError(t, os.Rename(path+".new", path))
}

const onlyFiles = `  checks:
    interval: 1s
    threads: {enabled: false}
    memory_stall: {enabled: false}
    inotify: {enabled: false}
    disk_space: {enabled: false}
    disk_inodes: {enabled: false}
    readonly_filesystem: {enabled: false}
    filesystem_errors: {enabled: false}
    disk_state: {enabled: false}
    raid_degraded: {enabled: false}
    conntrack: {enabled: false}
    neighbours: {enabled: false}
    link_down: {enabled: false}
    link_flaps: {enabled: false}
    link_errors: {enabled: false}
    clock_jump: {enabled: false}
    memory_corrected: {enabled: false}
    memory_uncorrected: {enabled: false}
    file_descriptors: {warn: {enter: 60, leave: 50}, fail: {enter: 90, leave: 80, for: 0s}}
`

// A check turns its condition by its limits, and is gone with a reload that turns it off.
func TestChecks(t *testing.T) {
	proc := newRecordedProc(t)
	proc.set(t, "sys/fs/file-nr", "10\t0\t100\n")
	a := startAgent(t, func(config string) string {
		config = strings.Replace(config, "receivers:\n", "receivers:\n"+onlyFiles, 1)
		config = strings.Replace(config, "service:\n", "service:\n  host: {proc: '"+proc.dir+"'}\n", 1)
		return strings.Replace(config, "receivers: [kmsg]", "receivers: [kmsg, checks]", 1)
	})
	a.write(t, "6,1,1000000,-;Linux version 6.12.0\n")
	listed := func() string { return otelnpd(t, "", "conditions", "list", "--socket", a.socket).stdout }
	shows := func(what string) func() bool {
		return func() bool { return strings.Contains(listed(), what) }
	}
	statuses := func() (all []string) {
		for _, one := range parseConsole(t, a.stdout.String()) {
			if one.Condition == "FileDescriptorPressure" {
				all = append(all, one.Status+" "+one.Reason)
			}
		}
		return all
	}
	warnings := func() int { return strings.Count(a.stdout.String(), `"FileDescriptorsHigh"`) }
	eventually(t, "the first verdict", func() bool {
		return strings.Contains(strings.Join(strings.Fields(listed()), " "), "FileDescriptorPressure False")
	})

	proc.set(t, "sys/fs/file-nr", "95\t0\t100\n")
	eventually(t, "the problem", shows("95 open files of 100 (95 %), limit 90 %"))
	proc.set(t, "sys/fs/file-nr", "85\t0\t100\n") // between the limits
	require.NoError(t, os.Remove(filepath.Join(proc.dir, "sys/fs/file-nr")))
	eventually(t, "the receiver to be degraded", func() bool {
		return strings.Contains(a.stderr.String(), "let service.host point to where the host's /proc and /sys are mounted")
	})
	require.Contains(t, listed(), "95 open files of 100 (95 %)", "what cannot be measured is not healthy")
	proc.set(t, "sys/fs/file-nr", "79\t0\t100\n")
	eventually(t, "the end of the problem", func() bool {
		told := statuses()
		return len(told) >= 2 && strings.HasPrefix(told[len(told)-1], "False")
	})

	proc.set(t, "sys/fs/file-nr", "99\t0\t100\n")
	eventually(t, "the problem again", shows("99 open files of 100 (99 %), limit 90 %"))
	require.Equal(t, 1, warnings(), "it has been more than 60 % all the time")
	a.edit(t, "file_descriptors: {", "file_descriptors: {enabled: false, ")
	eventually(t, "the reload", func() bool {
		return strings.Contains(a.stderr.String(), "rules removed: checks/file_descriptors, checks/file_descriptors/warn")
	})
	require.NotContains(t, listed(), "FileDescriptorPressure")
	a.edit(t, "file_descriptors: {enabled: false, ", "file_descriptors: {")
	eventually(t, "the problem once more", shows("99 open files of 100 (99 %), limit 90 %"))
	eventually(t, "its warning", func() bool { return warnings() == 2 })
	a.end(t)
	const healthy, problem = "False FileDescriptorsAvailable", "True FileDescriptorsExhausted"
	require.Equal(t, []string{healthy, problem, healthy, problem, problem}, statuses())
}
