package file_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/source/file"
)

const benchLines = 200_000

func writeBench(b *testing.B) string {
	b.Helper()
	var text strings.Builder
	for i := range benchLines {
		fmt.Fprintf(&text, "Nov 28 23:00:00 node-1 kernel: [%12d.000000] an ordinary line of ninety bytes or so in all\n", i)
	}
	path := filepath.Join(b.TempDir(), "log")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

// cpu is the processor time of this process in seconds.
func cpu() float64 {
	var usage unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// BenchmarkFileLines reads a file by the follower and, in turn, by a plain loop over
// bufio.Scanner.
func BenchmarkFileLines(b *testing.B) {
	path := writeBench(b)
	var own, plain float64
	buffer := &file.Buffer{}
	b.ReportAllocs()
	for b.Loop() {
		begin := cpu()
		follower := file.New(path, file.Options{Buffer: buffer})
		count := 0
		for follower.Fill(0) {
			for _, _, ok := follower.Line(); ok; _, _, ok = follower.Line() {
				count++
			}
		}
		follower.Close()
		middle := cpu()
		count -= scan(b, path)
		own, plain = own+middle-begin, plain+cpu()-middle
		if count != 0 {
			b.Fatal("they do not read the same")
		}
	}
	b.ReportMetric(float64(b.N)*benchLines/own, "lines/cpu-s")
	b.ReportMetric(float64(b.N)*benchLines/plain, "scanner-lines/cpu-s")
	b.ReportMetric(100*plain/own, "%-of-scanner")
}

func scan(b *testing.B, path string) (count int) {
	b.Helper()
	in, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	scanner := bufio.NewScanner(in)
	for scanner.Scan() {
		count++
	}
	return count
}
