package journald_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
	"github.com/otelnpd/otelnpd/receivers/journald"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a host with a journal in /var/log/journal.
type node struct {
	t        *testing.T
	settings pipeline.Settings
	config   *journald.Config
	boot     journalfile.ID
	series   *journaltest.Series
	writer   *journaltest.Writer
	reader   *sdkmetric.ManualReader
	kept     []byte
	written  int
	archived int
	maxFiles int
}

func newNode(t *testing.T) *node {
	t.Helper()
	n := &node{
		t: t, settings: pipelinetest.Settings(t, "journald/1"), config: journald.DefaultConfig(),
		series: &journaltest.Series{ID: journaltest.NewID()},
	}
	n.settings.Host.Root = t.TempDir()
	n.settings.Keeping.IsDurable = func() bool { return true }
	n.settings.Clock = pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(10_000, 0), Boot: 1000 * time.Second})
	var err error
	n.boot, err = journalfile.ParseID(n.settings.Boot.ID)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(n.directory(), 0o755))
	return n
}

func (n *node) directory() string {
	return n.settings.Host.Path("/var/log/journal/" + journaltest.MachineID.String())
}

// write writes entries of this boot, one a second from 900 s on.
func (n *node) write(fields ...[]string) {
	n.t.Helper()
	if n.writer == nil {
		n.writer = journaltest.Create(n.t, filepath.Join(n.directory(), "system.journal"), journaltest.Layout{Keyed: true, Compact: true}, n.series)
	}
	for _, entry := range fields {
		since := uint64(900+n.written) * 1e6
		n.writer.Append(journaltest.Entry{
			Realtime: 9_000*1e6 + since, Monotonic: since, Boot: n.boot,
			Fields: append([]string{"_BOOT_ID=" + n.boot.String()}, entry...),
		})
		n.written++
	}
}

// lines makes entries "line FIRST" and so on.
func lines(first, count int, more ...string) (entries [][]string) {
	for i := range count {
		entries = append(entries, append([]string{fmt.Sprintf("MESSAGE=line %d", first+i), "_TRANSPORT=journal", "PRIORITY=6"}, more...))
	}
	return entries
}

// rotate archives the file.
func (n *node) rotate() string {
	n.t.Helper()
	n.archived++
	name := filepath.Join(n.directory(), fmt.Sprintf("system@%d.journal", n.archived))
	n.writer.SetState(2)
	require.NoError(n.t, os.Rename(filepath.Join(n.directory(), "system.journal"), name))
	n.writer = nil
	return name
}

func (n *node) receiver(next pipeline.Consumer) *journald.Receiver {
	n.t.Helper()
	require.NoError(n.t, n.config.Validate())
	receiver, err := journald.New(n.settings, n.config, next)
	require.NoError(n.t, err)
	receiver.LimitFiles(n.maxFiles)
	return receiver
}

func hasBacklogEnd(records []pipeline.Record) bool {
	return slices.ContainsFunc(records, func(r pipeline.Record) bool { return r.EventName == pipeline.EventBacklogEnd })
}

func shutdown(t *testing.T, receiver pipeline.Component) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(t, receiver.Shutdown(ctx))
}

// run reads all that is there, going on from what the run before had kept.
func (n *node) run() []pipeline.Record {
	n.t.Helper()
	n.reader = sdkmetric.NewManualReader()
	n.settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(n.reader)).Meter("test")
	sink := &pipelinetest.Sink{}
	receiver := n.receiver(sink)
	if n.kept != nil {
		require.NoError(n.t, receiver.Resume(n.kept))
	}
	require.NoError(n.t, receiver.Start(n.t.Context()))
	sink.WaitFor(n.t, "the end of the backlog", hasBacklogEnd)
	shutdown(n.t, receiver)
	if encode := receiver.Keep(); encode != nil {
		var err error
		n.kept, err = encode()
		require.NoError(n.t, err)
	}
	return sink.Records()
}

func named(records []pipeline.Record, name string) (bodies []string) {
	for _, record := range records {
		if record.EventName == name {
			bodies = append(bodies, string(record.Body))
		}
	}
	return bodies
}

func numbered(from, to int) (texts []string) {
	for i := from; i < to; i++ {
		texts = append(texts, fmt.Sprintf("line %d", i))
	}
	return texts
}

func (n *node) count(metric, reason string) (value int64) {
	n.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(n.t, n.reader.Collect(n.t.Context(), &all))
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			if m.Name != metric || !ok {
				continue
			}
			for _, point := range sum.DataPoints {
				if found, _ := point.Attributes.Value("reason"); found.AsString() == reason {
					value += point.Value
				}
			}
		}
	}
	return value
}

func attributesOf(record pipeline.Record) map[string]string {
	all := map[string]string{}
	for key, value := range record.Attributes.All() {
		all[key] = value.String()
	}
	return all
}
