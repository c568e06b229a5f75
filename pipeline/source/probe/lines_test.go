package probe_test

import (
	"context"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
	"github.com/otelnpd/otelnpd/pipeline/source/probe"
)

// journalOf has systemd write a journal; each entry is an age and its fields.
func journalOf(t *testing.T, entries map[time.Duration][]string) (directory string) {
	t.Helper()
	directory, boot, now := t.TempDir(), journaltest.NewID(), pipeline.SystemClock{}.Now()
	var written []journaltest.Entry
	for _, age := range []time.Duration{time.Hour, 3 * time.Minute, 2 * time.Minute, time.Minute, time.Second} {
		if fields, ok := entries[age]; ok {
			written = append(written, journaltest.Entry{
				Realtime: uint64(now.Wall.Add(-age).UnixMicro()), Monotonic: uint64((2*time.Hour - age).Microseconds()), Boot: boot,
				Fields: append([]string{"_BOOT_ID=" + boot.String()}, fields...),
			})
		}
	}
	journaltest.WriteRemote(t, filepath.Join(directory, "system.journal"), journaltest.Layout{Compact: true, Keyed: true}, written)
	return directory
}

func TestLines(t *testing.T) {
	ofKubelet := func(message string) []string {
		return []string{"_SYSTEMD_UNIT=kubelet.service", "SYSLOG_IDENTIFIER=kubelet", "_PID=77", "MESSAGE=" + message}
	}
	directory := journalOf(t, map[time.Duration][]string{
		time.Hour:       ofKubelet("Deadlock"),
		3 * time.Minute: ofKubelet("deadlock found\nDEADLOCK again\nall is well"),
		2 * time.Minute: {"_SYSTEMD_UNIT=init.scope", "UNIT=kubelet.service", "_PID=1", "SYSLOG_IDENTIFIER=systemd", "MESSAGE=kubelet.service: deadlock"},
		time.Minute:     {"_SYSTEMD_UNIT=cron.service", "SYSLOG_IDENTIFIER=cron", "MESSAGE=deadlock"},
		time.Second:     ofKubelet("all is well"),
	})
	for name, one := range map[string]struct {
		pattern string
		count   int
		back    time.Duration
		want    string // empty: healthy
	}{
		"few":          {"deadlock", 4, 10 * time.Minute, ""},
		"many":         {"deadlock", 3, 10 * time.Minute, `read the journal of kubelet.service: 3 lines match "(?i)deadlock": at most 2 may`},
		"further back": {"deadlock", 4, 2 * time.Hour, "4 lines match"},
		"too old":      {"deadlock found", 1, 150 * time.Second, ""},
		"who wrote it": {`kubelet\[77\]: all is`, 1, time.Minute, "1 lines match"},
	} {
		t.Run(name, func(t *testing.T) {
			lines := probe.Lines{
				Directories: []string{directory}, Unit: "kubelet.service", Since: time.Now().Add(-one.back),
				Patterns: []probe.Pattern{{Expression: regexp.MustCompile("(?i)never"), Count: 1}, {Expression: regexp.MustCompile("(?i)" + one.pattern), Count: one.count}},
			}
			err := lines.Ask(within(t, long))
			if one.want == "" {
				require.NoError(t, err)
				return
			}
			requireUnhealthy(t, err, one.want)
		})
	}
}

func TestLinesThatCannotBeRead(t *testing.T) {
	lines := probe.Lines{Directories: []string{filepath.Join(t.TempDir(), "none")}, Unit: "kubelet.service", Since: time.Now()}
	requireUnknown(t, lines.Ask(within(t, long)), "no journal is there", "mount it")

	lines.Directories = []string{journalOf(t, map[time.Duration][]string{time.Second: {"_SYSTEMD_UNIT=kubelet.service", "MESSAGE=x"}})}
	require.NoError(t, lines.Ask(within(t, long)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	lines.Since = time.Now().Add(-time.Minute)
	requireUnknown(t, lines.Ask(ctx), "context canceled", "mount it")
}
