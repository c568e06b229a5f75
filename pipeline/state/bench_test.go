package state_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/state"
)

// large makes a document of about so many bytes, as an outbox of many Events
// would be.
func large(tb testing.TB, size int) state.Document {
	tb.Helper()
	type event struct {
		UID, Reason, Message string
		Count                int
		Time                 time.Time
	}
	var events []event
	for i := range size / 250 {
		events = append(events, event{
			UID: fmt.Sprintf("%032x", i), Reason: "TaskHung", Count: i, Time: written,
			Message: fmt.Sprintf("INFO: task docker:%d blocked for more than 120 seconds, and here is more of it, so that it is \"long\"\t%d", i, i),
		})
	}
	text, err := json.Marshal(events)
	require.NoError(tb, err)
	document := small()
	document.Sections["exporter kubernetes"] = text
	return document
}

func BenchmarkEncode4MB(b *testing.B) {
	document := large(b, 4<<20)
	for b.Loop() {
		if _, err := state.Encode(document); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode4MB(b *testing.B) {
	data, err := state.Encode(large(b, 4<<20))
	require.NoError(b, err)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := state.Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWrite4MB writes, by a writer, to a real disk: encoding, checksum, fsync
// and all. fsync-ns is what the disk alone takes, measured beside it.
func BenchmarkWrite4MB(b *testing.B) {
	dir := b.TempDir()
	document := large(b, 4<<20)
	n := 0
	options := newAgent().options()
	options.Dir, options.Disk, options.ChangedInterval = dir, nil, time.Nanosecond
	options.Capture = func() (map[string]pipeline.Encode, error) {
		sections := map[string]pipeline.Encode{"n": func() ([]byte, error) { return fmt.Appendf(nil, "%d", n), nil }}
		for name, section := range document.Sections {
			sections[name] = func() ([]byte, error) { return section, nil }
		}
		return sections, nil
	}
	w, err := state.NewWriter(options)
	require.NoError(b, err)
	_, _ = w.Open(b.Context()) // there is none
	require.NoError(b, w.Start(b.Context()))
	b.ReportAllocs()
	for b.Loop() {
		n++
		if err := w.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	require.NoError(b, w.Shutdown(b.Context()))
	b.ReportMetric(float64(bare(b, filepath.Join(dir, "bare"), 4<<20)), "fsync-ns")
}

// bare returns how long it takes to write so many bytes and fsync them.
func bare(b *testing.B, path string, size int) time.Duration {
	b.Helper()
	const rounds = 10
	data := make([]byte, size)
	begun := time.Now()
	for range rounds {
		file, err := os.Create(path)
		require.NoError(b, err)
		_, err = file.Write(data)
		require.NoError(b, err)
		require.NoError(b, file.Sync())
		require.NoError(b, file.Close())
	}
	return time.Since(begun) / rounds
}

// BenchmarkOpen4MB is what a start waits for.
func BenchmarkOpen4MB(b *testing.B) {
	dir := b.TempDir()
	data, err := state.Encode(large(b, 4<<20))
	require.NoError(b, err)
	require.NoError(b, os.WriteFile(filepath.Join(dir, "state.json"), data, 0o600))
	for b.Loop() {
		options := newAgent().options()
		options.Dir, options.Disk = dir, nil
		w, err := state.NewWriter(options)
		require.NoError(b, err)
		if _, err := w.Open(b.Context()); err != nil {
			b.Fatal(err)
		}
		require.NoError(b, w.Shutdown(b.Context()))
	}
}

// BenchmarkChanged is what a component pays for a change, between two captures.
func BenchmarkChanged(b *testing.B) {
	w, err := state.NewWriter(newAgent().options())
	require.NoError(b, err)
	for b.Loop() {
		w.Changed()
	}
	require.NoError(b, w.Shutdown(b.Context()))
}

func BenchmarkMovedParallel(b *testing.B) {
	w, err := state.NewWriter(newAgent().options())
	require.NoError(b, err)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			w.Moved()
		}
	})
	require.NoError(b, w.Shutdown(b.Context()))
}
