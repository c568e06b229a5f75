package outbox_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/outbox"
)

// newPair returns an outbox with room for ten, and one beside it with room for five.
func newPair(t *testing.T) (first, second *outbox.Outbox[string], reader sdkmetric.Reader) {
	t.Helper()
	reader = sdkmetric.NewManualReader()
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
	first, err := outbox.New[string](pipeline.ID{Type: "kubernetes", Name: "2"}, meter, 10*weight, "second_full")
	require.NoError(t, err)
	return first, first.Beside(5*weight, "second_full"), reader
}

// take takes what comes next, one at a time, and tells that it is done.
func take(t *testing.T, from *outbox.Outbox[string]) string {
	t.Helper()
	batch, err := from.Next(t.Context(), payload)
	require.NoError(t, err)
	defer batch.Done()
	return items(batch)[0]
}

func TestTheSecondWaitsForTheFirst(t *testing.T) {
	first, second, _ := newPair(t)
	put(t, second, log.SeverityFatal, "low")
	put(t, first, log.SeverityDebug, "high")
	require.Equal(t, "high", take(t, first))
	require.Equal(t, "low", take(t, first))
}

func TestAFloodOfTheSecondDisplacesNothingInTheFirst(t *testing.T) {
	first, second, reader := newPair(t)
	put(t, first, log.SeverityTrace, "one", "two")
	for range 100 {
		put(t, second, log.SeverityFatal, "flood")
	}
	read := figures(t, reader)
	require.Zero(t, read["otelnpd.exporter.dropped_records/outbox_full"])
	require.EqualValues(t, 95, read["otelnpd.exporter.dropped_records/second_full"])
	require.EqualValues(t, 7, read["otelnpd.exporter.queue_length"], "both are shown together")
	require.Equal(t, "one", take(t, first))
	require.Equal(t, "two", take(t, first))
	require.Equal(t, "flood", take(t, first))
}

func TestWhoWaitsHearsOfTheSecond(t *testing.T) {
	first, second, _ := newPair(t)
	heard := make(chan string)
	go func() {
		batch, err := first.Next(context.Background(), payload)
		if err != nil {
			heard <- err.Error()
			return
		}
		batch.Done()
		heard <- "one"
	}()
	put(t, second, info, "low")
	require.Equal(t, "one", <-heard)
}

func TestBothEndTogether(t *testing.T) {
	pair := func() (first, second *outbox.Outbox[string]) {
		first, second, _ = newPair(t)
		put(t, first, info, "high")
		put(t, second, info, "low")
		return first, second
	}
	first, second := pair()
	first.Close()
	_, err := second.Put(outbox.Entry[string]{Item: "late"})
	require.ErrorIs(t, err, outbox.ErrClosed)
	require.Equal(t, "high", take(t, first))
	require.Equal(t, "low", take(t, first))
	_, err = first.Next(t.Context(), payload)
	require.ErrorIs(t, err, outbox.ErrClosed)

	first, _ = pair()
	require.Equal(t, 2, first.Discard(outbox.ReasonShutdown))
	first, second = pair()
	require.Equal(t, 2, first.Retire())
	require.Len(t, second.Snapshot(), 1, "what is left is for the next one")
}
