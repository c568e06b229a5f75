package logcounter_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/npd/logcounter"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stopped is a clock that stands still.
type stopped pipeline.Instant

func (s stopped) Now() pipeline.Instant { return pipeline.Instant(s) }

// now is when tests look; the machine booted an hour before.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func hostAt(t *testing.T, at time.Time) logcounter.Host {
	t.Helper()
	return logcounter.Host{
		Clock:   stopped{Wall: at, Boot: time.Hour, Raw: time.Hour},
		Journal: []string{t.TempDir()}, Kmsg: t.TempDir() + "/kmsg", Proc: "/proc",
	}
}

func count(t *testing.T, host logcounter.Host, args ...string) (logcounter.Result, error) {
	t.Helper()
	options, err := logcounter.Parse(args)
	require.NoError(t, err)
	return logcounter.Count(t.Context(), options, host)
}

// requireFound counts, and must succeed.
func requireFound(t *testing.T, want int, host logcounter.Host, args ...string) {
	t.Helper()
	got, err := count(t, host, args...)
	require.NoError(t, err)
	require.Equal(t, logcounter.Result{Found: want}, got, args)
}

// line is an entry of the journal, some time before now.
type line struct {
	ago        time.Duration
	identifier string
	message    string
}

var boot = journaltest.NewID()

func entriesOf(lines []line) (entries []journaltest.Entry) {
	for _, l := range lines {
		at := now.Add(-l.ago)
		entries = append(entries, journaltest.Entry{
			Realtime: uint64(at.UnixMicro()), Monotonic: uint64(at.Sub(now.Add(-10 * time.Hour)).Microseconds()), Boot: boot,
			Fields: []string{"_BOOT_ID=" + boot.String(), "SYSLOG_IDENTIFIER=" + l.identifier, "MESSAGE=" + l.message},
		})
	}
	return entries
}

// journalOf has systemd write a journal, oldest line first, and returns the directory.
func journalOf(t *testing.T, lines ...line) string {
	t.Helper()
	directory := t.TempDir()
	journaltest.WriteRemote(t, directory+"/system.journal", journaltest.Layout{Compact: true, Keyed: true}, entriesOf(lines))
	return directory
}
