package console_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/exporters/console"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv("OTELNPD_TEST_BROKEN_PIPE"); mode != "" {
		os.Exit(brokenPipeChild(mode))
	}
	goleak.VerifyTestMain(m)
}

func newExporter(t *testing.T, out io.Writer, config console.Config, report func(pipeline.Status)) pipeline.Exporter {
	t.Helper()
	settings := pipelinetest.Settings(t, "console")
	if report != nil {
		settings.Report = report
	}
	exporter, err := console.NewFactory(out, false).Create(settings, &config)
	require.NoError(t, err)
	return exporter
}

var jsonLines = console.Config{Output: console.OutputJSON, Color: console.ColorAuto}

// blockingPipe is a pipe as a shell makes it: not for the runtime's poller.
func blockingPipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	var fds [2]int
	require.NoError(t, unix.Pipe2(fds[:], unix.O_CLOEXEC))
	read, write = os.NewFile(uintptr(fds[0]), "read end"), os.NewFile(uintptr(fds[1]), "write end")
	require.Error(t, write.SetWriteDeadline(time.Time{}), "the pipe must be a blocking one")
	t.Cleanup(func() { _, _ = read.Close(), write.Close() })
	return read, write
}

func goPipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = read.Close(), write.Close() })
	return read, write
}

var pipes = map[string]func(*testing.T) (read, write *os.File){"blocking": blockingPipe, "of the runtime": goPipe}

func problem(n int, severity log.Severity) pipeline.Record {
	return pipelinetest.ProblemRecord("kmsg", uint64(n), pipeline.Problem{
		Rule: "kernel/oops", Reason: "KernelOops", Severity: severity, State: pipeline.StateProblem,
		Message: fmt.Sprintf("problem %d %s", n, strings.Repeat("x", 1000)),
	})
}

// problemsIn reads the numbers of the problems in JSON lines, all of which must
// be whole.
func problemsIn(t *testing.T, text string) (numbers []int) {
	t.Helper()
	for line := range strings.Lines(text) {
		var read struct{ Message string }
		require.NoError(t, json.Unmarshal([]byte(line), &read), "%q", line)
		var n int
		_, err := fmt.Sscanf(read.Message, "problem %d", &n)
		require.NoError(t, err)
		numbers = append(numbers, n)
	}
	return numbers
}

func shutdown(t *testing.T, exporter pipeline.Exporter) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	require.NoError(t, exporter.Shutdown(ctx))
}

func TestWritesInOrderAndDrainsAtShutdown(t *testing.T) {
	for name, pipe := range pipes {
		t.Run(name, func(t *testing.T) {
			read, write := pipe(t)
			exporter := newExporter(t, write, jsonLines, nil)
			var want []int
			for n := range 500 { // half a megabyte: more than the pipe holds
				want = append(want, n)
				require.NoError(t, exporter.Consume(t.Context(), []pipeline.Record{problem(n, log.SeverityWarn)}))
			}
			text := make(chan string)
			go func() {
				all, _ := io.ReadAll(read)
				text <- string(all)
			}()
			require.NoError(t, exporter.Start(t.Context()))
			shutdown(t, exporter)
			require.NoError(t, write.Close())
			require.Equal(t, want, problemsIn(t, <-text))
		})
	}
}

// What was told before the Node's conditions were known is not told again.
func TestRepeatedTransitionsAreLeftOut(t *testing.T) {
	out := &pipelinetest.Output{}
	exporter := newExporter(t, out, jsonLines, nil)
	require.NoError(t, exporter.Start(t.Context()))
	first := pipeline.Transition{Kind: pipeline.TransitionActivation, Condition: pipeline.Condition{Type: "Deadlock"}, Provisional: true}
	again, another := first, first
	again.Provisional, again.Repeated = false, true
	another.Provisional, another.Condition.Type = false, "Slow"
	require.NoError(t, exporter.Consume(t.Context(), []pipeline.Record{
		pipelinetest.TransitionRecord(first), pipelinetest.TransitionRecord(again), pipelinetest.TransitionRecord(another),
	}))
	shutdown(t, exporter)
	lines := slices.Collect(strings.Lines(out.String()))
	require.Len(t, lines, 2)
	require.Contains(t, lines[0], `"provisional":true`)
	require.Contains(t, lines[1], `"condition":"Slow"`)
	require.NotContains(t, lines[1], "provisional")
}

func TestBlockedOutput(t *testing.T) {
	for name, pipe := range pipes {
		t.Run(name, func(t *testing.T) {
			read, write := pipe(t)
			var statuses pipelinetest.Statuses
			exporter := newExporter(t, write, jsonLines, statuses.Report)
			require.NoError(t, exporter.Start(t.Context()))
			require.NoError(t, exporter.Consume(t.Context(), []pipeline.Record{problem(0, log.SeverityFatal)}))
			for n := 1; n < 6000; n++ { // more than pipe, batch and outbox hold
				require.NoError(t, exporter.Consume(t.Context(), []pipeline.Record{problem(n, log.SeverityInfo)}))
			}
			require.NoError(t, exporter.Consume(t.Context(), []pipeline.Record{problem(6000, log.SeverityWarn)}))
			require.Equal(t, pipeline.ComponentDegraded, statuses.Last().State)
			require.Contains(t, statuses.Last().Reason, "the lowest severity and the oldest first")

			text := make(chan string)
			go func() {
				all, _ := io.ReadAll(read)
				text <- string(all)
			}()
			shutdown(t, exporter)
			require.NoError(t, write.Close())
			numbers := problemsIn(t, <-text)
			require.IsIncreasing(t, numbers)
			require.Equal(t, []int{0, 5999, 6000}, []int{numbers[0], numbers[len(numbers)-2], numbers[len(numbers)-1]})
			require.Greater(t, len(numbers), 3000, "the outbox has 4 MiB")
			require.Less(t, len(numbers), 5000)
			require.Equal(t, pipeline.ComponentOK, statuses.Last().State, "all is well once nothing waits")
		})
	}
}

// A saved log waits: a person may page through any number of problems.
func TestWaitForOutput(t *testing.T) {
	read, write := blockingPipe(t)
	exporter, err := console.NewFactory(write, false, console.WaitForOutput()).Create(pipelinetest.Settings(t, "console"), &jsonLines)
	require.NoError(t, err)
	require.NoError(t, exporter.Start(t.Context()))
	accepted, want := make(chan int, 10000), []int(nil)
	go func() {
		defer close(accepted)
		for n := range 6000 { // more than pipe, batch and outbox hold
			if exporter.Consume(context.Background(), []pipeline.Record{problem(n, log.SeverityInfo)}) == nil {
				accepted <- n
			}
		}
	}()
	for range 1000 {
		want = append(want, <-accepted)
	}
	text := make(chan string)
	go func() {
		all, _ := io.ReadAll(read)
		text <- string(all)
	}()
	for n := range accepted {
		want = append(want, n)
	}
	shutdown(t, exporter)
	require.NoError(t, write.Close())
	require.Len(t, want, 6000)
	require.Equal(t, want, problemsIn(t, <-text))
}

func TestWaitForOutputEndsWithItsCaller(t *testing.T) {
	_, write := blockingPipe(t)
	exporter, err := console.NewFactory(write, false, console.WaitForOutput()).Create(pipelinetest.Settings(t, "console"), &jsonLines)
	require.NoError(t, err)
	require.NoError(t, exporter.Start(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	refused := make(chan error)
	go func() {
		for {
			if err := exporter.Consume(ctx, []pipeline.Record{problem(1, log.SeverityInfo)}); err != nil {
				refused <- err
				return
			}
		}
	}()
	cancel()
	require.ErrorIs(t, <-refused, context.Canceled)
	_ = exporter.Shutdown(ctx) // what is left cannot be written
}

func TestShutdownGivesUpABlockedOutput(t *testing.T) {
	for name, pipe := range pipes {
		t.Run(name, func(t *testing.T) {
			_, write := pipe(t)
			exporter := newExporter(t, write, jsonLines, nil)
			require.NoError(t, exporter.Start(t.Context()))
			for n := range 200 {
				require.NoError(t, exporter.Consume(t.Context(), []pipeline.Record{problem(n, log.SeverityInfo)}))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			require.ErrorContains(t, exporter.Shutdown(ctx), "records could not be written")
			require.NoError(t, exporter.Shutdown(t.Context()), "the second time there is nothing left")
		})
	}
}

func TestReaderGoesAway(t *testing.T) {
	for name, pipe := range pipes {
		t.Run(name, func(t *testing.T) {
			read, write := pipe(t)
			require.NoError(t, read.Close())
			statuses := make(chan pipeline.Status, 100)
			exporter := newExporter(t, write, jsonLines, func(s pipeline.Status) { statuses <- s })
			require.NoError(t, exporter.Start(t.Context()))
			require.Equal(t, pipeline.ComponentOK, (<-statuses).State)
			require.NoError(t, exporter.Consume(t.Context(), []pipeline.Record{problem(1, log.SeverityInfo)}))
			degraded := <-statuses
			require.Equal(t, pipeline.ComponentDegraded, degraded.State)
			require.ErrorIs(t, degraded.Err, unix.EPIPE)
			require.Contains(t, degraded.Reason, "nobody reads the output any more")
			require.NoError(t, exporter.Consume(t.Context(), []pipeline.Record{problem(2, log.SeverityInfo)}), "it goes on accepting")
			shutdown(t, exporter)
		})
	}
}

// /dev/full fails every write with ENOSPC, as a full disk does.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer func() { require.NoError(t, full.Close()) }()
	statuses := make(chan pipeline.Status, 100)
	exporter := newExporter(t, full, jsonLines, func(s pipeline.Status) { statuses <- s })
	require.NoError(t, exporter.Start(t.Context()))
	<-statuses
	require.NoError(t, exporter.Consume(t.Context(), []pipeline.Record{problem(1, log.SeverityInfo)}))
	degraded := <-statuses
	require.ErrorIs(t, degraded.Err, unix.ENOSPC)
	require.Contains(t, degraded.Remedy, "free space")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.EqualError(t, exporter.Shutdown(ctx), "1 records could not be written to the output before the end")
}

func TestContracts(t *testing.T) {
	var out *pipelinetest.Output
	batches := [][]pipeline.Record{
		{problem(1, log.SeverityWarn), problem(2, log.SeverityError)},
		pipelinetest.Lines("kmsg", 3, "a line"),
		{pipelinetest.TransitionRecord(pipeline.Transition{
			Kind: pipeline.TransitionStatus, Condition: pipeline.Condition{Type: "KernelDeadlock", Reason: "Healthy", Message: "problem 4"},
		})},
	}
	pipelinetest.CheckExporter(t, pipelinetest.ExporterUnderTest{
		New: func(t *testing.T) pipeline.Exporter {
			t.Helper()
			out = &pipelinetest.Output{}
			return newExporter(t, out, jsonLines, nil)
		},
		Batches: batches,
		Check: func(t *testing.T) {
			t.Helper()
			require.Equal(t, []int{1, 2, 4}, problemsIn(t, out.String()))
		},
	})
}

func TestNeverWaitsForItsOutput(t *testing.T) {
	var gate *chan struct{} // of the newest exporter
	pipelinetest.CheckExporter(t, pipelinetest.ExporterUnderTest{
		New: func(t *testing.T) pipeline.Exporter {
			t.Helper()
			open := make(chan struct{})
			close(open)
			gate = &open
			return newExporter(t, gated{gate}, jsonLines, nil)
		},
		Batches: [][]pipeline.Record{{problem(1, log.SeverityWarn)}},
		Block: func(*testing.T) func() {
			closed := make(chan struct{})
			*gate = closed
			return func() { close(closed) }
		},
	})
}

// gated is an output that takes nothing while its gate is closed.
type gated struct{ gate *chan struct{} }

func (g gated) Write(text []byte) (int, error) {
	<-*g.gate
	return len(text), nil
}

func TestConfig(t *testing.T) {
	config, ok := console.NewFactory(io.Discard, true).DefaultConfig().(*console.Config)
	require.True(t, ok)
	require.Equal(t, &console.Config{Output: "auto", Color: "auto"}, config)
	require.NoError(t, config.Validate())
	bad := console.Config{Output: "xml", Color: ""}
	require.EqualError(t, bad.Validate(), "output: \"xml\" is unknown: write one of auto, text, json\n"+
		"color: \"\" is unknown: write one of auto, always, never")
}

func TestFactoryRefuses(t *testing.T) {
	_, err := console.NewFactory(nil, false).Create(pipelinetest.Settings(t, "console"), console.DefaultConfig())
	require.ErrorContains(t, err, "no output")
	_, err = console.NewFactory(io.Discard, false).Create(pipelinetest.Settings(t, "console"), nil)
	require.ErrorContains(t, err, "is not for exporter console")
}
