package journald_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

func TestRemovedEntriesAreToldAndCounted(t *testing.T) {
	n := newNode(t)
	n.write(lines(0, 10)...)
	n.run()
	first := n.rotate()
	n.write(lines(10, 10)...)
	second := n.rotate()
	n.write(lines(20, 1)...)
	require.NoError(t, os.Remove(first))
	require.NoError(t, os.Remove(second))
	records := n.run()
	require.Equal(t, numbered(20, 21), named(records, ""))
	require.Equal(t, pipeline.EventProblem, records[0].EventName)
	problem := records[0].Problem
	require.Equal(t, "otelnpd/journal-entries-lost", problem.Rule)
	require.Equal(t, "JournalEntriesLost", problem.Reason)
	require.Equal(t, "up to 10 journal entries were removed before they were read", problem.Message)
	require.Equal(t, log.SeverityWarn, problem.Severity)
	require.Equal(t, int64(10), n.count("otelnpd.receiver.lost_records", "removed"))
	require.Empty(t, named(n.run(), pipeline.EventProblem), "once")
}

func TestRemovedWhileFollowing(t *testing.T) {
	n := newNode(t)
	n.write(lines(0, 3)...)
	sink, reached, release := &pipelinetest.Sink{}, make(chan struct{}), make(chan struct{})
	held := false
	sink.Gate = func(context.Context) error {
		if !held {
			held = true
			close(reached)
			<-release
		}
		return nil
	}
	receiver := n.receiver(sink)
	require.NoError(t, receiver.Start(t.Context()))
	<-reached
	n.write(lines(3, 4)...)
	archived := n.rotate()
	n.write(lines(7, 1)...)
	require.NoError(t, os.Truncate(archived, 0)) // as journald does
	require.NoError(t, os.Remove(archived))
	close(release)
	sink.WaitFor(t, "the line behind the gap", func(records []pipeline.Record) bool { return slices.Contains(named(records, ""), "line 7") })
	shutdown(t, receiver)
	require.Equal(t, append(numbered(0, 3), "line 7"), sink.Lines())
	require.Len(t, named(sink.Records(), pipeline.EventProblem), 1)
	for _, record := range sink.Records() {
		if record.Problem != nil {
			require.Equal(t, "up to 4 journal entries were removed before they were read", record.Problem.Message)
		}
	}
}

func TestDamageAndCutsAreCounted(t *testing.T) {
	n := newNode(t)
	n.write(lines(0, 1)...)
	n.write([]string{"MESSAGE=" + strings.Repeat("long ", 50_000)}, []string{"MESSAGE=to be damaged"})
	path := filepath.Join(n.directory(), "system.journal")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	at := strings.Index(string(text), "to be damaged")
	text[at] = 'X'
	require.NoError(t, os.WriteFile(path, text, 0o600))
	bodies := named(n.run(), "")
	require.Len(t, bodies, 2)
	require.Less(t, len(bodies[1]), 64<<10)
	require.Equal(t, int64(1), n.count("otelnpd.receiver.lost_records", "damaged"))
	require.Equal(t, int64(1), n.count("otelnpd.receiver.cut_fields", "length"))
}

func TestRefusedLinesAreReadAgainOrCounted(t *testing.T) {
	for _, durable := range []bool{false, true} {
		n := newNode(t)
		n.settings.Keeping.IsDurable = func() bool { return durable }
		n.write(lines(0, 300)...)
		n.reader = sdkmetric.NewManualReader()
		n.settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(n.reader)).Meter("test")
		batches, last := 0, make(chan struct{})
		receiver := n.receiver(pipeline.ConsumerFunc(func(context.Context, []pipeline.Record) error {
			if batches++; batches == 2 {
				close(last)
				return errors.New("shutting down")
			}
			return nil
		}))
		require.NoError(t, receiver.Start(t.Context()))
		<-last
		shutdown(t, receiver)
		require.Equal(t, 2, batches, "nothing more is sent")
		text, err := receiver.Keep()()
		require.NoError(t, err)
		require.Contains(t, string(text), ";i=100;", "256")
		require.Equal(t, map[bool]int64{false: 44, true: 0}[durable], n.count("otelnpd.receiver.lost_records", "refused"))
	}
}

// TestEveryLossIsToldAsItself: a receiver of rare entries stands behind the same one for
// long, and has told nothing else between.
func TestEveryLossIsToldAsItself(t *testing.T) {
	n := newNode(t)
	n.config.Identifiers = []string{"rare"}
	n.write(lines(0, 1, "SYSLOG_IDENTIFIER=rare")...)
	n.run()
	first := n.kept
	lose := func() *pipeline.Problem {
		n.write(lines(1, 5)...)
		archived := n.rotate()
		n.write(lines(6, 3)...)
		require.NoError(t, os.Remove(archived))
		records := n.run()
		require.Len(t, named(records, pipeline.EventProblem), 1)
		return records[slices.IndexFunc(records, func(r pipeline.Record) bool { return r.Problem != nil })].Problem
	}
	one := lose()
	before := n.kept
	two := lose()
	require.NotEqual(t, one.UID, two.UID)
	require.Equal(t, "up to 6 journal entries were removed before they were read", two.Message, "with one that was about to be written before")

	n.kept = before // killed before that was noted, and the node with it
	n.settings.Boot.ID = "00000000-0000-4000-8000-000000000001"
	n.settings.Clock = pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(20_000, 0), Boot: time.Second})
	records := n.run()
	again := records[slices.IndexFunc(records, func(r pipeline.Record) bool { return r.Problem != nil })].Problem
	require.Equal(t, two, again)

	n.kept = first // much earlier: what is lost is more
	records = n.run()
	all := records[slices.IndexFunc(records, func(r pipeline.Record) bool { return r.Problem != nil })].Problem
	require.NotEqual(t, two.UID, all.UID)
	require.NotEqual(t, one.UID, all.UID)
}

// TestNumbersThatAreGivenAnew after a power loss are of other lines, at other places.
func TestNumbersThatAreGivenAnew(t *testing.T) {
	n := newNode(t)
	n.write(lines(0, 10)...)
	path := filepath.Join(n.directory(), "system.journal")
	onDisk, err := os.ReadFile(path)
	require.NoError(t, err)
	n.write(lines(10, 5)...)
	before := n.run()
	require.Equal(t, numbered(0, 15), named(before, ""))

	require.NoError(t, os.Remove(path))
	require.NoError(t, os.WriteFile(path+"~", onDisk, 0o600))
	n.writer, n.series.Last = nil, 10
	n.settings.Boot.ID = "00000000-0000-4000-8000-000000000001"
	n.boot, err = journalfile.ParseID(n.settings.Boot.ID)
	require.NoError(t, err)
	n.write(lines(15, 20)...)
	after := n.run()
	require.Equal(t, numbered(15, 35), named(after, ""))
	places := map[pipeline.Place]string{}
	for _, record := range slices.Concat(before, after) {
		if record.IsLine() {
			require.Empty(t, places[record.Place])
			places[record.Place] = string(record.Body)
		}
	}
	require.Empty(t, named(n.run(), ""))
}

// TestLateFilesAreCounted where more are there than can be open.
func TestLateFilesAreCounted(t *testing.T) {
	n := newNode(t)
	n.maxFiles = 2
	for round := range 4 {
		n.write(lines(round, 1)...)
		at := time.Unix(int64(round), 0)
		require.NoError(t, os.Chtimes(n.rotate(), at, at))
	}
	n.write(lines(4, 1)...)
	sink := &pipelinetest.Sink{}
	n.reader = sdkmetric.NewManualReader()
	n.settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(n.reader)).Meter("test")
	receiver := n.receiver(sink)
	require.NoError(t, receiver.Start(t.Context()))
	require.Eventually(t, func() bool {
		require.NoError(t, os.WriteFile(filepath.Join(n.directory(), "nudge"), nil, 0o600))
		require.NoError(t, os.Remove(filepath.Join(n.directory(), "nudge")))
		return n.count("otelnpd.receiver.lost_records", "late") == 3
	}, 20*time.Second, 20*time.Millisecond)
	shutdown(t, receiver)
	require.Equal(t, numbered(3, 5), named(sink.Records(), ""))
}
