package nodeevents

import (
	"context"
	"encoding/binary"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	corev1 "k8s.io/api/core/v1"

	"github.com/otelnpd/otelnpd/pipeline"
)

func benchRecorder(b *testing.B) *Recorder {
	b.Helper()
	r, err := New(DefaultConfig(), Options{
		Logger: slog.New(slog.DiscardHandler), Meter: sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())).Meter(""), Node: "node-1",
		Write: func(context.Context, *corev1.Event) error { return nil }, Status: func(error) {},
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
