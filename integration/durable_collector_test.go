package integration

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/otelnpd/otelnpd/integration/servers"
)

// tellCollector lets the lives tell a Collector too, as one more witness.
func (l *lives) tellCollector(t testing.TB) {
	t.Helper()
	l.collector = servers.StartCollector(t)
	l.settings.OTLP = otlpKeys("http://"+l.collector.GRPC, "resource: {detectors: []}")
}

// collected are the records of the Collector by their uid, without how conditions
// stood at starts. Copies are equal, but for what a later telling may know better.
func (l *lives) collected(t testing.TB) map[string]*logspb.LogRecord {
	t.Helper()
	told := map[string]*logspb.LogRecord{}
	for _, resource := range l.collector.Logs(t) {
		for _, scope := range resource.GetScopeLogs() {
			for _, record := range scope.GetLogRecords() {
				if attributeOf(record, "otelnpd.transition.kind") == "snapshot" {
					continue
				}
				uid := attributeOf(record, "log.record.uid")
				plain := l.plain(record)
				if before := told[uid]; before != nil {
					slack := time.Duration(max(before.GetTimeUnixNano(), plain.GetTimeUnixNano()) - min(before.GetTimeUnixNano(), plain.GetTimeUnixNano()))
					require.LessOrEqual(t, slack, l.slack, "%s", record)
					plain.TimeUnixNano = before.GetTimeUnixNano()
					require.True(t, proto.Equal(before, plain), "told twice, and not the same:\n%s\n%s", before, plain)
				}
				told[uid] = plain
			}
		}
	}
	return told
}

// plain is a record without what two tellings of it may differ in.
func (l *lives) plain(record *logspb.LogRecord) *logspb.LogRecord {
	record.ObservedTimeUnixNano = 0
	var kept []*commonpb.KeyValue
	for _, one := range record.GetAttributes() {
		if one.GetKey() != "otelnpd.transition.provisional" {
			kept = append(kept, one)
		}
	}
	record.Attributes = kept
	return record
}

// requireCollector requires that the Collector has exactly the problems that were
// written, and every activation.
func (l *lives) requireCollector(t testing.TB, want expected) {
	t.Helper()
	if l.collector == nil {
		return
	}
	missing := func() (uids []string) {
		told := l.collected(t)
		for uid := range want.problems {
			if told[uid] == nil {
				uids = append(uids, uid)
			}
		}
		for uid := range want.activations {
			if told[uid] == nil {
				uids = append(uids, uid)
			}
		}
		return uids
	}
	require.Eventually(t, func() bool { return len(missing()) == 0 }, patience, tick, "the Collector has not got all")
	for uid, record := range l.collected(t) {
		switch {
		case record.GetEventName() == "otelnpd.problem":
			what, written := want.problems[uid]
			require.True(t, written, "at the Collector and not written: %s", record)
			require.Equal(t, "problem "+what, record.GetBody().GetStringValue())
		case attributeOf(record, "otelnpd.transition.kind") == "activation":
			require.Contains(t, want.activations, uid, "at the Collector and no episode: %s", record)
		}
	}
}
