package filelog_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/receivers/filelog"
)

// rig is a host with logs, and a receiver that is started again and again.
type rig struct {
	t        *testing.T
	settings pipeline.Settings
	config   *filelog.Config
	clock    *pipelinetest.Clock
	statuses *pipelinetest.Statuses
	reader   *sdkmetric.ManualReader
	kept     []byte
	receiver *filelog.Receiver
	sink     *pipelinetest.Sink
}

// booted is when the rig's host did, and now the time on its clock.
var (
	booted = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	now    = booted.Add(3 * time.Hour)
)

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, settings: pipelinetest.Settings(t, "filelog/1"), config: filelog.DefaultConfig(), statuses: &pipelinetest.Statuses{}}
	r.settings.Host.Root = t.TempDir()
	for _, dir := range []string{"etc", "var/log"} {
		require.NoError(t, os.MkdirAll(r.settings.Host.Path(dir), 0o700))
	}
	r.write("etc/machine-id", "machine-1\n")
	r.clock = pipelinetest.NewClock(pipeline.Instant{Wall: now, Boot: now.Sub(booted)})
	r.settings.Clock, r.settings.Report = r.clock, r.statuses.Report
	r.settings.Keeping.IsDurable = func() bool { return true }
	r.config.Include, r.config.TimeZone = []string{"/var/log/app.log"}, "UTC"
	return r
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	appendTo(r.t, r.settings.Host.Path(name), text)
}

// start starts the next receiver, from where the one before had come to.
func (r *rig) start() {
	r.t.Helper()
	r.reader = sdkmetric.NewManualReader()
	r.settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader)).Meter("test")
	r.sink = &pipelinetest.Sink{}
	r.receiver = newReceiver(r.t, r.settings, r.config, r.sink)
	if r.kept != nil {
		require.NoError(r.t, r.receiver.Resume(r.kept))
	}
	require.NoError(r.t, r.receiver.Start(r.t.Context()))
}

func (r *rig) stop() {
	r.t.Helper()
	shutdown(r.t, r.receiver)
	encode := r.receiver.Keep()
	require.NotNil(r.t, encode)
	var err error
	r.kept, err = encode()
	require.NoError(r.t, err)
}

// run takes the backlog.
func (r *rig) run() []pipeline.Record {
	r.t.Helper()
	r.start()
	r.waitBacklog()
	r.stop()
	return r.sink.Records()
}

func (r *rig) waitBacklog() {
	r.t.Helper()
	r.sink.WaitFor(r.t, "the end of the backlog", func(records []pipeline.Record) bool {
		return len(records) > 0 && len(named(records, pipeline.EventBacklogEnd)) > 0
	})
}

func (r *rig) waitLines(n int) []pipeline.Record {
	r.t.Helper()
	r.sink.WaitFor(r.t, fmt.Sprint(n, " lines"), func(records []pipeline.Record) bool { return len(named(records, "")) >= n })
	return named(r.sink.Records(), "")
}

// passTimeUntil lets the clock go on while the receiver works.
func (r *rig) passTimeUntil(done func() bool) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		r.clock.Advance(500 * time.Millisecond)
		return done()
	}, 30*time.Second, 10*time.Millisecond)
}

func named(records []pipeline.Record, name string) (found []pipeline.Record) {
	for _, record := range records {
		if record.EventName == name {
			found = append(found, record)
		}
	}
	return found
}

func bodies(records []pipeline.Record) (texts []string) {
	for _, record := range records {
		texts = append(texts, string(record.Body))
	}
	return texts
}

// counted are the sums of a counter by its reason.
func (r *rig) counted(name string) map[string]int64 {
	r.t.Helper()
	var data metricdata.ResourceMetrics
	require.NoError(r.t, r.reader.Collect(r.t.Context(), &data))
	sums := map[string]int64{}
	for _, scope := range data.ScopeMetrics {
		for _, metric := range scope.Metrics {
			if metric.Name != name {
				continue
			}
			for _, point := range metric.Data.(metricdata.Sum[int64]).DataPoints {
				reason, _ := point.Attributes.Value("reason")
				sums[reason.AsString()] += point.Value
			}
		}
	}
	return sums
}

func stamped(at time.Time, text string) string {
	return at.UTC().Format("2006-01-02T15:04:05Z") + " h app: " + text + "\n"
}
