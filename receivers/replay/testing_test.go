package replay

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bootStart is when the tests' machine booted; it is now two hours later.
var bootStart = time.Date(2026, 3, 4, 5, 0, 0, 0, time.Local)

func testNow() time.Time { return bootStart.Add(2 * time.Hour) }

func testSettings(t *testing.T) pipeline.Settings {
	t.Helper()
	settings := pipelinetest.Settings(t, "replay")
	settings.Boot.Start = bootStart
	return settings
}

func newTestReceiver(t *testing.T, options Options, next pipeline.Consumer) *Receiver {
	t.Helper()
	receiver, err := New(testSettings(t), options, next)
	require.NoError(t, err)
	receiver.parser.now = testNow
	return receiver
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "input")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// replayed reads a path to its end.
func replayed(t *testing.T, path string) ([]pipeline.Record, Result) {
	t.Helper()
	sink := &pipelinetest.Sink{}
	ended := make(chan Result, 1)
	receiver := newTestReceiver(t, Options{Path: path, Ended: func(r Result) { ended <- r }}, sink)
	require.NoError(t, receiver.Start(t.Context()))
	result := <-ended
	shutdown(t, receiver)
	records := sink.Records()
	if result.Err == nil {
		last := len(records) - 1
		require.Equal(t, pipeline.EventBacklogEnd, records[last].EventName)
		require.Equal(t, uint64(last), result.Lines)
		records = records[:last]
	}
	return records, result
}

func shutdown(t *testing.T, receiver pipeline.Component) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(t, receiver.Shutdown(ctx))
}

func bodies(records []pipeline.Record) []string {
	lines := []string{}
	for i := range records {
		lines = append(lines, string(records[i].Body))
	}
	return lines
}
