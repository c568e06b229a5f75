package state_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
