package console_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/otelnpd/otelnpd/exporters/console"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// What NewFactory asks of main: without it, a pager that is left ends the agent.
func TestStandardOutputThatNobodyReads(t *testing.T) {
	require.NoError(t, runWithBrokenPipe(t, "notify"), "with signal.Notify the agent goes on, degraded")

	var died *exec.ExitError
	require.ErrorAs(t, runWithBrokenPipe(t, "plain"), &died)
	status, ok := died.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	require.Equal(t, syscall.SIGPIPE, status.Signal(), "without, SIGPIPE ends it")
}

func runWithBrokenPipe(t *testing.T, mode string) error {
	t.Helper()
	read, write := blockingPipe(t)
	require.NoError(t, read.Close())
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), "OTELNPD_TEST_BROKEN_PIPE="+mode)
	child.Stdout, child.Stderr = write, t.Output()
	return child.Run()
}

// brokenPipeChild writes to the standard output, which nobody reads, and
// returns 0 if it lives to see that reported.
func brokenPipeChild(mode string) int {
	if mode == "notify" {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	}
	broken := make(chan struct{}, 1)
	settings := pipeline.Settings{
		ID: pipeline.ID{Type: console.Type}, Logger: slog.Default(), Meter: noop.NewMeterProvider().Meter(""),
		Report: func(status pipeline.Status) {
			if errors.Is(status.Err, syscall.EPIPE) {
				broken <- struct{}{}
			}
		},
	}
	exporter, err := console.NewFactory(os.Stdout, false).Create(settings, console.DefaultConfig())
	if err != nil || exporter.Start(context.Background()) != nil {
		return 2
	}
	record := pipelinetest.ProblemRecord("kmsg", 1, pipeline.Problem{Reason: "KernelOops", Severity: log.SeverityWarn})
	if exporter.Consume(context.Background(), []pipeline.Record{record}) != nil {
		return 3
	}
	select {
	case <-broken:
	case <-time.After(20 * time.Second):
		return 4
	}
	if exporter.Shutdown(context.Background()) != nil {
		return 5
	}
	return 0
}
