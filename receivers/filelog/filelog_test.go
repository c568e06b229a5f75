package filelog_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/receivers/filelog"
)

// rig is a host with logs, and a receiver that is started again and again.
type rig struct {
	t        *testing.T
	settings pipeline.Settings
	config   *filelog.Config
	clock    *pipelinetest.Clock
	statuses *pipelinetest.Statuses
	reader   *sdkmetric.ManualReader
	kept     []byte
	receiver *filelog.Receiver
	sink     *pipelinetest.Sink
}

// booted is when the rig's host did, and now the time on its clock.
var (
	booted = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	now    = booted.Add(3 * time.Hour)
)

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, settings: pipelinetest.Settings(t, "filelog/1"), config: filelog.DefaultConfig(), statuses: &pipelinetest.Statuses{}}
	r.settings.Host.Root = t.TempDir()
	for _, dir := range []string{"etc", "var/log"} {
		require.NoError(t, os.MkdirAll(r.settings.Host.Path(dir), 0o700))
	}
	r.write("etc/machine-id", "machine-1\n")
	r.clock = pipelinetest.NewClock(pipeline.Instant{Wall: now, Boot: now.Sub(booted)})
	r.settings.Clock, r.settings.Report = r.clock, r.statuses.Report
	r.settings.Keeping.IsDurable = func() bool { return true }
	r.config.Include, r.config.TimeZone = []string{"/var/log/app.log"}, "UTC"
	return r
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	appendTo(r.t, r.settings.Host.Path(name), text)
}

// start starts the next receiver, from where the one before had come to.
func (r *rig) start() {
	r.t.Helper()
	r.reader = sdkmetric.NewManualReader()
	r.settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader)).Meter("test")
	r.sink = &pipelinetest.Sink{}
	r.receiver = newReceiver(r.t, r.settings, r.config, r.sink)
	if r.kept != nil {
		require.NoError(r.t, r.receiver.Resume(r.kept))
	}
	require.NoError(r.t, r.receiver.Start(r.t.Context()))
}

func (r *rig) stop() {
	r.t.Helper()
	shutdown(r.t, r.receiver)
	encode := r.receiver.Keep()
	require.NotNil(r.t, encode)
	var err error
	r.kept, err = encode()
	require.NoError(r.t, err)
}

// run takes the backlog.
func (r *rig) run() []pipeline.Record {
	r.t.Helper()
	r.start()
	r.waitBacklog()
	r.stop()
	return r.sink.Records()
}

func (r *rig) waitBacklog() {
	r.t.Helper()
	r.sink.WaitFor(r.t, "the end of the backlog", func(records []pipeline.Record) bool {
		return len(records) > 0 && len(named(records, pipeline.EventBacklogEnd)) > 0
	})
}

func (r *rig) waitLines(n int) []pipeline.Record {
	r.t.Helper()
	r.sink.WaitFor(r.t, fmt.Sprint(n, " lines"), func(records []pipeline.Record) bool { return len(named(records, "")) >= n })
	return named(r.sink.Records(), "")
}

// passTimeUntil lets the clock go on while the receiver works.
func (r *rig) passTimeUntil(done func() bool) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		r.clock.Advance(500 * time.Millisecond)
		return done()
	}, 30*time.Second, 10*time.Millisecond)
}

func named(records []pipeline.Record, name string) (found []pipeline.Record) {
	for _, record := range records {
		if record.EventName == name {
			found = append(found, record)
		}
	}
	return found
}

func bodies(records []pipeline.Record) (texts []string) {
	for _, record := range records {
		texts = append(texts, string(record.Body))
	}
	return texts
}

// counted are the sums of a counter by its reason.
func (r *rig) counted(name string) map[string]int64 {
	r.t.Helper()
	var data metricdata.ResourceMetrics
	require.NoError(r.t, r.reader.Collect(r.t.Context(), &data))
	sums := map[string]int64{}
	for _, scope := range data.ScopeMetrics {
		for _, metric := range scope.Metrics {
			if metric.Name != name {
				continue
			}
			for _, point := range metric.Data.(metricdata.Sum[int64]).DataPoints {
				reason, _ := point.Attributes.Value("reason")
				sums[reason.AsString()] += point.Value
			}
		}
	}
	return sums
}

func TestRecord(t *testing.T) {
	r := newRig(t)
	r.config.Format = "klog"
	r.write("var/log/app.log", "I1128 14:59:58.000000 77 main.go:5] first\nE1128 14:59:59.250000 77 main.go:9] second\n")
	records := r.run()
	require.Len(t, records, 3)
	second := records[1]
	require.Equal(t, "second", string(second.Body))
	require.True(t, second.Time.Equal(now.Add(-750*time.Millisecond)), second.Time)
	require.True(t, second.ObservedTime.Equal(now))
	require.Equal(t, pipeline.BootTime{ID: pipelinetest.BootID, At: 3*time.Hour - 750*time.Millisecond}, second.Boot)
	require.Equal(t, log.SeverityError, second.Severity)
	require.Equal(t, "filelog/1", second.Receiver)
	require.Equal(t, pipeline.Place{Scope: "machine-1", Source: records[0].Place.Source, Position: 42}, second.Place)
	require.Regexp(t, `^file:/var/log/app\.log:[0-9a-f]{16}$`, second.Place.Source)
	var list []string
	for key, value := range second.Attributes.All() {
		list = append(list, key+"="+value.String())
	}
	require.Equal(t, []string{"log.file.path=/var/log/app.log", "log.file.name=app.log", "thread.id=77", "code.file.path=main.go", "code.line.number=9"}, list)
	_, ok := second.Attribute("none")
	require.False(t, ok)
	require.Equal(t, pipeline.EventBacklogEnd, records[2].EventName)
	complete, _ := records[2].Attribute(pipeline.AttributeBacklogComplete)
	require.False(t, complete.AsBool())
}

// A line may say any time: what is kept can be read back all the same.
func TestTimesThatNoClockShows(t *testing.T) {
	r := newRig(t)
	r.config.Format, r.config.StartAt = "json", filelog.StartAtBeginning
	for _, year := range []string{"0001", "1700", "2150", "9999"} {
		r.write("var/log/app.log", `{"time":"`+year+`-01-01T00:00:00+01:00","msg":"`+year+`"}`+"\n"+`{"msg":"behind"}`+"\n")
	}
	for _, record := range named(r.run(), "") {
		require.True(t, record.Time.Equal(now), "%s is of %s", record.Body, record.Time)
	}
	r.write("var/log/app.log", `{"msg":"new"}`+"\n")
	require.Equal(t, []string{"new"}, bodies(named(r.run(), "")))
}

// A node without a clock of its own boots in 1970, or a little before.
func TestAClockThatIsNotSetYet(t *testing.T) {
	r := newRig(t)
	r.clock = pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(59, 0), Boot: time.Minute})
	r.settings.Clock, r.config.StartAt = r.clock, filelog.StartAtBeginning
	r.write("var/log/app.log", "one\n")
	require.Equal(t, []string{"one"}, bodies(named(r.run(), "")))
	r.write("var/log/app.log", "two\n")
	require.Equal(t, []string{"two"}, bodies(named(r.run(), "")))
}

func stamped(at time.Time, text string) string {
	return at.UTC().Format("2006-01-02T15:04:05Z") + " h app: " + text + "\n"
}

// Where the first start begins.
func TestLookback(t *testing.T) {
	for name, tt := range map[string]struct {
		config  func(*filelog.Config)
		want    []string
		skipped map[string]int64
	}{
		"this boot": {func(*filelog.Config) {}, []string{"boot", "hour", "minute"}, map[string]int64{"lookback": 1}},
		"two hours": {func(c *filelog.Config) { c.Lookback = pipeline.Lookback(2 * time.Hour) }, []string{"hour", "minute"}, map[string]int64{"lookback": 2}},
		"ten hours": {func(c *filelog.Config) { c.Lookback = pipeline.Lookback(10 * time.Hour) }, []string{"boot", "hour", "minute"}, map[string]int64{"lookback": 1}},
		"now":       {func(c *filelog.Config) { c.Lookback = 0 }, nil, nil},
		"delay":     {func(c *filelog.Config) { c.Delay = 2*time.Hour + time.Second }, []string{"minute"}, map[string]int64{"lookback": 1, "delay": 2}},
		"beginning": {func(c *filelog.Config) { c.StartAt = filelog.StartAtBeginning }, []string{"old", "boot", "hour", "minute"}, nil},
		"end":       {func(c *filelog.Config) { c.StartAt = filelog.StartAtEnd }, nil, nil},
		"no times":  {func(c *filelog.Config) { c.Format = "plain" }, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.config.Format = "syslog"
			tt.config(r.config)
			r.write("var/log/app.log", stamped(booted.Add(-time.Hour), "old")+stamped(booted.Add(time.Second), "boot")+
				stamped(now.Add(-time.Hour), "hour")+stamped(now.Add(-time.Minute), "minute"))
			r.start()
			r.waitBacklog()
			require.Equal(t, tt.want, bodies(named(r.sink.Records(), "")))
			r.write("var/log/app.log", stamped(booted.Add(-time.Hour), "live, though old"))
			live := r.waitLines(len(tt.want) + 1)
			require.Contains(t, string(live[len(live)-1].Body), "live, though old")
			r.stop()
			for reason, want := range tt.skipped {
				require.Equal(t, want, r.counted("otelnpd.receiver.skipped_records")[reason], reason)
			}
		})
	}
}

// Another boot: what was written before it belongs to the one before.
func TestAnotherBoot(t *testing.T) {
	r := newRig(t)
	r.config.Format = "syslog"
	r.write("var/log/app.log", stamped(now.Add(-time.Minute), "first"))
	require.Len(t, r.run(), 2)
	r.write("var/log/app.log", stamped(now.Add(time.Minute), "last words"))
	r.clock = pipelinetest.NewClock(pipeline.Instant{Wall: now.Add(10 * time.Minute), Boot: time.Minute})
	r.settings.Clock, r.settings.Boot.ID = r.clock, "the next boot"
	r.write("var/log/app.log", stamped(now.Add(9*time.Minute+time.Second), "up again"))
	for range 2 {
		records := r.run()
		if lines := named(records, ""); len(lines) > 0 {
			require.Equal(t, []string{"last words", "up again"}, bodies(lines))
		}
		known := map[string]pipeline.BootTime{}
		for _, record := range records {
			known[string(record.Body)] = record.Boot
		}
		require.Equal(t, pipeline.BootTime{ID: pipelinetest.BootID, At: 3*time.Hour + time.Minute}, known["last words"])
		require.Equal(t, pipeline.BootTime{ID: "the next boot", At: time.Second}, known["up again"])
	}
}

// Lines without times have, as context, the times that they had.
func TestContextWithoutTimes(t *testing.T) {
	r := newRig(t)
	r.start()
	for i := range 5 {
		r.clock.Advance(time.Minute)
		r.write("var/log/app.log", fmt.Sprintf("line %d\n", i))
		r.passTimeUntil(func() bool { return len(named(r.sink.Records(), "")) > i })
	}
	r.stop()
	before := named(r.sink.Records(), "")
	r.clock.Advance(time.Hour)
	r.write("var/log/app.log", "line 5\n")
	r.run()
	again := named(r.sink.Records(), pipeline.EventContext)
	require.Equal(t, bodies(before), bodies(again))
	for i := range before {
		require.True(t, before[i].Time.Equal(again[i].Time), i)
		require.Equal(t, before[i].Boot, again[i].Boot, i)
		require.Equal(t, before[i].Place, again[i].Place, i)
	}
	last := named(r.sink.Records(), "")
	require.Equal(t, []string{"line 5"}, bodies(last))
	require.True(t, last[0].Time.Equal(r.clock.Now().Wall))
}

func TestRotatedAndCompressedMeanwhile(t *testing.T) {
	r := newRig(t)
	r.config.Format = "syslog"
	r.write("var/log/app.log", stamped(now, "one")+stamped(now, "two"))
	require.Len(t, r.run(), 3)
	r.write("var/log/app.log", stamped(now, "three"))
	path := r.settings.Host.Path("var/log/app.log")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err = w.Write(text)
	require.NoError(t, errors.Join(err, w.Close(), os.Remove(path)))
	r.write("var/log/app.log.1.gz", packed.String())
	time.Sleep(10 * time.Millisecond) // the kernel stamps files by its tick
	r.write("var/log/app.log", stamped(now, "four"))
	records := r.run()
	require.Equal(t, []string{"one", "two"}, bodies(named(records, pipeline.EventContext)))
	require.Equal(t, []string{"three", "four"}, bodies(named(records, "")))
}

func TestWhatIsGoneIsTold(t *testing.T) {
	r := newRig(t)
	r.config.Format = "syslog"
	r.write("var/log/app.log", stamped(now, "one"))
	r.run()
	require.NoError(t, os.Remove(r.settings.Host.Path("var/log/app.log")))
	r.write("var/log/app.log", stamped(now, "two"))
	r.start()
	r.passTimeUntil(func() bool { return len(named(r.sink.Records(), pipeline.EventProblem)) > 0 })
	r.stop()
	problem := named(r.sink.Records(), pipeline.EventProblem)[0].Problem
	require.Equal(t, filelog.RuleLost, problem.Rule)
	require.Contains(t, problem.Message, "1 rotated files of /var/log/app.log were gone")
	require.Equal(t, map[string]int64{"lost": 1, "truncated": 0}, r.counted("otelnpd.receiver.broken_files"))
	require.NotEmpty(t, (&filelog.Config{}).Declare().Rules)
}

func TestSkipUnparsedAndCut(t *testing.T) {
	r := newRig(t)
	r.config.Timestamp, r.config.TimestampFormat, r.config.Message = "^.{15}", "Jan _2 15:04:05", `kernel: (.*)`
	r.config.Unparsed, r.config.Skip, r.config.MaxLine = filelog.UnparsedSkip, []string{"audit"}, 256
	r.write("var/log/app.log", "Nov 28 14:59:00 h kernel: "+strings.Repeat("x", 300)+"\nNov 28 14:59:00 h kernel: taken\n"+
		"no time\nNov 28 14:59:01 h audit kernel: x\nNov 28 14:59:02 h other: x\n")
	require.Equal(t, []string{strings.Repeat("x", 256-26), "taken"}, bodies(named(r.run(), "")))
	require.Equal(t, map[string]int64{"lookback": 0, "delay": 0, "filter": 1, "unparsed": 2}, r.counted("otelnpd.receiver.skipped_records"))
	require.Equal(t, map[string]int64{"": 1}, r.counted("otelnpd.receiver.cut_lines"))
}

func TestMultiline(t *testing.T) {
	r := newRig(t)
	r.config.Format, r.config.Multiline.Start = "syslog", `^\d{4}-`
	r.write("var/log/app.log", "  a rest\n"+stamped(now, "panic: x")+"goroutine 1\n\tmain.go:5\n"+stamped(now, "next"))
	r.start()
	require.Equal(t, []string{"  a rest", "panic: x\ngoroutine 1\n\tmain.go:5"}, bodies(r.waitLines(2)))
	require.Empty(t, named(r.sink.Records(), pipeline.EventBacklogEnd), "the last record may go on")
	r.write("var/log/app.log", "goes on\n")
	r.passTimeUntil(func() bool { return len(named(r.sink.Records(), "")) > 2 })
	require.Equal(t, "next\ngoes on", string(r.waitLines(3)[2].Body))
	r.waitBacklog()
	r.stop()
}

// Lines of two streams stand between one another: what is read again for the sake of
// one is read again whole.
func TestPartsBetweenPartsAreReadAgainWhole(t *testing.T) {
	r := newRig(t)
	r.config.Format, r.config.StartAt = "cri", filelog.StartAtBeginning
	part := func(text string) { r.write("var/log/app.log", now.Format(time.RFC3339Nano)+" "+text+"\n") }
	part("stdout P one")
	part("stderr P two")
	part("stdout F  goes on")
	r.start()
	r.waitLines(1)
	r.stop()
	part("stderr F  too")
	r.start()
	lines := r.waitLines(1)
	r.stop()
	require.Equal(t, []string{"two too"}, bodies(lines))
	require.Equal(t, []string{"one goes on"}, bodies(named(r.sink.Records(), pipeline.EventContext)))
}

func TestPatterns(t *testing.T) {
	r := newRig(t)
	r.config.Include = []string{"/var/log/pods/*/*.log"}
	r.config.Exclude = []string{"/var/log/pods/*/not.log"}
	r.config.Format = "cri"
	r.start()
	r.waitBacklog()
	require.Equal(t, "no file matches /var/log/pods/*/*.log", r.statuses.Last().Reason)
	require.NoError(t, os.MkdirAll(r.settings.Host.Path("var/log/pods/a"), 0o700))
	line := now.Format(time.RFC3339Nano) + " stderr F "
	r.write("var/log/pods/a/0.log", line+"one\n")
	r.write("var/log/pods/a/not.log", line+"not\n")
	r.clock.Advance(6 * time.Second)
	r.passTimeUntil(func() bool { return len(named(r.sink.Records(), "")) > 0 })
	require.Equal(t, []string{"one"}, bodies(named(r.sink.Records(), "")))
	stream, _ := named(r.sink.Records(), "")[0].Attribute("log.iostream")
	require.Equal(t, "stderr", stream.AsString())
	r.stop()
	require.Equal(t, pipeline.ComponentOK, r.statuses.Last().State)
	r.write("var/log/pods/a/1.log", line+"two\n") // made while nobody looked
	require.Equal(t, []string{"two"}, bodies(named(r.run(), "")))
	require.Contains(t, string(r.kept), "/var/log/pods/a/1.log")

	require.NoError(t, os.RemoveAll(r.settings.Host.Path("var/log/pods")))
	r.start()
	r.passTimeUntil(func() bool { return r.statuses.Last().State == pipeline.ComponentDegraded })
	text, err := r.receiver.Keep()()
	require.NoError(t, err)
	require.Contains(t, string(text), "/var/log/pods/a", "it is known at once that nothing is read")
	r.passTimeUntil(func() bool { // what is gone for long is forgotten
		text, err := r.receiver.Keep()()
		return err == nil && !strings.Contains(string(text), "/var/log/pods/a")
	})
	r.stop()
}

// The kernel tells of what is written, made, renamed and switched.
func TestTheKernelTells(t *testing.T) {
	r := newRig(t)
	r.settings.Clock = pipeline.SystemClock{}
	r.config.Include = []string{"/var/log/app.log", "/var/log/link", "/var/log/sub/*.log"}
	require.NoError(t, os.MkdirAll(r.settings.Host.Path("var/log/sub"), 0o700))
	r.write("var/log/one", "")
	require.NoError(t, os.Symlink("/var/log/one", r.settings.Host.Path("var/log/link")))
	r.sink = &pipelinetest.Sink{}
	r.receiver = newReceiver(t, r.settings, r.config, r.sink)
	r.receiver.WaitForTheKernel()
	require.NoError(t, r.receiver.Start(t.Context()))
	r.waitBacklog()
	path := r.settings.Host.Path("var/log/app.log")
	begun, polls := time.Now(), 0
	for i, change := range []func(){
		func() { r.write("var/log/app.log", "made\n") },
		func() { r.write("var/log/app.log", "written\n") },
		func() {
			require.NoError(t, os.Rename(path, path+".1"))
			r.write("var/log/app.log", "made anew\n")
		},
		func() { r.write("var/log/one", "behind the symlink\n") },
		func() {
			r.write("var/log/two", "switched\n")
			require.NoError(t, os.Symlink("two", r.settings.Host.Path("var/log/new")))
			require.NoError(t, os.Rename(r.settings.Host.Path("var/log/new"), r.settings.Host.Path("var/log/link")))
		},
		func() {
			require.NoError(t, os.RemoveAll(r.settings.Host.Path("var/log")))
			require.NoError(t, os.MkdirAll(r.settings.Host.Path("var/log"), 0o700))
			r.write("var/log/app.log", "in a new directory\n")
		},
	} {
		change()
		r.waitLines(i + 1)
		polls++
	}
	require.Less(t, time.Since(begun), time.Duration(polls)*filelog.SlowPoll/2, "a busy machine may let one wait for the poll, not all")
	shutdown(t, r.receiver)
	require.Equal(t, []string{"made", "written", "made anew", "behind the symlink", "switched", "in a new directory"}, bodies(named(r.sink.Records(), "")))
}

// A pattern may match more than logs: what rotation made of those that are followed,
// directories, what is excluded by another.
func TestPatternsThatMatchTooMuch(t *testing.T) {
	r := newRig(t)
	r.config.Include, r.config.StartAt = []string{"/var/log/*", "/var/log/not.log"}, filelog.StartAtBeginning
	r.config.Exclude = []string{"/var/log/not*"}
	for _, name := range []string{"journal", "other"} {
		require.NoError(t, os.Mkdir(r.settings.Host.Path("var/log/"+name), 0o700))
	}
	require.NoError(t, os.Symlink("journal", r.settings.Host.Path("var/log/link")))
	for name, text := range map[string]string{"app.log": "three\n", "app.log.2.gz": "packed\n", "app.log.1": "two\n", "app.log-20261127": "one\n",
		"not.log": "not\n", "app.log-debug": "debug\n", "app": "app\n"} {
		r.write("var/log/"+name, text)
	}
	r.start()
	r.waitBacklog()
	require.ElementsMatch(t, []string{"three", "debug", "app"}, bodies(named(r.sink.Records(), "")))
	require.Equal(t, pipeline.ComponentOK, r.statuses.Last().State, r.statuses.Last().Reason)
	require.NoError(t, os.Rename(r.settings.Host.Path("var/log/app.log"), r.settings.Host.Path("var/log/app.log.3")))
	r.write("var/log/app.log.3", "four\n")
	r.clock.Advance(6 * time.Second) // the patterns are looked at before there is a new log
	r.waitLines(4)
	r.write("var/log/app.log", "five\n")
	r.passTimeUntil(func() bool { return len(named(r.sink.Records(), "")) > 4 })
	r.stop()
	require.ElementsMatch(t, []string{"three", "debug", "app", "four", "five"}, bodies(named(r.sink.Records(), "")))
}

// A file server that does not answer holds up neither the agent's start nor what waits
// for the backlog.
func TestAFileSystemThatHangs(t *testing.T) {
	r := newRig(t)
	r.config.StartAt = filelog.StartAtBeginning
	r.write("var/log/app.log", "one\n")
	r.sink = &pipelinetest.Sink{}
	receiver := newReceiver(t, r.settings, r.config, r.sink)
	answer := make(chan struct{})
	receiver.Hang(func() { <-answer })
	require.NoError(t, receiver.Start(t.Context()))
	require.Equal(t, "the file system of /var/log/app.log does not answer", r.statuses.Last().Reason)
	require.Len(t, named(r.sink.Records(), pipeline.EventBacklogEnd), 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	second := newReceiver(t, r.settings, r.config, &pipelinetest.Sink{})
	second.Hang(func() { <-answer })
	require.NoError(t, second.Start(t.Context()))
	require.Error(t, second.Shutdown(ctx), "it does not wait either")
	close(answer)
	require.Equal(t, []string{"one"}, bodies(r.waitLines(1)))
	r.passTimeUntil(func() bool { return r.statuses.Last().State == pipeline.ComponentOK })
	shutdown(t, receiver)
	shutdown(t, second)
	require.Len(t, named(r.sink.Records(), pipeline.EventBacklogEnd), 1)
}

// One that does not answer any more makes the receiver degraded, until it does: a file
// that nobody can read is not one without problems.
func TestAFileSystemThatHangsLater(t *testing.T) {
	r := newRig(t)
	r.write("var/log/app.log", "one\n")
	var hangs sync.RWMutex
	receiver := newReceiver(t, r.settings, r.config, &pipelinetest.Sink{})
	receiver.Hurry()
	receiver.Hang(func() {
		hangs.RLock()
		defer hangs.RUnlock()
	})
	require.NoError(t, receiver.Start(t.Context()))
	r.passTimeUntil(func() bool { return r.statuses.Last().State == pipeline.ComponentOK })
	hangs.Lock()
	r.passTimeUntil(func() bool { return r.statuses.Last().State == pipeline.ComponentDegraded })
	require.Equal(t, "the file system of /var/log/app.log does not answer", r.statuses.Last().Reason)
	hangs.Unlock()
	r.passTimeUntil(func() bool { return r.statuses.Last().State == pipeline.ComponentOK })
	shutdown(t, receiver)
}

// One busy file among many has the others looked at no more often than is cheap.
func TestManyFiles(t *testing.T) {
	r := newRig(t)
	r.config.Include = []string{"/var/log/*.log"}
	for i := range 500 {
		r.write(fmt.Sprintf("var/log/%d.log", i), "")
	}
	r.sink = &pipelinetest.Sink{}
	receiver := newReceiver(t, r.settings, r.config, r.sink)
	var asked atomic.Int64
	receiver.Hang(func() { asked.Add(1) })
	require.NoError(t, receiver.Start(t.Context()))
	r.waitBacklog()
	before := asked.Load()
	for begun := time.Now(); time.Since(begun) < time.Second; time.Sleep(time.Millisecond) {
		r.write("var/log/7.log", "line\n")
	}
	require.Less(t, asked.Load()-before, int64(500*25), "20 glances a second")
	require.NotEmpty(t, named(r.sink.Records(), ""))
	shutdown(t, receiver)
}

func TestStatus(t *testing.T) {
	r := newRig(t)
	r.start()
	require.Equal(t, pipeline.ComponentDegraded, r.statuses.Last().State)
	require.Contains(t, r.statuses.Last().Reason, "there is no ")
	r.write("var/log/app.log", "from the beginning\n")
	r.passTimeUntil(func() bool {
		return r.statuses.Last().State == pipeline.ComponentOK && len(named(r.sink.Records(), "")) > 0
	})
	require.Equal(t, []string{"from the beginning"}, bodies(named(r.sink.Records(), "")))
	r.stop()
}

// A file that could not be looked at when the agent first came to it was there all the
// same: its history is no news once it can be read, also for the next agent.
func TestHistoryThatBecomesReadable(t *testing.T) {
	for _, format := range []filelog.Format{"plain", "syslog"} {
		for _, restarts := range []bool{false, true} {
			r := newRig(t)
			r.clock.Advance(max(0, time.Since(now)) + time.Hour) // the file is older than what is kept
			r.config.Format = format
			path := r.settings.Host.Path("var/log/app.log")
			require.NoError(t, os.Symlink("app.log", path)) // nobody may look: as a right that is missing, which root does not know
			r.start()
			r.waitBacklog()
			require.Equal(t, pipeline.ComponentDegraded, r.statuses.Last().State)
			if restarts {
				r.stop()
			}
			r.write("var/log/history", stamped(booted.Add(-time.Hour), "of old"))
			require.NoError(t, os.Rename(r.settings.Host.Path("var/log/history"), path))
			if restarts {
				r.start()
			}
			r.passTimeUntil(func() bool { return r.statuses.Last().State == pipeline.ComponentOK })
			r.write("var/log/app.log", stamped(now, "new"))
			r.passTimeUntil(func() bool { return len(named(r.sink.Records(), "")) > 0 })
			r.stop()
			lines := bodies(named(r.sink.Records(), ""))
			require.Len(t, lines, 1, lines)
			require.Contains(t, lines[0], "new")
		}
	}
}

func TestTheHostsTimeZone(t *testing.T) {
	r := newRig(t)
	r.config.Format, r.config.TimeZone = "syslog", ""
	zone, err := os.ReadFile("/usr/share/zoneinfo/Europe/Berlin")
	require.NoError(t, err)
	dir := r.settings.Host.Path("usr/share/zoneinfo/Europe")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Berlin"), zone, 0o600))
	require.NoError(t, os.Symlink("/usr/share/zoneinfo/Europe/Berlin", r.settings.Host.Path("etc/localtime")))
	r.write("var/log/app.log", "Nov 28 15:59:00 h app: x\n")
	require.True(t, r.run()[0].Time.Equal(now.Add(-time.Minute)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Berlin"), []byte("damaged"), 0o600))
	r.run() // the disk that dies is to be reported
	r.config.TimeZone = "Mars/Olympus"
	receiver := newReceiver(t, r.settings, r.config, &pipelinetest.Sink{})
	require.ErrorContains(t, receiver.Start(t.Context()), "find the time zone")
}

// A slow pipeline makes the reading wait, and loses nothing.
func TestBackPressure(t *testing.T) {
	r := newRig(t)
	r.config.StartAt = filelog.StartAtBeginning
	release := make(chan struct{})
	r.sink = &pipelinetest.Sink{Gate: func(ctx context.Context) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	for i := range 20_000 {
		if i%1000 == 0 {
			r.write("var/log/app.log", strings.Repeat(fmt.Sprintf("%d\n", i), 1000))
		}
	}
	receiver := newReceiver(t, r.settings, r.config, r.sink)
	require.NoError(t, receiver.Start(t.Context()))
	close(release)
	r.waitLines(20_000)
	shutdown(t, receiver)
	require.Len(t, named(r.sink.Records(), ""), 20_000)
}

// The log of a pod that ends goes with it, however much of it is still to be read.
func TestADeletedFileOfAPatternIsReadToItsEnd(t *testing.T) {
	r := newRig(t)
	r.config.Include, r.config.StartAt = []string{"/var/log/*.log"}, filelog.StartAtBeginning
	release := make(chan struct{})
	r.sink = &pipelinetest.Sink{Gate: func(context.Context) error { <-release; return nil }}
	const lines = 500 // more than is read before other things are seen to
	r.write("var/log/app.log", strings.Repeat(strings.Repeat("x", 30<<10)+"\n", lines))
	receiver := newReceiver(t, r.settings, r.config, r.sink)
	receiver.Hurry()
	receiver.ForgetAtOnce()
	require.NoError(t, receiver.Start(t.Context()))
	require.NoError(t, os.Remove(r.settings.Host.Path("var/log/app.log")))
	close(release)
	r.passTimeUntil(func() bool { return len(named(r.sink.Records(), pipeline.EventBacklogEnd)) > 0 })
	shutdown(t, receiver)
	require.Equal(t, lines, len(named(r.sink.Records(), ""))) //nolint:testifylint // Len would print them
}

func TestARefusedBatchIsCounted(t *testing.T) {
	for _, durable := range []bool{false, true} {
		r := newRig(t)
		r.config.StartAt = filelog.StartAtBeginning
		r.write("var/log/app.log", strings.Repeat("x\n", 1000))
		r.reader = sdkmetric.NewManualReader()
		r.settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader)).Meter("test")
		r.settings.Keeping.IsDurable = func() bool { return durable }
		refused := make(chan struct{})
		batches := 0
		receiver := newReceiver(t, r.settings, r.config, pipeline.ConsumerFunc(func(context.Context, []pipeline.Record) error {
			if batches++; batches == 2 {
				close(refused)
				return errors.New("shutting down")
			}
			return nil
		}))
		require.NoError(t, receiver.Start(t.Context()))
		<-refused
		shutdown(t, receiver)
		require.Equal(t, 2, batches)
		text, err := receiver.Keep()()
		require.NoError(t, err)
		require.Contains(t, string(text), `"told":511`)
		require.Equal(t, map[bool]bool{false: true, true: false}[durable], r.counted("otelnpd.receiver.lost_records")["refused"] > 0)
	}
}
