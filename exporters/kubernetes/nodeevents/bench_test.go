package nodeevents

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline"
)

func benchRecorder(b *testing.B) *Recorder {
	b.Helper()
	r, err := New(DefaultConfig(), Options{
		Logger: slog.New(slog.DiscardHandler), Meter: sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())).Meter(""), Node: "node-1",
		Write: func(context.Context, *apiserver.Event) error { return nil }, Status: func(error) {},
	})
	require.NoError(b, err)
	return r
}

// BenchmarkRepeat records one more occurrence of a series that waits.
func BenchmarkRepeat(b *testing.B) {
	r := benchRecorder(b)
	record := problemRecord(0, "IOError", "I/O error, dev sda, sector 123456 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
		pipeline.SystemClock{}.Now())
	batch := []pipeline.Record{record}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		binary.BigEndian.PutUint64(record.Problem.UID[:], uint64(i))
		if err := r.Record(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
}

// thousandSeries is a recorder of 1,000 series, of which ten wait.
func thousandSeries(b *testing.B) *Recorder {
	b.Helper()
	r := benchRecorder(b)
	r.ledger.config.PerReason, r.ledger.config.Total = Budget{maxTokens, maxTokens}, Budget{maxTokens, maxTokens}
	r.ledger = newLedger(r.ledger.config, "node-1")
	r.SetNode("node-uid")
	for i := range 1000 {
		record := problemRecord(i, "IOError", fmt.Sprintf("I/O error, dev sda, sector %d op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2", i), pipeline.SystemClock{}.Now())
		require.NoError(b, r.Record(b.Context(), []pipeline.Record{record}))
		if d, _ := r.next(true); d != nil && i < 990 {
			r.settle(d, accepted)
		} else if d != nil {
			r.settle(d, again)
		}
	}
	return r
}

// BenchmarkKeep is how long the recorder is held.
func BenchmarkKeep(b *testing.B) {
	r := thousandSeries(b)
	b.ReportAllocs()
	for b.Loop() {
		if r.Keep() == nil {
			b.Fatal("nothing is kept")
		}
	}
}

// BenchmarkEncode is what the writer of the state does.
func BenchmarkEncode(b *testing.B) {
	r := thousandSeries(b)
	b.ReportAllocs()
	size := 0
	for b.Loop() {
		text, err := r.Keep()()
		require.NoError(b, err)
		size = len(text)
	}
	b.ReportMetric(float64(size), "bytes")
}

// BenchmarkResume is what a start does.
func BenchmarkResume(b *testing.B) {
	text, err := thousandSeries(b).Keep()()
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if err := benchRecorder(b).Resume(text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSuppressed records new series beyond the budget.
func BenchmarkSuppressed(b *testing.B) {
	r := benchRecorder(b)
	record := problemRecord(0, "IOError", "", pipeline.SystemClock{}.Now())
	messages := []string{"sector 0", "sector 1", "sector 2", "sector 3"}
	for i := range 1000 {
		messages = append(messages, string(rune('a'+i%26))+messages[i])
	}
	batch := []pipeline.Record{record}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		binary.BigEndian.PutUint64(record.Problem.UID[:], uint64(i))
		record.Problem.Message = messages[i%len(messages)]
		if err := r.Record(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
}
