package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

// kubeletJournal has systemd write a journal in which the kubelet was started just now,
// n times, and returns its directory.
func kubeletJournal(t *testing.T, n int) string {
	t.Helper()
	directory, boot, now := t.TempDir(), journaltest.NewID(), pipeline.SystemClock{}.Now()
	entries := []journaltest.Entry{}
	for i := range n {
		before := time.Duration(n-i) * time.Millisecond
		entries = append(entries, journaltest.Entry{
			Realtime: uint64(now.Wall.Add(-before).UnixMicro()), Monotonic: uint64((now.Boot - before).Microseconds()), Boot: boot,
			Fields: []string{"_BOOT_ID=" + boot.String(), "SYSLOG_IDENTIFIER=systemd", "MESSAGE=Started Kubernetes kubelet."},
		})
	}
	journaltest.WriteRemote(t, filepath.Join(directory, "system.journal"), journaltest.Layout{Compact: true, Keyed: true}, entries)
	return directory
}

func TestLogCounterAnswersAsAPlugin(t *testing.T) {
	journal := kubeletJournal(t, 5)
	args := func(more ...string) []string {
		return arguments(append([]string{"/home/kubernetes/bin/log-counter", "--journald-source=systemd", "--log-path=" + journal,
			"--lookback=20m", "--pattern=Started (Kubernetes kubelet|kubelet.service).", "--logtostderr", "-v=2"}, more...))
	}
	require.Equal(t, result{1, "Found 5 matching logs, which meets the threshold of 5\n", ""}, otelnpd(t, "", args("--count=5")...))
	require.Equal(t, result{1, "Found 5 matching logs, which meets the threshold of 1\n", ""}, otelnpd(t, "", args()...))
	require.Equal(t, result{0, "", ""}, otelnpd(t, "", args("--count=6")...))
	require.Equal(t, result{0, "", ""}, otelnpd(t, "", args("--count=5", "--revert-pattern=Started .*")...))
	require.Equal(t, result{0, "", ""}, otelnpd(t, "", args("--delay=100000h")...))
	require.Equal(t, result{0, "", "Warning: \"stray\" is no flag and has no effect: leave it out\n"}, otelnpd(t, "", args("--count=6", "stray")...))
}

// What a plugin writes to standard output is what is shown of it.
func TestLogCounterTellsWhatIsWrongOnStandardOutput(t *testing.T) {
	got := otelnpd(t, "", "log-counter", "--journald-source=systemd", "--log-path="+t.TempDir(), "--lookback=20m", "--pattern=x")
	require.Equal(t, 2, got.code)
	require.Regexp(t, `^no journal is written there since the boot: .*--log-path=/run/log/journal\n$`, got.stdout)
	require.Empty(t, got.stderr)

	got = otelnpd(t, "", "log-counter", "--lookback=x", "--pattern=(")
	require.Equal(t, 2, got.code)
	require.Regexp(t, `^--lookback: "x" cannot be read: .*\n--pattern: "\(" is no regular expression .*\n$`, got.stdout)

	unreadable := kubeletJournal(t, 2)
	require.NoError(t, os.WriteFile(filepath.Join(unreadable, "broken.journal"), []byte(strings.Repeat("no journal ", 100)), 0o600))
	args := []string{"log-counter", "--journald-source=systemd", "--log-path=" + unreadable, "--lookback=20m", "--pattern=Started.*"}
	require.Equal(t, 1, otelnpd(t, "", append(args, "--count=2")...).code, "enough is enough")
	got = otelnpd(t, "", append(args, "--count=3")...)
	require.Equal(t, 2, got.code, "fewer may be more")
	require.Contains(t, got.stdout, "broken.journal")
}

func TestLogCounterReadsTheKernelsLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "kmsg")
	stamp := pipeline.SystemClock{}.Now().Raw.Microseconds()
	require.NoError(t, os.WriteFile(log, fmt.Appendf(nil, "3,1,%d,-;I/O error\n3,3,%d,-;I/O error\n6,4,%d,-;all is well\n", stamp-2, stamp-1, stamp), 0o600))
	for _, source := range []string{"", "kernel"} {
		got := otelnpd(t, "", "log-counter", "--journald-source="+source, "--log-path="+log, "--lookback=1m", "--count=2", "--pattern=I/O .*")
		require.Equal(t, result{
			1, "Found 2 matching logs, which meets the threshold of 2\n",
			"Warning: 1 records of the kernel's log were lost before they could be read\n",
		}, got)
	}
}

func TestLogCounterHelp(t *testing.T) {
	got := otelnpd(t, "", "log-counter", "--help")
	require.Zero(t, got.code)
	for _, want := range []string{"Exit 0 if", "Examples:", "--revert-pattern string", "(default 1)"} {
		require.Contains(t, got.stdout, want)
	}
}
