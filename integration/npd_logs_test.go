package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

// npdLogs are the logs that the files read: the kernel's, and in a folder that stands for
// /var/log a journal and text files.
type npdLogs struct {
	folder  string
	kernel  *kernellog.Log
	journal *journaltest.Daemon
	files   []npdFile
}

// newNPDLogs makes the logs. The journal is that of a host: it is in a folder named by the
// machine's id, which the agent, as if in a container, does not know. What the text files hold before is too old for every
// lookback, and the kernel's log holds ordinary lines alone.
func newNPDLogs(t *testing.T, kernel *kernellog.Log, files []npdFile) *npdLogs {
	t.Helper()
	l := &npdLogs{folder: t.TempDir(), kernel: kernel, files: files}
	journal := filepath.Join(l.folder, "journal", journaltest.NewID().String())
	require.NoError(t, os.MkdirAll(journal, 0o755))
	l.journal = journaltest.StartJournald(t, journal)
	l.journal.Send("SYSLOG_IDENTIFIER=otelnpdtest", "MESSAGE=an ordinary line")
	for _, f := range files {
		if f.Plugin == "filelog" {
			for _, text := range npdProblems() {
				l.appendTo(t, f, f.line(time.Now().Add(-24*time.Hour), text))
			}
		}
	}
	kernel.Overwrite(t)
	return l
}

// write writes all problems to each log, each with a tag of its own, and beside them some
// that no file is to take. Before a line is written, said is called for each file that
// reads its log.
func (l *npdLogs) write(t *testing.T, said func(t *testing.T, f npdFile, line string)) {
	t.Helper()
	var written []string
	for _, f := range l.files {
		if slices.Contains(written, f.log()) {
			continue
		}
		written = append(written, f.log())
		for _, text := range npdProblems() {
			line := f.line(time.Now(), kernellog.Tag()+": "+text)
			for _, reader := range l.files {
				if reader.log() == f.log() {
					said(t, reader, line)
				}
			}
			l.writeLine(t, f, line)
		}
	}
}

func (l *npdLogs) writeLine(t *testing.T, f npdFile, line string) {
	t.Helper()
	switch f.Plugin {
	case "kmsg":
		l.kernel.Write(t, line)
	case "journald":
		l.journal.Send("SYSLOG_IDENTIFIER=another", "MESSAGE="+line)
		l.journal.Send("SYSLOG_IDENTIFIER="+f.PluginConfig["source"], "PRIORITY=3", "MESSAGE="+line)
	default:
		for _, word := range f.SkipList {
			l.appendTo(t, f, line+word)
			l.appendTo(t, f, strings.Replace(line, ": ", ":"+word+" ", 1))
		}
		l.appendTo(t, f, line)
	}
}

// line is how a text stands in the file's log.
func (f *npdFile) line(at time.Time, text string) string {
	switch stamp := at.Format(f.PluginConfig["timestampFormat"]); {
	case f.Plugin != "filelog":
		return text
	case strings.HasPrefix(f.PluginConfig["timestamp"], "^time="):
		return fmt.Sprintf(`time="%s" level=error msg="%s"`, stamp, text)
	default:
		return fmt.Sprintf("%s node-1 kernel: [    1.000000] %s", stamp, text)
	}
}

func (l *npdLogs) appendTo(t *testing.T, f npdFile, line string) {
	t.Helper()
	name, below := strings.CutPrefix(f.LogPath, "/var/log/")
	require.True(t, below, f.LogPath)
	file, err := os.OpenFile(filepath.Join(l.folder, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = file.WriteString(line + "\n")
	require.NoError(t, err)
	require.NoError(t, file.Close())
}
