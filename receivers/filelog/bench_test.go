package filelog_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
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

// BenchmarkReceiver reads a file by the receiver, each line through a pipeline that
// does nothing.
func BenchmarkReceiver(b *testing.B) {
	const lines = 200_000
	for _, form := range []string{"plain", "syslog", "klog", "cri"} {
		b.Run(form, func(b *testing.B) {
			path := b.TempDir() + "/log"
			var text strings.Builder
			for i := range lines {
				at := time.Now()
				switch form {
				case "cri":
					fmt.Fprintf(&text, "%s stdout F an ordinary line of about ninety bytes in all, number %d\n", at.UTC().Format(time.RFC3339Nano), i)
				case "klog":
					fmt.Fprintf(&text, "I%s 1 main.go:100] an ordinary line of about ninety bytes, number %d\n", at.UTC().Format("0102 15:04:05.000000"), i)
				default:
					fmt.Fprintf(&text, "%s node-1 kernel: an ordinary line of about ninety bytes in all, number %d\n", at.UTC().Format(time.RFC3339Nano), i)
				}
			}
			require.NoError(b, os.WriteFile(path, []byte(text.String()), 0o600))
			config := filelog.DefaultConfigFor(path)
			config.Format, config.StartAt, config.TimeZone = filelog.Format(form), filelog.StartAtBeginning, "UTC"
			b.ReportAllocs()
			var own, plain float64
			for b.Loop() {
				own += readAll(b, config, lines)
				plain += scanAll(b, path, lines)
			}
			b.ReportMetric(float64(b.N)*lines/own, "lines/cpu-s")
			b.ReportMetric(100*plain/own, "%-of-scanner")
		})
	}
}
