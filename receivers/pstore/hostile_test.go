package pstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/receivers/pstore"
)

const panicDump = "Panic#1 Part1\n<0>[ 9000.000000] Kernel panic - not syncing: x\n"

// TestNothingThere is how most nodes are.
func TestNothingThere(t *testing.T) {
	m := newMachine(t)
	require.Empty(t, m.run())
	require.Equal(t, pipeline.ComponentOK, m.statuses.Last().State)
	require.NoError(t, os.MkdirAll(filepath.Join(m.settings.Host.Sys, m.config.Path), 0o700)) // not mounted
	m.config.Archive = ""
	require.Empty(t, m.run())
	require.Equal(t, pipeline.ComponentOK, m.statuses.Last().State)
	require.Empty(t, m.counts("otelnpd.pstore.skipped_files"))
}

// TestHostileFiles: what is no dump is left out, counted, and keeps nobody up.
func TestHostileFiles(t *testing.T) {
	m := newMachine(t)
	dir := filepath.Dir(m.write("dmesg-erst-1", panicDump, crash))
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("Panic#1 Part1\n<0>[ 1.000000] secret\n"), 0o600))
	require.NoError(t, os.Symlink(secret, filepath.Join(dir, "dmesg-erst-2")))
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "dmesg-erst-3"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "dmesg-erst-4"), 0o700))
	m.write("dmesg-erst-5", strings.Repeat("x", 1<<20+1), crash)
	m.write("dmesg-erst-6", "Oops#1 Part1\n"+strings.Repeat("a\n", 1<<15), crash)
	m.write("dmesg-erst-7", " \n\x00\n", crash)
	m.write("dmesg-erst-", panicDump, crash)
	m.write("dmesg-8", panicDump, crash)
	m.write("dmesg-erst-0x9", panicDump, crash)
	archive := m.settings.Host.Path(m.config.Archive)
	require.NoError(t, os.MkdirAll(filepath.Dir(archive), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(archive, "1/2/3"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(archive, "1/2/3/dmesg.txt"), []byte(panicDump), 0o600))
	require.NoError(t, os.Symlink(filepath.Dir(secret), filepath.Join(archive, "elsewhere")))

	records := m.run()
	require.Equal(t, []string{"Kernel panic - not syncing: x"}, bodies(records, ""))
	require.Equal(t, map[string]int64{"not_regular": 2, "too_large": 2, "empty": 1, "unknown_type": 4},
		m.counts("otelnpd.pstore.skipped_files"))
	require.Equal(t, pipeline.ComponentOK, m.statuses.Last().State)
}

// TestAFIFOInPlaceOfADirectory: opening one would wait for who never comes.
func TestAFIFOInPlaceOfADirectory(t *testing.T) {
	m := newMachine(t)
	archive := m.settings.Host.Path(m.config.Archive)
	require.NoError(t, os.MkdirAll(filepath.Dir(archive), 0o700))
	require.NoError(t, unix.Mkfifo(archive, 0o600))
	require.Empty(t, m.run())
	require.Equal(t, pipeline.ComponentDegraded, m.statuses.Last().State)
	require.Contains(t, m.statuses.Last().Reason, "not a directory")
}

// TestAFileSystemThatHangs: who waits for its answer cannot say so.
func TestAFileSystemThatHangs(t *testing.T) {
	m := newMachine(t)
	m.write("dmesg-erst-1", panicDump, crash)
	clock, boot := m.settings.Clock, m.settings.Boot
	synctest.Test(t, func(t *testing.T) {
		m.t = t
		m.settings.Clock, m.settings.Boot = clock, boot
		sink := &pipelinetest.Sink{}
		receiver := m.receiver(sink)
		answer := make(chan struct{})
		receiver.Hang(func() { <-answer })
		require.NoError(t, receiver.Start(t.Context()))
		time.Sleep(11 * time.Second)
		synctest.Wait()
		require.Equal(t, "the file system of "+filepath.Join(m.settings.Host.Sys, m.config.Path)+" does not answer", m.statuses.Last().Reason)
		close(answer)
		synctest.Wait()
		require.Equal(t, pipeline.ComponentOK, m.statuses.Last().State)
		require.Len(t, problems(sink.Records()), 1)
		shutdown(t, receiver)
	})
}

// TestTooMany: the newest are told, and stay told.
func TestTooMany(t *testing.T) {
	m := newMachine(t)
	const files = 1100
	for i := range files {
		m.write(fmt.Sprintf("dmesg-erst-%d", i), fmt.Sprintf("Panic#1 Part1\n<0>[ 9000.000000] Kernel panic - not syncing: %d\n", i),
			crash.Add(-time.Duration(i)*2*time.Minute))
	}
	records := m.run()
	require.Len(t, problems(records), 1024)
	require.Contains(t, problems(records)[1023].Message, "not syncing: 0", "the oldest of those that are read comes first")
	require.Equal(t, map[string]int64{"too_many": files - 1024}, m.counts("otelnpd.pstore.skipped_files"))
	require.Empty(t, m.run())
	require.Less(t, len(m.kept), 100<<10)
}

func TestLongLinesAreCut(t *testing.T) {
	m := newMachine(t)
	m.write("dmesg-erst-1", "Panic#1 Part1\n<4>[ 9000.000000] "+strings.Repeat("x", 9000)+"\n", crash)
	records := m.run()
	require.Len(t, records[0].Body, 8192-len("<4>[ 9000.000000] "))
	require.Equal(t, map[string]int64{"": 1}, m.counts("otelnpd.receiver.cut_lines"))
}

// TestFaults: what cannot be read is told with what to do, and tried again.
func TestFaults(t *testing.T) {
	m := newMachine(t)
	path := filepath.Join(m.settings.Host.Sys, m.config.Path)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, nil, 0o600)) // no directory
	clock, timer := m.settings.Clock, m.settings.Boot
	synctest.Test(t, func(t *testing.T) {
		m.t = t
		m.settings.Clock, m.settings.Boot = clock, timer
		sink := &pipelinetest.Sink{}
		receiver := m.receiver(sink)
		require.NoError(t, receiver.Start(t.Context()))
		synctest.Wait()
		status := m.statuses.Last()
		require.Equal(t, pipeline.ComponentDegraded, status.State)
		require.Contains(t, status.Reason, "not a directory")
		require.NoError(t, os.Remove(path))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, pipeline.ComponentOK, m.statuses.Last().State)
		require.Empty(t, problems(sink.Records()))

		// A backend's module has been loaded meanwhile.
		m.write("mce-erst-9", "x", crash)
		m.write("dmesg-erst-1", panicDump, crash)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, problems(sink.Records()), 1)
		m.write("dmesg-erst-2", strings.ReplaceAll(panicDump, "#1", "#2"), crash)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Len(t, problems(sink.Records()), 2)
		require.Equal(t, map[string]int64{"unknown_type": 1}, m.counts("otelnpd.pstore.skipped_files"), "once, though it looked thrice")
		shutdown(t, receiver)
	})
}

func TestNotPermitted(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	m := newMachine(t)
	path := m.write("dmesg-erst-1", panicDump, crash)
	require.NoError(t, os.Chmod(path, 0))
	require.Empty(t, m.run())
	status := m.statuses.Last()
	require.Equal(t, pipeline.ComponentDegraded, status.State)
	require.Contains(t, status.Remedy, "CAP_DAC_READ_SEARCH")
	require.ErrorIs(t, status.Err, os.ErrPermission)
	require.Equal(t, map[string]int64{"unreadable": 1}, m.counts("otelnpd.pstore.skipped_files"))
}

// TestRemove: only what was told is removed, only from pstore, and only once it is on
// disk that it was told.
func TestRemove(t *testing.T) {
	m := newMachine(t, "efi", "ramoops", "archived")
	m.config.Remove = true
	live := filepath.Join(m.settings.Host.Sys, m.config.Path)
	names := func(dir string) (names []string) {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		return names
	}
	all := names(live)
	require.Len(t, problems(m.run()), 3)
	require.Equal(t, all, names(live), "nothing outlives the agent")
	require.Equal(t, pipeline.ComponentDegraded, m.statuses.Last().State)
	require.Contains(t, m.statuses.Last().Remedy, "service.state_dir")

	m.settings.Keeping.IsDurable = func() bool { return true }
	full := errors.New("the disk is full")
	m.settings.Keeping.Sync = func(context.Context) error { return full }
	m.run()
	require.Equal(t, all, names(live))
	require.ErrorIs(t, m.statuses.Last().Err, full)

	m.settings.Keeping.Sync = func(context.Context) error { return nil }
	require.Empty(t, m.run(), "it was told before")
	require.Equal(t, pipeline.ComponentOK, m.statuses.Last().State)
	require.Equal(t, []string{"ftrace-ramoops-0"}, names(live))
	require.Equal(t, map[string]int64{"": 8}, m.counts("otelnpd.pstore.removed_files"))
	require.DirExists(t, filepath.Join(m.settings.Host.Path(m.config.Archive), "1764150001/002"))
}

func TestNothingIsRemovedUnasked(t *testing.T) {
	m := newMachine(t, "efi")
	m.settings.Keeping.IsDurable = func() bool { return true }
	m.settings.Keeping.Sync = func(context.Context) error { t.Error("nobody needs the disk"); return nil }
	m.run()
	entries, err := os.ReadDir(filepath.Join(m.settings.Host.Sys, m.config.Path))
	require.NoError(t, err)
	require.Len(t, entries, 5)
}

// TestSystemdPstore lets the program itself move the files between two starts.
func TestSystemdPstore(t *testing.T) {
	const program = "/lib/systemd/systemd-pstore"
	if _, err := os.Stat(program); err != nil && os.Getenv("CI") != "true" {
		t.Skipf("needs %s: %v", program, err)
	}
	m := newMachine(t, "efi", "ramoops", "erst")
	before := m.run()
	require.Len(t, problems(before), 4)
	archive := m.settings.Host.Path(m.config.Archive)
	require.NoError(t, os.MkdirAll(archive, 0o700))
	live := filepath.Join(m.settings.Host.Sys, m.config.Path)
	out, err := exec.Command(program, live, archive).CombinedOutput()
	require.NoError(t, err, "%s", out)
	left, err := os.ReadDir(live)
	require.NoError(t, err)
	require.Empty(t, left)
	require.Empty(t, m.run(), "it is known by what it holds")

	m.kept = nil
	again := m.run()
	require.Equal(t, bodies(before, ""), bodies(again, ""), "the first start after it has run")
	for i, problem := range problems(again) {
		require.Equal(t, problems(before)[i].UID, problem.UID)
		require.Equal(t, problems(before)[i].Message, problem.Message)
	}
}

func TestResumeRefuses(t *testing.T) {
	m := newMachine(t)
	for _, text := range []string{`{`, `{"dumps":[{"id":"x"}]}`, `{"dumps":[{"id":"00"}]}`, `{"boots":[{"id":""}]}`, `{"boots":[{"id":"a","seen_ns":-1}]}`} {
		receiver := m.receiver(&pipelinetest.Sink{})
		require.ErrorContains(t, receiver.Resume([]byte(text)), "read which dumps were told")
		require.NotContains(t, string(kept(t, receiver)), "dumps")
	}
}

func TestConfig(t *testing.T) {
	require.NoError(t, pstore.DefaultConfig().Validate())
	err := (&pstore.Config{Path: "pstore", Archive: "archive"}).Validate()
	for _, want := range []string{
		`path: "pstore" is no absolute path: write for example /fs/pstore`,
		`archive: "archive" is no absolute path: write for example /var/lib/systemd/pstore`,
		`max_age: 0s is too short: write at least 1m0s`,
	} {
		require.ErrorContains(t, err, want)
	}
}
