package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

// The packs for services know programs by the attribute that the journal has.
func TestPacksJudgeTheJournal(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	require.NoError(t, err)
	boot, err := journalfile.ParseID(strings.ReplaceAll(strings.TrimSpace(string(text)), "-", ""))
	require.NoError(t, err)
	directory, now := t.TempDir(), pipeline.SystemClock{}.Now()
	entries := []journaltest.Entry{}
	add := func(program, message string) {
		before := time.Duration(100-len(entries)) * time.Millisecond
		entries = append(entries, journaltest.Entry{
			Realtime: uint64(now.Wall.Add(-before).UnixMicro()), Monotonic: uint64((now.Boot - before).Microseconds()), Boot: boot,
			Fields: []string{"_BOOT_ID=" + boot.String(), "SYSLOG_IDENTIFIER=" + program, "MESSAGE=" + message},
		})
	}
	for n := range 5 {
		add("systemd", fmt.Sprintf("kubelet.service: Scheduled restart job, restart counter is at %d.", n))
		add("backup", fmt.Sprintf("docker.service: Scheduled restart job, restart counter is at %d.", n))
	}
	journaltest.WriteRemote(t, filepath.Join(directory, "system.journal"), journaltest.Layout{Compact: true, Keyed: true}, entries)
	a := startAgent(t, func(config string) string {
		config = strings.Replace(config, "receivers:\n", "receivers:\n  journald: {directories: ['"+directory+"']}\n", 1)
		config = strings.Replace(config, "[kernel]", "[systemd]", 1)
		return strings.Replace(config, "receivers: [kmsg]", "receivers: [kmsg, journald]", 1)
	})
	list := func() string { return otelnpd(t, "", "conditions", "list", "--socket", a.socket).stdout }
	eventually(t, "the condition", func() bool { return regexp.MustCompile(`(?m)^FrequentKubeletRestart +True`).MatchString(list()) })
	require.Regexp(t, `(?m)^FrequentDockerRestart +False`, list(), "another program said so")
	a.end(t)
}
