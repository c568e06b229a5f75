package journal_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/source/journal"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

const benchEntries = 200_000

// benchJournal has one entry in a hundred of the unit rare, one in ten of the unit
// some, and all of the transport journal.
func benchJournal(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "bench.journal")
	entries := make([]journaltest.Entry, 0, benchEntries)
	boot := journalfile.ID{1}
	for i := range benchEntries {
		unit := fmt.Sprintf("usual-%d", i%7)
		switch {
		case i%100 == 3:
			unit = "rare"
		case i%10 == 1:
			unit = "some"
		}
		at := uint64(i) * 1000
		entries = append(entries, journaltest.Entry{Realtime: 1_700_000_000_000_000 + at, Monotonic: at, Boot: boot, Fields: []string{
			"_BOOT_ID=" + boot.String(), "_MACHINE_ID=" + journaltest.MachineID.String(), "_HOSTNAME=node-1", "_TRANSPORT=journal",
			"PRIORITY=6", "SYSLOG_FACILITY=3", "SYSLOG_IDENTIFIER=" + unit, "_SYSTEMD_UNIT=" + unit + ".service", "_UID=0", "_GID=0",
			fmt.Sprintf("_PID=%d", 1000+i%20), "_COMM=" + unit, "_EXE=/usr/bin/" + unit,
			fmt.Sprintf("MESSAGE=a line of the journal of ordinary length, with some words in it and its number %d", i),
			fmt.Sprintf("_SOURCE_REALTIME_TIMESTAMP=%d", 1_700_000_000_000_000+at-7),
		}})
	}
	journaltest.WriteRemote(b, path, journaltest.Layout{Keyed: true}, entries)
	return filepath.Dir(path) // it begins new files now and then
}

var benchShares = []struct {
	share   string
	matches journalfile.Matches
	count   int
}{
	{"100", nil, benchEntries},
	{"10", journalfile.Matches{"SYSLOG_IDENTIFIER=some"}, benchEntries / 10},
	{"1", journalfile.Matches{"SYSLOG_IDENTIFIER=rare"}, benchEntries / 100},
}

// BenchmarkJournal reads all fields of the entries that match, out of 200,000. One
// operation is the whole file; cpu-ms is the time of the processors, the kernel's
// part included, for the reference that of journalctl -o export.
func BenchmarkJournal(b *testing.B) {
	directory := benchJournal(b)
	for _, s := range benchShares {
		b.Run("impl=otelnpd/matching="+s.share, func(b *testing.B) {
			before := cpuTime(b, unix.RUSAGE_SELF)
			var e journal.Entry
			b.ReportAllocs()
			for b.Loop() {
				reader, err := journal.Open(journal.Options{Directories: []string{directory}, Matches: s.matches})
				require.NoError(b, err)
				count := 0
				for reader.Next(&e) {
					count++
				}
				require.NoError(b, reader.Close())
				require.Equal(b, s.count, count)
			}
			b.ReportMetric((cpuTime(b, unix.RUSAGE_SELF)-before)/float64(b.N), "cpu-ms")
		})
		b.Run("impl=reference/matching="+s.share, func(b *testing.B) {
			journaltest.Need(b, "journalctl")
			before := cpuTime(b, unix.RUSAGE_CHILDREN)
			for b.Loop() {
				cmd := exec.Command("journalctl", append([]string{"--directory", directory, "-o", "export"}, s.matches...)...)
				null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
				require.NoError(b, err)
				cmd.Stdout = null
				require.NoError(b, cmd.Run())
				require.NoError(b, null.Close())
			}
			b.ReportMetric((cpuTime(b, unix.RUSAGE_CHILDREN)-before)/float64(b.N), "cpu-ms")
		})
	}
}

// cpuTime returns the processors' time in ms.
func cpuTime(b *testing.B, who int) float64 {
	b.Helper()
	var usage unix.Rusage
	require.NoError(b, unix.Getrusage(who, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e6
}
