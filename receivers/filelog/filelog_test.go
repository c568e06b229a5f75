package filelog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/receivers/filelog"
)

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

// A dot matches no end of a line, whether the expression is found the quick way or not.
func TestTheMessageOfSeveralLines(t *testing.T) {
	for pattern, want := range map[string]string{
		`app: (.*)`: "panic", `app: +(.*)`: "panic", `(?s)app: (.*)`: "panic\n\tmain.go:5", `(?s)app: +(.*)`: "panic\n\tmain.go:5",
	} {
		r := newRig(t)
		r.config.Message, r.config.Multiline.Start, r.config.StartAt = pattern, "^app", filelog.StartAtBeginning
		r.write("var/log/app.log", "app: panic\n\tmain.go:5\napp: next\n")
		r.start()
		require.Equal(t, want, string(r.waitLines(1)[0].Body), pattern)
		r.stop()
	}
}

// The name of a file is any bytes: what is kept of it is known again, and what is passed
// on of it is text.
func TestAPathThatIsNoText(t *testing.T) {
	r := newRig(t)
	r.config.Include, r.config.StartAt = []string{"/var/log/*.log"}, filelog.StartAtBeginning
	const name, other = "var/log/caf\xe9.log", "var/log/caf\xe8.log"
	r.write(name, "one\n")
	r.write(other, "one\n")
	lines := named(r.run(), "")
	require.Equal(t, []string{"one", "one"}, bodies(lines))
	require.NotEqual(t, lines[0].Place, lines[1].Place)
	require.True(t, utf8.ValidString(lines[1].Place.Source))
	path, _ := lines[1].Attribute("log.file.path")
	require.Equal(t, `"/var/log/caf\xe9.log"`, path.AsString())
	base, _ := lines[1].Attribute("log.file.name")
	require.Equal(t, `"caf\xe9.log"`, base.AsString())
	r.write(name, "two\n")
	require.NoError(t, os.Rename(r.settings.Host.Path(name), r.settings.Host.Path(name+".1")))
	r.write(name, "three\n")
	require.Equal(t, []string{"two", "three"}, bodies(named(r.run(), "")))
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
