package filelog_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/receivers/filelog"
)

// cpu is the processor time of this process in seconds.
func cpu() float64 {
	var usage unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// readAll has a receiver read a file, and returns the processor time of that.
func readAll(b *testing.B, config *filelog.Config, lines int) float64 {
	b.Helper()
	begin, count, done := cpu(), 0, make(chan struct{})
	receiver, err := filelog.New(pipelinetest.Settings(b, "filelog"), config, pipeline.ConsumerFunc(func(_ context.Context, batch []pipeline.Record) error {
		for i := range batch {
			if batch[i].IsLine() {
				count++
			}
		}
		if count == lines {
			count++
			close(done)
		}
		return nil
	}))
	require.NoError(b, err)
	require.NoError(b, receiver.Start(context.Background()))
	<-done
	took := cpu() - begin
	require.NoError(b, receiver.Shutdown(context.Background()))
	return took
}

func scanAll(b *testing.B, path string, lines int) float64 {
	b.Helper()
	begin, count := cpu(), 0
	in, err := os.Open(path)
	require.NoError(b, err)
	scanner := bufio.NewScanner(in)
	for scanner.Scan() {
		count++
	}
	require.NoError(b, in.Close())
	require.Equal(b, lines, count)
	return cpu() - begin
}

// benchForms are lines of about 90 bytes in all the forms, and how they are read.
var benchForms = []struct {
	name      string
	line      func(at time.Time, number int) string
	configure func(*filelog.Config)
}{
	{"plain", func(at time.Time, n int) string {
		return fmt.Sprintf("%s node-1 kernel: an ordinary line of about ninety bytes in all, number %d\n", at.Format(time.RFC3339Nano), n)
	}, nil},
	{"npd", func(at time.Time, n int) string { // by regular expressions, as node-problem-detector reads it
		return fmt.Sprintf("%s node-1 kernel: [%5d.123456] an ordinary line of about ninety bytes, number %d\n", at.Format(time.Stamp), n, n)
	}, func(c *filelog.Config) {
		c.Timestamp, c.TimestampFormat, c.Message = "^.{15}", "Jan _2 15:04:05", `kernel: \[.*\] (.*)`
	}},
	{"syslog", func(at time.Time, n int) string {
		return fmt.Sprintf("%s node-1 app[77]: an ordinary line of about ninety bytes in all, number %d\n", at.Format("2006-01-02T15:04:05.000000Z07:00"), n)
	}, nil},
	{"kern.log", func(at time.Time, n int) string {
		return fmt.Sprintf("%s node-1 kernel: [%5d.123456] an ordinary line of about ninety bytes, number %d\n", at.Format(time.Stamp), n, n)
	}, func(c *filelog.Config) { c.Format = "syslog" }},
	{"klog", func(at time.Time, n int) string {
		return fmt.Sprintf("I%s 1 main.go:100] an ordinary line of about ninety bytes, number %d\n", at.Format("0102 15:04:05.000000"), n)
	}, nil},
	{"cri", func(at time.Time, n int) string {
		return fmt.Sprintf("%s stdout F an ordinary line of about ninety bytes in all, number %d\n", at.Format(time.RFC3339Nano), n)
	}, nil},
	{"docker", func(at time.Time, n int) string {
		return fmt.Sprintf(`{"log":"a line, number %d\n","stream":"stdout","time":"%s"}`+"\n", n, at.Format(time.RFC3339Nano))
	}, nil},
	{"logfmt", func(at time.Time, n int) string {
		return fmt.Sprintf("time=%q level=info msg=\"an ordinary line\" id=%d\n", at.Format(time.RFC3339Nano), n)
	}, nil},
	{"json", func(at time.Time, n int) string {
		return fmt.Sprintf(`{"level":"info","ts":%q,"msg":"an ordinary line","n":%d}`+"\n", at.Format(time.RFC3339Nano), n)
	}, nil},
}

// BenchmarkFilelog reads a file by the receiver, each line as a record through a
// pipeline that does nothing, and in turn by a loop over bufio.Scanner.
func BenchmarkFilelog(b *testing.B) {
	const lines = 500_000
	for _, form := range benchForms {
		b.Run(form.name, func(b *testing.B) {
			path := b.TempDir() + "/log"
			var text strings.Builder
			for i, at := 0, time.Now().UTC(); i < lines; i++ {
				at = at.Add(time.Millisecond)
				text.WriteString(form.line(at, i))
			}
			require.NoError(b, os.WriteFile(path, []byte(text.String()), 0o600))
			config := filelog.DefaultConfigFor(path)
			config.StartAt, config.TimeZone = filelog.StartAtBeginning, "UTC"
			if form.configure == nil {
				config.Format = filelog.Format(form.name)
			} else {
				form.configure(config)
			}
			var own, plain float64
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for b.Loop() {
				own += readAll(b, config, lines)
				plain += scanAll(b, path, lines)
			}
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(b.N)*lines/own, "lines/cpu-s")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N)/lines, "allocs/line")
			b.ReportMetric(100*plain/own, "%-of-scanner")
		})
	}
}

// BenchmarkFilelogIdle follows a file that nobody writes.
func BenchmarkFilelogIdle(b *testing.B) {
	const span = 5 * time.Second
	path := b.TempDir() + "/log"
	require.NoError(b, os.WriteFile(path, []byte("one line\n"), 0o600))
	receiver, err := filelog.New(pipelinetest.Settings(b, "filelog"), filelog.DefaultConfigFor(path), &pipelinetest.Sink{})
	require.NoError(b, err)
	var looks atomic.Int64
	receiver.OnLook(func() { looks.Add(1) })
	require.NoError(b, receiver.Start(b.Context()))
	time.Sleep(time.Second) // what a start does is over
	looks.Store(0)
	var took float64
	for b.Loop() {
		begin := cpu()
		time.Sleep(span)
		took += cpu() - begin
	}
	require.NoError(b, receiver.Shutdown(b.Context()))
	seconds := float64(b.N) * span.Seconds()
	b.ReportMetric(float64(looks.Load())/seconds, "wake-ups/s")
	b.ReportMetric(1e3*took/seconds, "cpu-ms/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkFilelogMemory reads files of different sizes, and tells what is in memory
// behind that.
func BenchmarkFilelogMemory(b *testing.B) {
	for _, size := range []int{8 << 20, 256 << 20} {
		b.Run(fmt.Sprintf("size=%dMiB", size>>20), func(b *testing.B) {
			line := strings.Repeat("x", 99) + "\n"
			path := b.TempDir() + "/log"
			out, err := os.Create(path)
			require.NoError(b, err)
			writer := bufio.NewWriter(out)
			for range size / len(line) {
				_, err := writer.WriteString(line)
				require.NoError(b, err)
			}
			require.NoError(b, errors.Join(writer.Flush(), out.Close()))
			config := filelog.DefaultConfigFor(path)
			config.StartAt = filelog.StartAtBeginning
			most := uint64(0)
			for b.Loop() {
				most = max(most, heapAfter(b, config, size/len(line)))
			}
			b.ReportMetric(float64(most)/(1<<20), "heap-MiB")
		})
	}
}

// heapAfter is what the heap holds once a receiver has read so many lines, and still
// runs, beyond what it held before.
func heapAfter(b *testing.B, config *filelog.Config, lines int) uint64 {
	b.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	count, done := 0, make(chan struct{})
	receiver, err := filelog.New(pipelinetest.Settings(b, "filelog"), config, pipeline.ConsumerFunc(func(_ context.Context, batch []pipeline.Record) error {
		if count += len(batch); count == lines {
			close(done)
		}
		return nil
	}))
	require.NoError(b, err)
	require.NoError(b, receiver.Start(b.Context()))
	<-done
	runtime.GC()
	runtime.ReadMemStats(&after)
	require.NoError(b, receiver.Shutdown(b.Context()))
	return max(after.HeapAlloc, before.HeapAlloc) - before.HeapAlloc
}
