package kmsg_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/receivers/kmsg"
)

// numbered makes records first to last, one a second.
func numbered(first, last int) string {
	var content strings.Builder
	for i := first; i <= last; i++ {
		fmt.Fprintf(&content, "6,%d,%d,-;line %d\n", i, i*1_000_000, i)
	}
	return content.String()
}

// restarts is a receiver that is started again and again over one file.
type restarts struct {
	t        *testing.T
	settings pipeline.Settings
	config   *kmsg.Config
	clock    *pipelinetest.Clock
	reader   *sdkmetric.ManualReader
	moved    *pipelinetest.Kept
	kept     []byte
}

func newRestarts(t *testing.T) *restarts {
	t.Helper()
	r := &restarts{t: t, settings: pipelinetest.Settings(t, "kmsg"), config: kmsg.DefaultConfig(), moved: &pipelinetest.Kept{}}
	r.settings.Host = host(t, "")
	r.settings.Keeping = r.moved.Keeping()
	r.clock = pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(1000, 0), Boot: 1000 * time.Second})
	r.settings.Clock = r.clock
	return r
}

func (r *restarts) write(content string) {
	r.t.Helper()
	require.NoError(r.t, os.WriteFile(r.settings.Host.Path(r.config.Path), []byte(content), 0o600))
}

// run reads all that is in the file, going on from what the run before had kept.
func (r *restarts) run() []pipeline.Record {
	r.t.Helper()
	r.reader = sdkmetric.NewManualReader()
	r.settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader)).Meter("test")
	sink := &pipelinetest.Sink{}
	receiver := newReceiver(r.t, r.settings, r.config, sink)
	if r.kept != nil {
		require.NoError(r.t, receiver.Resume(r.kept))
	}
	require.NoError(r.t, receiver.Start(r.t.Context()))
	sink.WaitFor(r.t, "the end of the backlog", hasBacklogEnd)
	shutdown(r.t, receiver)
	r.kept = kept(r.t, receiver)
	return sink.Records()
}

func kept(t *testing.T, receiver *kmsg.Receiver) []byte {
	t.Helper()
	encode := receiver.Keep()
	require.NotNil(t, encode)
	text, err := encode()
	require.NoError(t, err)
	return text
}

func namesOf(records []pipeline.Record, name string) (bodies []string) {
	for _, record := range records {
		if record.EventName == name {
			bodies = append(bodies, string(record.Body))
		}
	}
	return bodies
}

func isComplete(t *testing.T, records []pipeline.Record) bool {
	t.Helper()
	mark := records[len(records)-1]
	require.Equal(t, pipeline.EventBacklogEnd, mark.EventName)
	complete, _ := mark.Attribute(pipeline.AttributeBacklogComplete)
	return complete.AsBool()
}

func TestGoesOnFromThePosition(t *testing.T) {
	r := newRestarts(t)
	r.write(numbered(0, 3))
	require.Len(t, linesOf(r.run()), 4)
	require.JSONEq(t, fmt.Sprintf(`{"boot_id": %q, "source": "kmsg", "started_ns": 1000000000000,
		"offsets": {"wall_ns": 0, "boot_ns": 0}, "position": {"first": 0, "next": 4, "complete": true}}`, pipelinetest.BootID), string(r.kept))
	require.Positive(t, r.moved.Moved())

	r.config.Lookback = 0 // it does not apply any more
	r.write(numbered(0, 5))
	r.clock.StepWall(900 * time.Millisecond) // too little to move the offset
	records := r.run()
	require.Equal(t, []string{"line 0", "line 1", "line 2", "line 3"}, namesOf(records, pipeline.EventContext))
	require.Equal(t, []string{"line 4", "line 5"}, linesOf(records))
	require.True(t, records[4].Time.Equal(time.Unix(4, 0)), records[4].Time)
	require.True(t, isComplete(t, records), "all of this boot has been read")
	require.Equal(t, map[string]int64{"overrun": 0, "queue_full": 0, "too_long": 0, "malformed": 0, "refused": 0}, lostRecords(t, r.reader))
}

func TestWhatWasOverwrittenMeanwhileIsLost(t *testing.T) {
	r := newRestarts(t)
	r.write(numbered(0, 3))
	r.run()
	r.write(numbered(10, 12))
	records := r.run()
	require.Equal(t, int64(6), lostRecords(t, r.reader)["overrun"], "4 to 9")
	require.Equal(t, pipeline.EventProblem, records[0].EventName)
	require.Contains(t, records[0].Problem.Message, "lost: 6 overwritten")
	require.Equal(t, []string{"line 10", "line 11", "line 12"}, linesOf(records))
	require.False(t, isComplete(t, records))

	r.write(numbered(10, 13))
	records = r.run()
	require.Equal(t, []string{"line 13"}, linesOf(records))
	require.False(t, isComplete(t, records), "what is lost stays lost")
	require.Equal(t, int64(0), lostRecords(t, r.reader)["overrun"], "it was told before")
}

func TestGapsOfBeforeAreNotCountedAgain(t *testing.T) {
	r := newRestarts(t)
	r.write("6,0,0,-;a\n6,4,0,-;b\n")
	r.run()
	require.Equal(t, int64(3), lostRecords(t, r.reader)["overrun"])
	r.write("6,0,0,-;a\n6,4,0,-;b\n6,7,0,-;c\n")
	records := r.run()
	require.Equal(t, int64(2), lostRecords(t, r.reader)["overrun"], "5 and 6 alone")
	require.Equal(t, []string{"a", "b"}, namesOf(records, pipeline.EventContext))
	require.Equal(t, []string{"c"}, linesOf(records))
}

// TestWhatTheLookbackSkippedIsNoContext: the first receiver never looked at it.
func TestWhatTheLookbackSkippedIsNoContext(t *testing.T) {
	r := newRestarts(t)
	r.config.Lookback, r.config.MinSeverity = pipeline.Lookback(5*time.Second), "info"
	r.write(numbered(990, 998) + "7,999,999000000,-;debug\n")
	require.Equal(t, []string{"line 995", "line 996", "line 997", "line 998"}, linesOf(r.run()))
	r.write(numbered(990, 998) + "7,999,999000000,-;debug\n" + numbered(1000, 1000))
	r.clock.Advance(time.Hour)
	records := r.run()
	require.Equal(t, []string{"line 995", "line 996", "line 997", "line 998"}, namesOf(records, pipeline.EventContext), "nor the filtered one")
	require.Equal(t, []string{"line 1000"}, linesOf(records))
	require.False(t, isComplete(t, records))
}

// TestLeftOutOnceIsNotComplete: that the filter is gone now does not bring back
// what it left out.
func TestLeftOutOnceIsNotComplete(t *testing.T) {
	r := newRestarts(t)
	r.config.MinSeverity = "err"
	r.write(numbered(0, 3))
	r.run()
	r.config.MinSeverity = ""
	require.False(t, isComplete(t, r.run()))
}

func TestAnotherBootOrPathIsAFirstStart(t *testing.T) {
	for name, change := range map[string]func(r *restarts){
		"another boot": func(r *restarts) { r.settings.Boot.ID = "another" },
		"another path": func(r *restarts) { r.config.Path = "/dev/other" },
		"no boot id":   func(r *restarts) { r.settings.Boot.ID = "" },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRestarts(t)
			r.write(numbered(0, 3))
			r.run()
			change(r)
			r.write(numbered(0, 2))
			receiver := newReceiver(t, r.settings, r.config, &pipelinetest.Sink{})
			require.NoError(t, receiver.Resume(r.kept))
			require.Nil(t, receiver.Keep(), "nothing is known yet")
			sink := &pipelinetest.Sink{}
			receiver = newReceiver(t, r.settings, r.config, sink)
			require.NoError(t, receiver.Resume(r.kept))
			require.NoError(t, receiver.Start(t.Context()))
			sink.WaitFor(t, "the end of the backlog", hasBacklogEnd)
			shutdown(t, receiver)
			require.Equal(t, []string{"line 0", "line 1", "line 2"}, sink.Lines())
			require.Empty(t, namesOf(sink.Records(), pipeline.EventContext))
		})
	}
}

// TestALogWithSmallerNumbersIsAnotherLog: it is not skipped, and its places are new.
func TestALogWithSmallerNumbersIsAnotherLog(t *testing.T) {
	r := newRestarts(t)
	r.write(numbered(0, 9))
	before := r.run()
	for generation := range uint64(2) {
		r.write(numbered(0, int(3-generation)))
		records := r.run()
		require.Len(t, linesOf(records), int(4-generation))
		require.Empty(t, namesOf(records, pipeline.EventContext))
		require.Equal(t, generation+1, records[0].Place.Generation)
		require.NotEqual(t, before[0].Place, records[0].Place)
		require.True(t, isComplete(t, records))
	}
	records := r.run()
	require.Empty(t, linesOf(records), "from there on it goes on as ever")
	require.Len(t, namesOf(records, pipeline.EventContext), 3)
	require.Equal(t, uint64(2), records[0].Place.Generation)
}

func TestResumeRefuses(t *testing.T) {
	r := newRestarts(t)
	r.write(numbered(0, 1))
	for name, text := range map[string]string{
		"no JSON":              `{`,
		"first behind next":    `"started_ns": 1, "position": {"first": 5, "next": 4}`,
		"a next that is none":  `"started_ns": 1, "position": {"first": 5, "next": 18446744073709551615}`,
		"no start":             `"position": {"first": 5, "next": 6}`,
		"offsets without end":  `"started_ns": 1, "offsets": {"wall_ns": 9223372036854775807}`,
		"losses without end":   `"started_ns": 1, "untold": {"overrun": 18446744073709551615}`,
		"a negative loss":      `"started_ns": 1, "untold": {"overrun": -1}`,
		"a start before start": `"started_ns": -5`,
	} {
		t.Run(name, func(t *testing.T) {
			receiver := newReceiver(t, r.settings, r.config, &pipelinetest.Sink{})
			require.ErrorContains(t, receiver.Resume(fmt.Appendf(nil, `{"boot_id": %q, "source": "kmsg", %s}`, pipelinetest.BootID, text)), "kept position")
			require.Nil(t, receiver.Keep())
		})
	}
}

// FuzzResume: whatever was kept, all lines from the position on come.
func FuzzResume(f *testing.F) {
	f.Add([]byte(`{"boot_id": "` + pipelinetest.BootID + `", "source": "kmsg", "started_ns": 5, "offsets": {"wall_ns": 7, "boot_ns": -9}, "position": {"first": 1, "next": 2, "complete": true}, "untold": {"overrun": 3}}`))
	f.Add([]byte(`{"boot_id": "` + pipelinetest.BootID + `", "source": "kmsg", "started_ns": 1, "generation": 18446744073709551615, "position": {"first": 1, "next": 9223372036854775807}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		settings := pipelinetest.Settings(t, "kmsg")
		settings.Host = host(t, numbered(0, 9))
		sink := &pipelinetest.Sink{}
		receiver := newReceiver(t, settings, kmsg.DefaultConfig(), sink)
		if receiver.Resume(text) != nil {
			require.Nil(t, receiver.Keep())
		}
		require.NoError(t, receiver.Start(t.Context()))
		sink.WaitFor(t, "the end of the backlog", hasBacklogEnd)
		shutdown(t, receiver)
		seen := len(sink.Lines()) + len(namesOf(sink.Records(), pipeline.EventContext))
		require.LessOrEqual(t, seen, 10)
		second := newReceiver(t, settings, kmsg.DefaultConfig(), sink)
		require.NoError(t, second.Resume(kept(t, receiver)), "what is kept can be read back")
	})
}

// TestARefusedBatchStaysBehindThePosition, and so does all that comes after it.
func TestARefusedBatchStaysBehindThePosition(t *testing.T) {
	for _, durable := range []bool{false, true} {
		r := newRestarts(t)
		r.write(numbered(0, 999))
		r.settings.Keeping.IsDurable = func() bool { return durable }
		r.reader = sdkmetric.NewManualReader()
		r.settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader)).Meter("test")
		batches, last := 0, make(chan struct{})
		receiver := newReceiver(t, r.settings, r.config, pipeline.ConsumerFunc(func(context.Context, []pipeline.Record) error {
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
		require.Contains(t, string(kept(t, receiver)), `"next":256`)
		require.Equal(t, map[bool]int64{false: 744, true: 0}[durable], lostRecords(t, r.reader)["refused"], "durable: it is read again")
	}
}

// TestKeepsBeforeAndWithoutAStart: a receiver that never came to anything keeps what
// it was given.
func TestKeepsBeforeAndWithoutAStart(t *testing.T) {
	r := newRestarts(t)
	receiver := newReceiver(t, r.settings, r.config, &pipelinetest.Sink{})
	require.Nil(t, receiver.Keep(), "neither started nor resumed")
	r.write(numbered(0, 3))
	r.run()
	receiver = newReceiver(t, r.settings, r.config, &pipelinetest.Sink{})
	require.NoError(t, receiver.Resume(r.kept))
	require.JSONEq(t, string(r.kept), string(kept(t, receiver)))

	require.NoError(t, os.Remove(r.settings.Host.Path(r.config.Path)))
	require.NoError(t, receiver.Start(t.Context()))
	require.JSONEq(t, string(r.kept), string(kept(t, receiver)), "the log cannot be read")
	shutdown(t, receiver)
	require.JSONEq(t, string(r.kept), string(kept(t, receiver)))
}

// TestWrittenSinceTheFirstStart is new, though the log can only be read by the
// second receiver.
func TestWrittenSinceTheFirstStart(t *testing.T) {
	r := newRestarts(t)
	r.config.Lookback = 0
	path := r.settings.Host.Path(r.config.Path)
	require.NoError(t, os.Remove(path))
	receiver := newReceiver(t, r.settings, r.config, &pipelinetest.Sink{})
	require.NoError(t, receiver.Start(t.Context()))
	shutdown(t, receiver)
	r.kept = kept(t, receiver)
	require.NotContains(t, string(r.kept), "position")
	r.clock.Advance(10 * time.Second)
	r.write(numbered(998, 1003))
	require.Equal(t, []string{"line 1001", "line 1002", "line 1003"}, linesOf(r.run()))
}

// TestUntoldLossesAreToldByTheNext: at most one record a second tells of losses.
func TestUntoldLossesAreToldByTheNext(t *testing.T) {
	r := newRestarts(t)
	r.write(numbered(0, 0) + numbered(5, 300) + numbered(310, 600))
	require.Len(t, namesOf(r.run(), pipeline.EventProblem), 1)
	require.Contains(t, string(r.kept), `"untold":{"overrun":9}`)
	records := r.run()
	at := slices.IndexFunc(records, func(record pipeline.Record) bool { return record.Problem != nil })
	require.Contains(t, records[at].Problem.Message, "lost: 9 overwritten")
	require.NotContains(t, string(r.kept), "untold")
}

// TestReceiversOfOnePathGoOnEach from their own positions, with one clock.
func TestReceiversOfOnePathGoOnEach(t *testing.T) {
	r := newRestarts(t)
	r.write(numbered(0, 3))
	r.run()
	early := r.kept
	r.write(numbered(0, 5))
	r.run()
	r.write(numbered(0, 7))
	r.clock.StepWall(500 * time.Millisecond)
	shared := newShared(r.settings)
	var sinks []*pipelinetest.Sink
	var receivers []*kmsg.Receiver
	for _, text := range [][]byte{early, r.kept, nil} {
		sinks = append(sinks, &pipelinetest.Sink{})
		receiver := newReceiverOf(t, shared, r.settings, r.config, sinks[len(sinks)-1])
		if text != nil {
			require.NoError(t, receiver.Resume(text))
		}
		require.NoError(t, receiver.Start(t.Context()))
		receivers = append(receivers, receiver)
	}
	for i, first := range []int{4, 6, 0} {
		sinks[i].WaitFor(t, "the end of the backlog", hasBacklogEnd)
		require.Len(t, sinks[i].Lines(), 8-first)
		require.Len(t, namesOf(sinks[i].Records(), pipeline.EventContext), first)
		for _, record := range sinks[i].Records()[:8] {
			require.True(t, record.Time.Equal(time.Unix(int64(record.Place.Position), 0)), record.Time)
		}
	}
	for _, receiver := range receivers {
		shutdown(t, receiver)
	}
}

func makeFIFO(t *testing.T, path string) *os.File {
	t.Helper()
	require.NoError(t, unix.Mkfifo(path, 0o600))
	writer, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = writer.Close() })
	return writer
}

// TestAFIFOGoesOn: what was read from it does not come again.
func TestAFIFOGoesOn(t *testing.T) {
	r := newRestarts(t)
	r.config.Path = "/dev/fifo"
	path := filepath.Join(r.settings.Host.Root, "dev/fifo")
	writer := makeFIFO(t, path)
	_, err := writer.WriteString(numbered(0, 3))
	require.NoError(t, err)
	require.Len(t, linesOf(r.run()), 4)
	_, err = writer.WriteString(numbered(4, 5))
	require.NoError(t, err)
	require.Equal(t, []string{"line 4", "line 5"}, linesOf(r.run()))
	_, err = writer.WriteString(numbered(0, 1))
	require.NoError(t, err)
	records := r.run()
	require.Equal(t, []string{"line 0", "line 1"}, linesOf(records), "somebody began anew")
	require.Equal(t, uint64(1), records[0].Place.Generation)
}
