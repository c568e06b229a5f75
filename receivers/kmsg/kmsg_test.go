package kmsg_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	source "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
	"github.com/otelnpd/otelnpd/receivers/kmsg"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host makes a host whose /dev/kmsg is a file with that content.
func host(t *testing.T, content string) pipeline.Host {
	t.Helper()
	h := pipeline.DefaultHost()
	h.Root = t.TempDir()
	require.NoError(t, os.Mkdir(h.Path("/dev"), 0o700))
	require.NoError(t, os.WriteFile(h.Path("/dev/kmsg"), []byte(content), 0o600))
	return h
}

func newReceiver(t *testing.T, settings pipeline.Settings, config *kmsg.Config, next pipeline.Consumer) *kmsg.Receiver {
	t.Helper()
	return newReceiverOf(t, newShared(settings), settings, config, next)
}

func newShared(settings pipeline.Settings) *source.Shared {
	return source.NewShared(source.Options{Logger: settings.Logger, Clock: settings.Clock})
}

func newReceiverOf(
	t *testing.T, shared *source.Shared, settings pipeline.Settings, config *kmsg.Config, next pipeline.Consumer,
) *kmsg.Receiver {
	t.Helper()
	receiver, err := kmsg.New(shared, settings, config, next)
	require.NoError(t, err)
	return receiver
}

func hasBacklogEnd(records []pipeline.Record) bool {
	for i := range records {
		if records[i].EventName == pipeline.EventBacklogEnd {
			return true
		}
	}
	return false
}

func shutdown(t *testing.T, receiver pipeline.Component) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(t, receiver.Shutdown(ctx))
}

// read runs a receiver over a file until the end of the backlog.
func read(t *testing.T, settings pipeline.Settings, config *kmsg.Config) []pipeline.Record {
	t.Helper()
	sink := &pipelinetest.Sink{}
	receiver := newReceiver(t, settings, config, sink)
	require.NoError(t, receiver.Start(t.Context()))
	sink.WaitFor(t, "the end of the backlog", hasBacklogEnd)
	shutdown(t, receiver)
	return sink.Records()
}

func TestRecords(t *testing.T) {
	settings := pipelinetest.Settings(t, "kmsg/1")
	settings.Host = host(t, "3,7,1500000,-; I/O error, dev sda \\x0a\n SUBSYSTEM=block\n DEVICE=b8:0\n12,8,1500001,-;user\n")
	clock := pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(1000, 0), Boot: 100 * time.Second})
	settings.Clock = clock
	records := read(t, settings, kmsg.DefaultConfig())

	place := func(n uint64) pipeline.Place {
		return pipeline.Place{Scope: pipelinetest.BootID, Source: "kmsg", Position: n}
	}
	require.Len(t, records, 3)
	first := records[0]
	require.Equal(t, "I/O error, dev sda", string(first.Body), "trimmed, without dictionary")
	require.Equal(t, log.SeverityError, first.Severity)
	require.Equal(t, "kmsg/1", first.Receiver)
	require.Equal(t, place(7), first.Place)
	require.Equal(t, pipeline.BootTime{ID: pipelinetest.BootID, At: 1500 * time.Millisecond}, first.Boot)
	require.True(t, first.Time.Equal(time.Unix(901, 500e6)), first.Time)
	require.Equal(t, time.Unix(1000, 0), first.ObservedTime)
	attributes := map[string]string{}
	for key, value := range first.Attributes.All() {
		attributes[key] = value.String()
	}
	require.Equal(t, map[string]string{
		"log.facility": "kern", "log.severity": "err", "kmsg.sequence": "7", "kmsg.timestamp_us": "1500000",
		"log.dictionary.SUBSYSTEM": "block", "log.dictionary.DEVICE": "b8:0",
	}, attributes)

	facility, _ := records[1].Attribute("log.facility")
	require.Equal(t, "user", facility.String())
	require.Equal(t, log.SeverityWarn, records[1].Severity)

	require.Equal(t, pipeline.EventBacklogEnd, records[2].EventName)
	require.Equal(t, "kmsg/1", records[2].Receiver)
	require.Equal(t, pipeline.BootTime{ID: pipelinetest.BootID, At: 100 * time.Second}, records[2].Boot)
}

// TestFirstRecord is NPD's rule: max(boot + delay, now − lookback).
func TestFirstRecord(t *testing.T) {
	var content strings.Builder
	for i := range 10 { // one every ten seconds, the last at 90 s
		fmt.Fprintf(&content, "6,%d,%d,-;line %d\n", i, i*10_000_000, i)
	}
	h := host(t, content.String())
	for name, c := range map[string]struct {
		lookback pipeline.Lookback
		delay    time.Duration
		first    int
	}{
		"this boot":                  {pipeline.LookbackBoot, 0, 0},
		"after a delay":              {pipeline.LookbackBoot, 30 * time.Second, 3},
		"a time":                     {pipeline.Lookback(25 * time.Second), 0, 8},
		"exactly a time":             {pipeline.Lookback(30 * time.Second), 0, 7},
		"longer than this boot":      {pipeline.Lookback(time.Hour), 0, 0},
		"the delay is the later one": {pipeline.Lookback(50 * time.Second), 75 * time.Second, 8},
		"the time is the later one":  {pipeline.Lookback(25 * time.Second), 30 * time.Second, 8},
		"from now on":                {0, 0, 10},
	} {
		t.Run(name, func(t *testing.T) {
			settings := pipelinetest.Settings(t, "kmsg")
			settings.Host = h
			settings.Clock = pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(1000, 0), Boot: 100 * time.Second})
			config := kmsg.DefaultConfig()
			config.Lookback, config.Delay = c.lookback, c.delay
			want := []string{}
			for i := c.first; i < 10; i++ {
				want = append(want, fmt.Sprintf("line %d", i))
			}
			got := []string{}
			for _, record := range read(t, settings, config) {
				if record.IsLine() {
					got = append(got, string(record.Body))
				}
			}
			require.Equal(t, want, got)
		})
	}
}

func TestFilters(t *testing.T) {
	h := host(t, "0,1,1,-;kern emerg\n4,2,1,-;kern warning\n6,3,1,-;kern info\n12,4,1,-;user warning\n30,5,1,-;daemon info\n27,6,1,-;daemon err\n")
	for name, c := range map[string]struct {
		facilities []kmsg.Facility
		severity   kmsg.Severity
		want       []string
	}{
		"all":              {nil, "", []string{"kern emerg", "kern warning", "kern info", "user warning", "daemon info", "daemon err"}},
		"the kernel's own": {[]kmsg.Facility{"kern"}, "", []string{"kern emerg", "kern warning", "kern info"}},
		"two facilities":   {[]kmsg.Facility{"user", "daemon"}, "", []string{"user warning", "daemon info", "daemon err"}},
		"grave ones":       {nil, "err", []string{"kern emerg", "daemon err"}},
		"both":             {[]kmsg.Facility{"kern"}, "warning", []string{"kern emerg", "kern warning"}},
	} {
		t.Run(name, func(t *testing.T) {
			settings := pipelinetest.Settings(t, "kmsg")
			settings.Host = h
			config := kmsg.DefaultConfig()
			config.Facilities, config.MinSeverity = c.facilities, c.severity
			require.NoError(t, config.Validate())
			got := []string{}
			for _, record := range read(t, settings, config) {
				if record.IsLine() {
					got = append(got, string(record.Body))
				}
			}
			require.Equal(t, c.want, got)
		})
	}
}

// lostRecords collects otelnpd.receiver.lost_records by reason.
func lostRecords(t *testing.T, reader sdkmetric.Reader) map[string]int64 {
	t.Helper()
	return byReason(t, reader, "otelnpd.receiver.lost_records")
}

func byReason(t *testing.T, reader sdkmetric.Reader, name string) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	lost := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			sum, ok := m.Data.(metricdata.Sum[int64])
			require.True(t, ok)
			for _, point := range sum.DataPoints {
				reason, _ := point.Attributes.Value("reason")
				receiver, _ := point.Attributes.Value("receiver")
				require.Equal(t, "kmsg", receiver.AsString())
				lost[reason.AsString()] = point.Value
			}
		}
	}
	return lost
}

func TestLossIsToldAndCounted(t *testing.T) {
	settings := pipelinetest.Settings(t, "kmsg")
	settings.Host = host(t, "6,1,1,-;a\n6,4,1,-;b\n6,5,1,-;"+strings.Repeat("x", 9000)+"\n7,x,junk\n6,7,1,-;c\n")
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	settings.Meter = provider.Meter("test")
	newReceiver(t, settings, kmsg.DefaultConfig(), &pipelinetest.Sink{})
	require.Equal(t, map[string]int64{"overrun": 0, "queue_full": 0, "too_long": 0, "malformed": 0, "refused": 0},
		lostRecords(t, reader), "zeros from the start")

	records := read(t, settings, kmsg.DefaultConfig())
	require.Equal(t, map[string]int64{"overrun": 2, "queue_full": 0, "too_long": 1, "malformed": 1, "refused": 0}, lostRecords(t, reader))
	var told []pipeline.Record
	for _, record := range records {
		if record.EventName == pipeline.EventProblem {
			told = append(told, record)
		}
	}
	require.Len(t, told, 1, "at most one a batch")
	problem := told[0].Problem
	require.Equal(t, "otelnpd/kmsg-records-lost", problem.Rule)
	require.Equal(t, "KernelLogRecordsLost", problem.Reason)
	require.Equal(t, "kernel log records were lost: 2 overwritten by the kernel before they were read, 1 too long, 1 malformed", problem.Message)
	require.Equal(t, log.SeverityWarn, problem.Severity)
	require.Equal(t, pipeline.StateProblem, problem.State)
	require.Equal(t, 1, problem.Count)
	require.Empty(t, problem.Condition)
	require.Equal(t, pipeline.ProblemUID("node-1", told[0].Place, problem.Rule), problem.UID)
	require.Equal(t, []string{"a", "b", "c"}, linesOf(records))
}

func linesOf(records []pipeline.Record) (lines []string) {
	for _, record := range records {
		if record.IsLine() {
			lines = append(lines, string(record.Body))
		}
	}
	return lines
}

func TestRefusedLinesAreCounted(t *testing.T) {
	settings := pipelinetest.Settings(t, "kmsg")
	settings.Host = host(t, "6,1,1,-;a\n6,2,1,-;b\n")
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	settings.Meter = provider.Meter("test")
	refused := make(chan struct{}, 10)
	receiver := newReceiver(t, settings, kmsg.DefaultConfig(), pipeline.ConsumerFunc(func(context.Context, []pipeline.Record) error {
		refused <- struct{}{}
		return errors.New("shutting down")
	}))
	require.NoError(t, receiver.Start(t.Context()))
	<-refused
	shutdown(t, receiver)
	require.Equal(t, int64(2), lostRecords(t, reader)["refused"])
}

func TestStatus(t *testing.T) {
	settings := pipelinetest.Settings(t, "kmsg")
	settings.Host = host(t, "")
	statuses := &pipelinetest.Statuses{}
	settings.Report = statuses.Report
	receiver := newReceiver(t, settings, kmsg.DefaultConfig(), &pipelinetest.Sink{})
	require.NoError(t, receiver.Start(t.Context()))
	require.Equal(t, pipeline.Status{State: pipeline.ComponentOK}, statuses.Last(), "known when Start returns")
	shutdown(t, receiver)

	require.NoError(t, os.Remove(settings.Host.Path("/dev/kmsg")))
	receiver = newReceiver(t, settings, kmsg.DefaultConfig(), &pipelinetest.Sink{})
	require.NoError(t, receiver.Start(t.Context()), "a missing source is degraded, not fatal")
	status := statuses.Last()
	require.Equal(t, pipeline.ComponentDegraded, status.State)
	require.Contains(t, status.Reason, settings.Host.Path("/dev/kmsg"))
	require.Contains(t, status.Remedy, "run privileged or grant device 1:11")
	require.ErrorIs(t, status.Err, fs.ErrNotExist)
	shutdown(t, receiver)
}

func TestFactory(t *testing.T) {
	settings := pipelinetest.Settings(t, "kmsg")
	factory := kmsg.NewFactory(source.NewShared(source.Options{Logger: settings.Logger, Clock: settings.Clock}))
	require.Equal(t, "kmsg", factory.Type)
	receiver, err := factory.Create(settings, factory.DefaultConfig(), &pipelinetest.Sink{})
	require.NoError(t, err)
	shutdown(t, receiver)
	_, err = factory.Create(settings, nil, &pipelinetest.Sink{})
	require.ErrorContains(t, err, "is not for receiver kmsg")
}

func TestContractOverAFile(t *testing.T) {
	var content strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&content, "6,%d,%d,-;line %d\n SUBSYSTEM=test\n", i, i, i)
	}
	h, shared := host(t, content.String()), newShared(pipelinetest.Settings(t, "kmsg"))
	pipelinetest.CheckReceiver(t, pipelinetest.ReceiverUnderTest{
		New: func(t *testing.T, next pipeline.Consumer) pipeline.Component {
			t.Helper()
			settings := pipelinetest.Settings(t, "kmsg")
			settings.Host = h
			settings.Keeping.IsDurable = func() bool { return true }
			return newReceiverOf(t, shared, settings, kmsg.DefaultConfig(), next)
		},
		AtLeast: 2000,
	})
}

// needKmsg skips a test where the kernel's log cannot be written; in CI it fails.
func needKmsg(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	if err != nil && os.Getenv("CI") != "true" {
		t.Skipf("needs a writable /dev/kmsg: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	lock, err := os.OpenFile("/tmp/otelnpd-kmsg.lock", os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { _ = lock.Close() })
	require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX)) // no burst of another test overwrites the ring meanwhile
	return f
}

func TestContractOverTheKernelLog(t *testing.T) {
	device, shared := needKmsg(t), newShared(pipelinetest.Settings(t, "kmsg"))
	pipelinetest.CheckReceiver(t, pipelinetest.ReceiverUnderTest{
		New: func(t *testing.T, next pipeline.Consumer) pipeline.Component {
			t.Helper()
			return newReceiverOf(t, shared, pipelinetest.Settings(t, "kmsg"), kmsg.DefaultConfig(), next)
		},
		Feed: func(t *testing.T, n int) {
			t.Helper()
			for i := range n {
				_, err := fmt.Fprintf(device, "otelnpd-test %s %d\n", t.Name(), i)
				require.NoError(t, err)
			}
		},
		AtLeast: 3,
	})
}

// TestFromNowOn takes what is written after Start and nothing of before: not by
// the clock, by which the first moments would be lost.
func TestFromNowOn(t *testing.T) {
	device := needKmsg(t)
	tag := fmt.Sprintf("otelnpd-test %s %d ", t.Name(), time.Now().UnixNano())
	say := func(text string) {
		_, err := device.WriteString(tag + text + "\n")
		require.NoError(t, err)
	}
	settings := pipelinetest.Settings(t, "kmsg")
	config := kmsg.DefaultConfig()
	config.Lookback = 0
	sink, all := &pipelinetest.Sink{}, &pipelinetest.Sink{}
	shared := source.NewShared(source.Options{Logger: settings.Logger, Clock: settings.Clock})
	receiver, err := kmsg.New(shared, settings, config, sink)
	require.NoError(t, err)
	settings.ID.Name = "all"
	second, err := kmsg.New(shared, settings, kmsg.DefaultConfig(), all)
	require.NoError(t, err)

	say("before")
	require.NoError(t, receiver.Start(t.Context()))
	say("after")
	require.NoError(t, second.Start(t.Context()))
	say("last")
	ends := func(records []pipeline.Record) bool {
		lines := linesOf(records)
		return hasBacklogEnd(records) && len(lines) > 0 && lines[len(lines)-1] == tag+"last"
	}
	sink.WaitFor(t, "the last line", ends)
	all.WaitFor(t, "the last line", ends)
	shutdown(t, receiver)
	shutdown(t, second)
	require.Equal(t, []string{"after", "last"}, tagged(sink.Lines(), tag))
	require.Equal(t, []string{"before", "after", "last"}, tagged(all.Lines(), tag))
	require.NotEqual(t, sink.Records()[0].Receiver, all.Records()[0].Receiver)
}

func tagged(lines []string, tag string) (found []string) {
	for _, line := range lines {
		if rest, ok := strings.CutPrefix(line, tag); ok {
			found = append(found, rest)
		}
	}
	return found
}

// TestAllocations: an ordinary line costs none.
func TestAllocations(t *testing.T) {
	const lines = 50_000
	var content strings.Builder
	for i := range lines {
		fmt.Fprintf(&content, "6,%d,%d,-;eth0: a line of ordinary length, with some words in it\n", i, i)
	}
	settings := pipelinetest.Settings(t, "kmsg")
	settings.Host = host(t, content.String())
	done := make(chan struct{})
	count := 0
	receiver := newReceiver(t, settings, kmsg.DefaultConfig(), pipeline.ConsumerFunc(func(_ context.Context, batch []pipeline.Record) error {
		count += len(batch)
		if batch[len(batch)-1].EventName == pipeline.EventBacklogEnd {
			close(done)
		}
		return nil
	}))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.NoError(t, receiver.Start(t.Context()))
	<-done
	runtime.ReadMemStats(&after)
	shutdown(t, receiver)
	require.Equal(t, lines+1, count)
	require.Less(t, after.Mallocs-before.Mallocs, uint64(lines/100))
}

func TestPathOfTheConfiguration(t *testing.T) {
	settings := pipelinetest.Settings(t, "kmsg")
	settings.Host = host(t, "6,1,1,-;a\n")
	config := kmsg.DefaultConfig()
	config.Path = "/dev/other"
	require.NoError(t, os.Rename(settings.Host.Path("/dev/kmsg"), filepath.Join(settings.Host.Root, "dev/other")))
	require.Equal(t, []string{"a"}, linesOf(read(t, settings, config)))
}

// TestCompleteBacklog: only a backlog that begins with the boot's first record and
// leaves nothing out can prove that something did not happen in this boot.
func TestCompleteBacklog(t *testing.T) {
	const whole = "6,0,0,-;first\n6,1,1000,-;second\n"
	lookback := kmsg.DefaultConfig()
	lookback.Lookback = pipeline.Lookback(time.Hour)
	kernelOnly := kmsg.DefaultConfig()
	kernelOnly.Facilities = []kmsg.Facility{"kern"}
	for name, c := range map[string]struct {
		content  string
		config   *kmsg.Config
		complete bool
	}{
		"from the boot's first record": {whole, kmsg.DefaultConfig(), true},
		"older ones were overwritten":  {"6,7,0,-;seventh\n", kmsg.DefaultConfig(), false},
		"one is missing":               {"6,0,0,-;first\n6,2,1000,-;third\n", kmsg.DefaultConfig(), false},
		"read back for a time only":    {whole, lookback, false},
		"some are left out":            {whole, kernelOnly, false},
	} {
		t.Run(name, func(t *testing.T) {
			settings := pipelinetest.Settings(t, "kmsg")
			settings.Host = host(t, c.content)
			records := read(t, settings, c.config)
			mark := records[len(records)-1]
			require.Equal(t, pipeline.EventBacklogEnd, mark.EventName)
			complete, _ := mark.Attribute(pipeline.AttributeBacklogComplete)
			require.Equal(t, c.complete, complete.AsBool())
		})
	}
}

func TestSkippedLinesAreCounted(t *testing.T) {
	settings := pipelinetest.Settings(t, "kmsg")
	settings.Host = host(t, "6,0,1000000,-;too early\n12,1,40000000,-;by a process\n3,2,50000000,-;by the kernel\n")
	reader := sdkmetric.NewManualReader()
	settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
	config := kmsg.DefaultConfig()
	config.Delay, config.Facilities = 30*time.Second, []kmsg.Facility{"kern"}
	read(t, settings, config)
	require.Equal(t, map[string]int64{"delay": 1, "filter": 1, "lookback": 0},
		byReason(t, reader, "otelnpd.receiver.skipped_records"))
}

// TestPlacesOfSeveralLogs: two logs number their records from 0 each.
func TestPlacesOfSeveralLogs(t *testing.T) {
	places := map[pipeline.Place]bool{}
	for _, path := range []string{"/a", "/b"} {
		settings := pipelinetest.Settings(t, "kmsg")
		settings.Host.Root = t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(settings.Host.Root, path), []byte("6,0,0,-;first\n"), 0o600))
		config := kmsg.DefaultConfig()
		config.Path = path
		places[read(t, settings, config)[0].Place] = true
	}
	require.Len(t, places, 2)
}

// TestLogThatComesLate: what was written after the start is not backlog, though
// the log could not be read then.
func TestLogThatComesLate(t *testing.T) {
	settings := pipelinetest.Settings(t, "kmsg")
	settings.Host = host(t, "")
	path := filepath.Join(settings.Host.Root, "dev/kmsg")
	require.NoError(t, os.Remove(path))
	clock := pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(1000, 0), Boot: 100 * time.Second})
	settings.Clock = clock
	config := kmsg.DefaultConfig()
	config.Lookback = 0
	sink := &pipelinetest.Sink{}
	receiver := newReceiver(t, settings, config, sink)
	require.NoError(t, receiver.Start(t.Context()))
	clock.Advance(5 * time.Second)
	require.NoError(t, os.WriteFile(path, []byte("6,0,99000000,-;before the start\n6,1,101000000,-;after the start\n"), 0o600))
	sink.WaitFor(t, "the end of the backlog", hasBacklogEnd)
	shutdown(t, receiver)
	require.Equal(t, []string{"after the start"}, sink.Lines())
}
