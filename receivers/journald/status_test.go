package journald_test

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

func TestStatus(t *testing.T) {
	n := newNode(t)
	statuses := &pipelinetest.Statuses{}
	n.settings.Report = statuses.Report
	n.run()
	require.Equal(t, pipeline.ComponentDegraded, statuses.Last().State)
	require.Contains(t, statuses.Last().Reason, "there is no journal of this machine in /var/log/journal, /run/log/journal")
	n.write(lines(0, 1)...)
	n.run()
	require.Equal(t, pipeline.Status{State: pipeline.ComponentOK}, statuses.Last())

	require.NoError(t, os.RemoveAll(n.settings.Host.Path("/var")))
	n.run()
	status := statuses.Last()
	require.Equal(t, pipeline.ComponentDegraded, status.State)
	require.Contains(t, status.Reason, "there is no journal: none of /var/log/journal, /run/log/journal is there")
	require.Contains(t, status.Remedy, "is mounted where service.host.root says")
	require.ErrorIs(t, status.Err, os.ErrNotExist)
}

func TestNewerFileIsToldOnce(t *testing.T) {
	n := newNode(t)
	n.write(lines(0, 1)...)
	text, err := os.ReadFile(filepath.Join(n.directory(), "system.journal"))
	require.NoError(t, err)
	text[12] |= 0x40
	require.NoError(t, os.WriteFile(filepath.Join(n.directory(), "newer.journal"), text, 0o600))
	statuses := &pipelinetest.Statuses{}
	n.settings.Report = statuses.Report
	require.Equal(t, numbered(0, 1), named(n.run(), ""), "the others are read")
	require.Equal(t, pipeline.ComponentDegraded, statuses.Last().State)
	require.Contains(t, statuses.Last().Reason, "features that this version does not know")
	require.Equal(t, "update otelnpd", statuses.Last().Remedy)
}

func TestOtherMachinesAreNotRead(t *testing.T) {
	n := newNode(t)
	n.write(lines(0, 1)...)
	require.NoError(t, os.MkdirAll(n.settings.Host.Path("/etc"), 0o755))
	require.NoError(t, os.WriteFile(n.settings.Host.Path("/etc/machine-id"), []byte("ffffffffffffffffffffffffffffffff\n"), 0o600))
	require.Empty(t, named(n.run(), ""))
	n.config.AllMachines = true
	require.Equal(t, numbered(0, 1), named(n.run(), ""))
}

// TestNobodyWritesTheJournal: what is left from an earlier boot does not hide that there
// is no journal any more, but a node that has nothing to tell is healthy.
func TestNobodyWritesTheJournal(t *testing.T) {
	for name, c := range map[string]struct {
		boot     string // of what is there
		archived bool
		machines bool // those of all are read
		degraded bool
	}{
		"this boot, quiet":              {boot: pipelinetest.BootID},
		"this boot, archived":           {boot: pipelinetest.BootID, archived: true, degraded: true},
		"an earlier boot":               {boot: "00000000-0000-4000-8000-000000000001", degraded: true},
		"another machine":               {boot: "00000000-0000-4000-8000-000000000001", machines: true},
		"another machine, all archived": {boot: "00000000-0000-4000-8000-000000000001", machines: true, archived: true, degraded: true},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			clock := pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(10_000, 0), Boot: 1000 * time.Second})
			n.settings.Clock, n.config.AllMachines = clock, c.machines
			var err error
			n.boot, err = journalfile.ParseID(c.boot)
			require.NoError(t, err)
			n.write(lines(0, 1)...)
			n.writer.SetState(0)
			if c.archived {
				n.rotate()
			}
			statuses, reported := &pipelinetest.Statuses{}, atomic.Int32{}
			n.settings.Report = func(status pipeline.Status) {
				statuses.Report(status)
				reported.Add(1)
			}
			sink := &pipelinetest.Sink{}
			receiver := n.receiver(sink)
			require.NoError(t, receiver.Start(t.Context()))
			sink.WaitFor(t, "the end of the backlog", hasBacklogEnd)
			require.Equal(t, pipeline.Status{State: pipeline.ComponentOK}, statuses.Last(), "it may be about to come")
			look := func() { // and report
				before := reported.Load()
				require.NoError(t, os.WriteFile(filepath.Join(n.directory(), "nudge"), nil, 0o600))
				require.NoError(t, os.Remove(filepath.Join(n.directory(), "nudge")))
				require.Eventually(t, func() bool { return reported.Load() > before }, 20*time.Second, time.Millisecond)
			}
			clock.Advance(4 * time.Minute)
			look()
			require.Equal(t, pipeline.ComponentOK, statuses.Last().State)
			clock.Advance(2 * time.Minute)
			look()
			look()
			if !c.degraded {
				require.Equal(t, pipeline.Status{State: pipeline.ComponentOK}, statuses.Last())
				shutdown(t, receiver)
				return
			}
			require.Equal(t, pipeline.ComponentDegraded, statuses.Last().State)
			require.Equal(t, "nobody writes the journal in /var/log/journal, /run/log/journal: its files are archived, or have nothing of this boot", statuses.Last().Reason)
			require.Contains(t, statuses.Last().Remedy, "see that journald keeps a journal")
			n.boot, err = journalfile.ParseID(pipelinetest.BootID)
			require.NoError(t, err)
			n.writer = nil
			require.NoError(t, os.RemoveAll(filepath.Join(n.directory(), "system.journal")))
			n.write(lines(1, 1)...)
			look()
			look()
			require.Equal(t, pipeline.Status{State: pipeline.ComponentOK}, statuses.Last(), "journald is there")
			shutdown(t, receiver)
		})
	}
}
