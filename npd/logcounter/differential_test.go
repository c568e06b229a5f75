package logcounter_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

// reference counts as node-problem-detector does: what journalctl shows, all lines
// joined, matched anew with each.
func reference(t *testing.T, pattern, revert string, journalctl ...string) (found int) {
	t.Helper()
	counted, subtracted := regexp.MustCompile(`(?:`+pattern+`)\z`), regexp.MustCompile(`(?:`+revert+`)\z`)
	var joined strings.Builder
	for _, entry := range journaltest.ParseExport(t, journaltest.Journalctl(t, append(journalctl, "-o", "export", "--all")...)) {
		message := ""
		for _, field := range entry.Fields {
			if text, ok := strings.CutPrefix(field, "MESSAGE="); ok {
				message = text
			}
		}
		joined.WriteString("\n" + strings.TrimSpace(message))
		if counted.MatchString(joined.String()) {
			found++
		}
		if revert != "" && subtracted.MatchString(joined.String()) {
			found--
		}
	}
	return found
}

// Over random journals of several files the count is that of journalctl and a plain
// reading of the patterns.
func TestSameAsJournalctl(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			entries := journaltest.Random(seed, 160)
			directory := t.TempDir()
			layout := journaltest.Layout{Compact: seed%2 == 0, Keyed: seed%3 != 0}
			border := 50 + int(seed)*30
			journaltest.WriteRemote(t, filepath.Join(directory, "a.journal"), layout, entries[:border])
			journaltest.WriteRemote(t, filepath.Join(directory, "b.journal"), layout, entries[border:])
			first, last := entries[20*seed], entries[150]
			host := hostAt(t, time.UnixMicro(int64(last.Realtime)))
			for _, c := range []struct{ identifier, pattern, revert string }{
				{"unit-6", `word`, ""},
				{"unit-6", `line \d+|word word`, `line \d*[05]`},
				{"unit-6", `[a-m]\n?\S*`, `(?i)DULL`},
				{"unit-6", `(?m)^line \d+1\nline \d+(?s:.*)`, `\n.*word`},
				{"unit-3", ``, ""},
			} {
				want := reference(t, c.pattern, c.revert, "-D", directory, "--merge", "SYSLOG_IDENTIFIER="+c.identifier,
					at("--since", first.Realtime), at("--until", last.Realtime))
				lookback := time.Duration(last.Realtime-first.Realtime) * time.Microsecond
				requireFound(t, want, host, "--journald-source="+c.identifier, "--log-path="+directory, "--lookback="+lookback.String(),
					"--pattern="+c.pattern, "--revert-pattern="+c.revert)
			}
			require.NotZero(t, reference(t, `word`, "", "-D", directory, "--merge", "SYSLOG_IDENTIFIER=unit-6"))
		})
	}
}

func at(flag string, micros uint64) string {
	return fmt.Sprintf("%s=@%d.%06d", flag, micros/1e6, micros%1e6)
}
