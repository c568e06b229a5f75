package replay

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

const rawDump = `5,0,0,-;Linux version 6.18
6,188,315026,-;acpi PNP0A08:00: disabled\x0a
 SUBSYSTEM=acpi
 DEVICE=+acpi:PNP0A08:00
3,190,1500000,-;I/O error, dev sda
`

func TestRawDump(t *testing.T) {
	records, result := replayed(t, file(t, rawDump))
	require.NoError(t, result.Err)
	require.Equal(t, []string{"Linux version 6.18", "acpi PNP0A08:00: disabled", "I/O error, dev sda"}, bodies(records))
	device, ok := records[1].Attribute("log.dictionary.DEVICE")
	require.True(t, ok)
	require.Equal(t, "+acpi:PNP0A08:00", device.String())
	sequence, ok := records[1].Attribute("kmsg.sequence")
	require.True(t, ok)
	require.Equal(t, int64(188), sequence.AsInt64())
	last := records[2]
	require.Equal(t, log.SeverityError, last.Severity)
	require.Equal(t, pipeline.Place{Scope: pipelinetest.BootID, Source: "replay", Position: 5}, last.Place)
	require.Equal(t, pipeline.BootTime{ID: pipelinetest.BootID, At: 1500 * time.Millisecond}, last.Boot)
	require.WithinDuration(t, bootStart.Add(1500*time.Millisecond), last.Time, 0)
	require.Equal(t, "replay", last.Receiver)
}

func TestMixedAndHostileInput(t *testing.T) {
	long := strings.Repeat("x", 3*MaxLine)
	for name, c := range map[string]struct {
		input string
		want  []string
		cut   uint64
	}{
		"empty":                     {"", []string{}, 0},
		"blank lines":               {"\n  \n\r\na\n\n", []string{"a"}, 0},
		"no newline at the end":     {"a\nb", []string{"a", "b"}, 0},
		"lines of Windows":          {"a\r\nb\r\n", []string{"a", "b"}, 0},
		"white space is trimmed":    {"[ 1.5]   a\t \n", []string{"a"}, 0},
		"raw without newline":       {"6,1,1,-;a", []string{"a"}, 0},
		"raw, text, raw":            {"6,1,1,-;a\n b\n6,2,1,-;c\n X=y\nd\n", []string{"a", "b", "c", "d"}, 0},
		"a dictionary without raw":  {"a\n X=y\n", []string{"a", "X=y"}, 0},
		"the same sequence again":   {rawDump + rawDump, []string{"Linux version 6.18", "acpi PNP0A08:00: disabled", "I/O error, dev sda", "Linux version 6.18", "acpi PNP0A08:00: disabled", "I/O error, dev sda"}, 0},
		"too long":                  {"a\n" + long + "\nb\n", []string{"a", long[:MaxLine], "b"}, 1},
		"too long, at the end":      {long, []string{long[:MaxLine]}, 1},
		"just as long as it may be": {long[:MaxLine] + "\nb\n", []string{long[:MaxLine], "b"}, 0},
		"one too long":              {long[:MaxLine+1] + "\nb\n", []string{long[:MaxLine], "b"}, 1},
		"two too long":              {long[:MaxLine+2] + "\nb\n", []string{long[:MaxLine], "b"}, 1},
		"NUL and no UTF-8":          {"a\x00b\xff\n", []string{"a\x00b\xff"}, 0},
		"a dictionary without end":  {"6,1,1,-;a\n" + strings.Repeat(" K="+long[:1000]+"\n", 50), append([]string{"a"}, repeat("K="+long[:1000], 18)...), 0},
	} {
		t.Run(name, func(t *testing.T) {
			records, result := replayed(t, file(t, c.input))
			require.NoError(t, result.Err)
			require.Equal(t, c.want, bodies(records))
			require.Equal(t, c.cut, result.Cut)
		})
	}
}

func repeat(text string, n int) (all []string) {
	for range n {
		all = append(all, text)
	}
	return all
}

func TestManyLinesKeepTheirBytes(t *testing.T) {
	var input strings.Builder
	want := []string{}
	for i := range 5000 {
		text := fmt.Sprintf("line %d y%s", i, strings.Repeat("y", i%700))
		want = append(want, text)
		fmt.Fprintf(&input, "[%d.000000] %s\n", i, text)
	}
	records, _ := replayed(t, file(t, input.String()))
	require.Len(t, records, len(want))
	for i := range records {
		require.Equal(t, want[i], string(records[i].Body))
		require.Equal(t, uint64(i+1), records[i].Place.Position)
	}
}

func TestClockFollows(t *testing.T) {
	clock := NewClock(pipeline.Instant{Wall: time.Unix(1, 0)})
	require.Equal(t, time.Unix(1, 0), clock.Now().Wall)
	var at []pipeline.Instant
	next := pipeline.ConsumerFunc(func(context.Context, []pipeline.Record) error {
		at = append(at, clock.Now())
		return nil
	})
	ended := make(chan Result, 1)
	receiver := newTestReceiver(t, Options{
		Path:  file(t, "[   10.000000] a\n[   30.000000] b\n[   20.000000] late\n"),
		Clock: clock, Ended: func(r Result) { ended <- r },
	}, next)
	require.NoError(t, receiver.Start(t.Context()))
	<-ended
	shutdown(t, receiver)
	require.Len(t, at, 2, "a batch and the mark")
	for _, instant := range at {
		require.Equal(t, 30*time.Second, instant.Boot, "the newest, not the last")
		require.WithinDuration(t, bootStart.Add(30*time.Second), instant.Wall, 0)
	}
}

func TestStandardInput(t *testing.T) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _ = reader.Close() }()
	ended := make(chan Result, 1)
	sink := &pipelinetest.Sink{}
	receiver := newTestReceiver(t, Options{Path: "-", Stdin: reader, Ended: func(r Result) { ended <- r }}, sink)
	require.NoError(t, receiver.Start(t.Context()))
	for _, text := range []string{"[ 1.0] a\n[ 2.0", "] b\n", "c"} { // in pieces
		_, err := writer.WriteString(text)
		require.NoError(t, err)
	}
	require.NoError(t, writer.Close())
	require.Equal(t, Result{Lines: 3}, <-ended)
	require.Equal(t, []string{"a", "b", "c"}, sink.Lines())
	shutdown(t, receiver)
}

// TestShutdownWhileWaiting: nothing comes from a pipe, nobody has opened a FIFO.
func TestShutdownWhileWaiting(t *testing.T) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _ = reader.Close(); _ = writer.Close() }()
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	for _, options := range []Options{{Path: "-", Stdin: reader}, {Path: fifo}} {
		ended := make(chan Result, 1)
		options.Ended = func(r Result) { ended <- r }
		receiver := newTestReceiver(t, options, &pipelinetest.Sink{})
		require.NoError(t, receiver.Start(t.Context()))
		shutdown(t, receiver)
		require.ErrorIs(t, (<-ended).Err, errStopped)
		shutdown(t, receiver)
	}
}

func TestInputThatCannotBeRead(t *testing.T) {
	receiver := newTestReceiver(t, Options{Path: filepath.Join(t.TempDir(), "none")}, &pipelinetest.Sink{})
	require.ErrorIs(t, receiver.Start(t.Context()), fs.ErrNotExist)
	shutdown(t, receiver)

	receiver = newTestReceiver(t, Options{Path: "-"}, &pipelinetest.Sink{})
	require.ErrorContains(t, receiver.Start(t.Context()), "no standard input")

	_, result := replayed(t, t.TempDir()) // a folder opens, but does not read
	require.ErrorIs(t, result.Err, unix.EISDIR)
}

func TestRefusedLinesAreCounted(t *testing.T) {
	ended := make(chan Result, 1)
	refuse := pipeline.ConsumerFunc(func(context.Context, []pipeline.Record) error { return pipelinetest.ErrShutDown })
	receiver := newTestReceiver(t, Options{Path: file(t, "a\nb\n"), Ended: func(r Result) { ended <- r }}, refuse)
	require.NoError(t, receiver.Start(t.Context()))
	result := <-ended
	require.Equal(t, uint64(2), result.Refused)
	require.ErrorIs(t, result.Err, pipelinetest.ErrShutDown)
	shutdown(t, receiver)
}

func TestFactory(t *testing.T) {
	factory := NewFactory(Options{Path: file(t, "a\n")})
	require.Equal(t, "replay", factory.Type)
	require.NoError(t, factory.DefaultConfig().Validate())
	sink := &pipelinetest.Sink{}
	receiver, err := factory.Create(testSettings(t), factory.DefaultConfig(), sink)
	require.NoError(t, err)
	require.NoError(t, receiver.Start(t.Context()))
	sink.WaitFor(t, "the line", func(all []pipeline.Record) bool { return len(all) == 2 })
	shutdown(t, receiver)
}

func TestContract(t *testing.T) {
	var input strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&input, "[%d.000000] line %d\n6,%d,%d,-;raw %d\n K=v\n", i, i, i, i, i)
	}
	path := file(t, input.String())
	pipelinetest.CheckReceiver(t, pipelinetest.ReceiverUnderTest{
		New: func(t *testing.T, next pipeline.Consumer) pipeline.Component {
			t.Helper()
			return newTestReceiver(t, Options{Path: path}, next)
		},
		AtLeast: 2000,
	})
}

// TestDmesg reads what the dmesg of this machine makes of the kernel's log: all
// forms give the same text.
func TestDmesg(t *testing.T) {
	dmesg := func(args ...string) []string {
		out, err := exec.Command("dmesg", args...).Output()
		if err != nil && os.Getenv("CI") != "true" {
			t.Skipf("needs dmesg and the right to run it: %v", err)
		}
		require.NoError(t, err)
		records, result := replayed(t, file(t, string(out)))
		require.NoError(t, result.Err)
		return bodies(records)
	}
	lock, err := os.OpenFile("/tmp/otelnpd-kmsg.lock", os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	defer func() { _ = lock.Close() }()
	require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX)) // no burst of another test overwrites the ring meanwhile
	plain := dmesg("--notime")
	require.NotEmpty(t, plain)
	common := plain[:len(plain)/2] // more is written meanwhile
	for _, args := range [][]string{{}, {"-T"}, {"-x"}, {"-d"}, {"--time-format=iso"}, {"-x", "-T"}} {
		got := dmesg(args...)
		require.GreaterOrEqual(t, len(got), len(common), args)
		require.Equal(t, common, got[:len(common)], args)
	}
}
