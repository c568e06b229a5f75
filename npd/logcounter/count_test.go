package logcounter_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/npd/logcounter"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

func TestCountsOneSourceWithinTheLookback(t *testing.T) {
	directory := journalOf(t,
		line{30 * time.Minute, "systemd", "Started kubelet."},
		line{20 * time.Minute, "systemd", "Started kubelet."},
		line{10 * time.Minute, "kubelet", "Started kubelet."},
		line{9 * time.Minute, "systemd", "Started kubelet. "},
		line{8 * time.Minute, "systemd", "Started kubelet. Indeed"},
		line{0, "systemd", "Started kubelet."},
		line{-time.Second, "systemd", "Started kubelet."}, // written after the count began
	)
	requireFound(t, 3, hostAt(t, now), "--journald-source=systemd", "--log-path="+directory, "--lookback=20m", "--pattern=Started kubelet\\.")
	requireFound(t, 4, hostAt(t, now), "--journald-source=systemd", "--log-path="+directory, "--lookback=30m", "--pattern=Started kubelet\\.")
	requireFound(t, 0, hostAt(t, now), "--journald-source=dockerd", "--log-path="+directory, "--lookback=30m", "--pattern=")
	host := hostAt(t, now)
	host.Journal = append(host.Journal, directory)
	requireFound(t, 1, host, "--journald-source=kubelet", "--lookback=30m", "--pattern=Started kubelet\\.")
}

func TestCountsNothingFromBeforeTheBootAndTheDelay(t *testing.T) {
	directory := journalOf(t,
		line{61 * time.Minute, "systemd", "Started kubelet."},
		line{57 * time.Minute, "systemd", "Started kubelet."},
		line{50 * time.Minute, "systemd", "Started kubelet."},
	)
	args := []string{"--journald-source=systemd", "--log-path=" + directory, "--lookback=24h", "--pattern=Started .*"}
	requireFound(t, 2, hostAt(t, now), args...)
	requireFound(t, 1, hostAt(t, now), append(args, "--delay=5m")...)
	requireFound(t, 0, hostAt(t, now), append(args, "--delay=2h")...)
}

func TestSubtracts(t *testing.T) {
	directory := journalOf(t,
		line{9 * time.Minute, "systemd", "Starting x..."},
		line{8 * time.Minute, "systemd", "Stopping x..."},
		line{7 * time.Minute, "systemd", "Starting x..."},
		line{6 * time.Minute, "systemd", "Starting x..."},
	)
	args := []string{"--journald-source=systemd", "--log-path=" + directory, "--lookback=20m", "--pattern=Starting x..."}
	requireFound(t, 3, hostAt(t, now), args...)
	requireFound(t, 2, hostAt(t, now), append(args, "--revert-pattern=Stopping x...")...)
	requireFound(t, -1, hostAt(t, now), append(args, "--revert-pattern=St.*")...)
}

// Rotated files, a directory of the machine, and a copy are one journal.
func TestCountsOverAllFiles(t *testing.T) {
	directory := t.TempDir()
	own := filepath.Join(directory, journaltest.MachineID.String())
	require.NoError(t, os.Mkdir(own, 0o755))
	series := &journaltest.Series{ID: journaltest.NewID()}
	entries := entriesOf([]line{{9 * time.Minute, "dockerd", "one"}, {8 * time.Minute, "dockerd", "two"}, {7 * time.Minute, "dockerd", "three"}})
	archived := journaltest.Create(t, filepath.Join(own, "system@1.journal"), journaltest.Layout{Keyed: true}, series)
	archived.Append(entries[0])
	archived.SetState(2)
	current := journaltest.Create(t, filepath.Join(own, "system.journal"), journaltest.Layout{Keyed: true}, series)
	current.Append(entries[1])
	current.Append(entries[2])
	text, err := os.ReadFile(filepath.Join(own, "system@1.journal"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(directory, "copy.journal~"), text, 0o600))
	requireFound(t, 3, hostAt(t, now), "--journald-source=dockerd", "--log-path="+directory, "--lookback=20m", "--pattern=.+")
}

// Silence is not health: where nobody writes a journal, the answer is not known.
func TestNoJournal(t *testing.T) {
	host := hostAt(t, now)
	old := journalOf(t, line{2 * time.Hour, "systemd", "before the boot"})
	for _, directory := range []string{filepath.Join(t.TempDir(), "missing"), t.TempDir(), old} {
		_, err := count(t, host, "--journald-source=systemd", "--log-path="+directory, "--lookback=24h", "--pattern=.*")
		require.ErrorContains(t, err, "no journal is written there since the boot: "+directory+": mount the host's journal there")
		require.ErrorContains(t, err, "/run/log/journal")
	}
	require.NoError(t, os.WriteFile(host.Kmsg, nil, 0o600))
	_, err := count(t, host, "--journald-source=systemd", "--log-path="+host.Kmsg, "--lookback=24h", "--pattern=.*")
	require.ErrorContains(t, err, "is a file: write the journal's directory, for example --log-path=/var/log/journal")
	_, err = count(t, host, "--log-path="+t.TempDir(), "--lookback=24h", "--pattern=.*")
	require.ErrorContains(t, err, "--journald-source: is missing")
}

// A file that cannot be read makes the answer uncertain, if it can have lines that
// count.
func TestUnreadableFile(t *testing.T) {
	directory := journalOf(t, line{time.Minute, "systemd", "Started."})
	unreadable := filepath.Join(directory, "system@broken.journal")
	require.NoError(t, os.WriteFile(unreadable, bytes.Repeat([]byte("no journal "), 1000), 0o600))
	args := []string{"--journald-source=systemd", "--log-path=" + directory, "--lookback=20m", "--pattern=Started."}
	for at, uncertain := range map[time.Time]bool{now.Add(-21 * time.Minute): false, now.Add(-19 * time.Minute): true} {
		require.NoError(t, os.Chtimes(unreadable, at, at))
		got, err := count(t, hostAt(t, now), args...)
		require.NoError(t, err)
		require.Equal(t, 1, got.Found)
		require.Equal(t, uncertain, got.Unread != nil, got.Unread)
		if uncertain {
			require.ErrorContains(t, got.Unread, unreadable)
			require.ErrorContains(t, got.Unread, ": mend it, or move it away")
		}
	}
}

// A journal that journald writes and rotates meanwhile is counted up to now.
func TestCountsWhatJournaldWrites(t *testing.T) {
	daemon := journaltest.StartJournald(t, t.TempDir())
	host := hostAt(t, now)
	host.Clock = pipeline.SystemClock{}
	written := 0
	for round := range 3 {
		for range round + 1 {
			daemon.Send("SYSLOG_IDENTIFIER=systemd", "MESSAGE=Started kubelet.", "PRIORITY=6")
			daemon.Send("SYSLOG_IDENTIFIER=other", "MESSAGE=Started kubelet.", "PRIORITY=6")
			written++
		}
		journaltest.Await(t, "all lines", func() bool {
			got, err := count(t, host, "--journald-source=systemd", "--log-path="+daemon.Directory, "--lookback=20m", "--pattern=Started.*")
			require.LessOrEqual(t, got.Found, written)
			return err == nil && got.Found == written // an error until the first line is there
		})
		daemon.Rotate()
	}
}

// A count that takes too long ends, and says so.
func TestGivesUp(t *testing.T) {
	host := hostAt(t, now)
	kernelLog(t, host.Kmsg, map[time.Duration]string{time.Minute: "x"}, time.Minute)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{{"--journald-source=systemd", "--log-path=" + journalOf(t, line{time.Minute, "systemd", "x"})}, {"--log-path=" + host.Kmsg}} {
		options, err := logcounter.Parse(append(args, "--lookback=1h", "--pattern=x"))
		require.NoError(t, err)
		_, err = logcounter.Count(over, options, host)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "write a shorter --lookback")
	}
}

// kernelLog writes a stand-in for /dev/kmsg with a line for each age.
func kernelLog(t *testing.T, path string, messages map[time.Duration]string, ages ...time.Duration) {
	t.Helper()
	var text []byte
	for i, age := range ages {
		text = fmt.Appendf(text, "4,%d,%d,-;%s\n SUBSYSTEM=net\n", i, (time.Hour - age).Microseconds(), messages[age])
	}
	require.NoError(t, os.WriteFile(path, text, 0o600))
}

func TestCountsTheKernelsLog(t *testing.T) {
	host := hostAt(t, now)
	const busy = `unregister_netdevice: waiting for eth0 to become free. Usage count = 1`
	kernelLog(t, host.Kmsg, map[time.Duration]string{
		30 * time.Minute: busy, 19 * time.Minute: busy, 5 * time.Minute: "something else", time.Minute: busy + "?",
		-time.Second / 2: busy + "\\x0a", // written now: the stamps are ahead of the clock
	}, 30*time.Minute, 19*time.Minute, 5*time.Minute, time.Minute, -time.Second/2)
	args := []string{"--lookback=20m", `--pattern=unregister_netdevice: waiting for \w+ to become free. Usage count = \d+`}
	for _, where := range [][]string{
		nil, {"--log-path=" + host.Kmsg}, {"--journald-source=kernel", "--log-path=" + host.Kmsg},
		{"--journald-source=kernel"}, {"--journald-source=kernel", "--log-path=" + t.TempDir()},
		{"--journald-source=kernel", "--log-path=" + journalOf(t, line{2 * time.Hour, "kernel", "before the boot"})},
	} {
		requireFound(t, 2, host, append(where, args...)...)
	}
	requireFound(t, 1, host, append(args, "--delay=50m")...)
	// Where there is a journal, it has the kernel's lines.
	requireFound(t, 0, host, append(args, "--journald-source=kernel", "--log-path="+journalOf(t, line{time.Minute, "systemd", "x"}))...)
}

func TestKernelsLogThatCannotBeRead(t *testing.T) {
	host := hostAt(t, now)
	_, err := count(t, host, "--journald-source=kernel", "--lookback=1h", "--pattern=.*")
	require.ErrorContains(t, err, "there is no "+host.Kmsg)
	require.ErrorContains(t, err, "check the path")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// What is there is counted, and nothing is waited for: the writer of the FIFO lives on.
func TestKernelsLogIsNotFollowed(t *testing.T) {
	host := hostAt(t, now)
	require.NoError(t, unix.Mkfifo(host.Kmsg, 0o600))
	fifo, err := os.OpenFile(host.Kmsg, os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = fifo.Close() })
	_, err = fmt.Fprintf(fifo, "4,7,%d,-;one\n4,9,%d,-;two\n", 3_500_000_000, 3_500_000_001)
	require.NoError(t, err)
	got, err := count(t, host, "--lookback=20m", "--pattern=.*")
	require.NoError(t, err)
	require.Equal(t, 2, got.Found)
	require.Equal(t, []string{"1 records of the kernel's log were lost before they could be read"}, got.Notes)
}
