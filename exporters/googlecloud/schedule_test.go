package googlecloud_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/googlecloud/googlecloudtest"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

const load = "compute.googleapis.com/guest/cpu/load_1m"

// times are when points of the load were written, since start.
func (l *lab) times(start time.Time) (all []time.Duration) {
	for _, one := range l.of(load) {
		all = append(all, one.GetPoints()[0].GetInterval().GetEndTime().AsTime().Sub(start))
	}
	return all
}

func TestSchedule(t *testing.T) {
	for name, c := range map[string]struct {
		period, runs time.Duration
		want         []time.Duration
	}{
		"soon after the start, then each period":   {time.Minute, 65 * time.Second, []time.Duration{10 * time.Second}},
		"once more at the end":                     {time.Minute, 135 * time.Second, []time.Duration{10 * time.Second, 70 * time.Second, 130 * time.Second, 135 * time.Second}},
		"not where Cloud Monitoring takes no more": {time.Minute, 74 * time.Second, []time.Duration{10 * time.Second, 70 * time.Second}},
		"not just after the start":                 {time.Minute, 4 * time.Second, nil},
		"as often as it may be":                    {5 * time.Second, 17 * time.Second, []time.Duration{5 * time.Second, 10 * time.Second, 15 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t)
				l.config.Period = c.period
				l.gauge(t, "cpu/load_1m", 1)
				start := time.Now()
				exporter := l.start(t)
				pass(c.runs)
				want := c.want
				if name == "soon after the start, then each period" {
					want = append(want, c.runs)
				}
				require.NoError(t, exporter.Shutdown(t.Context()))
				require.Equal(t, want, l.times(start))
				require.Empty(t, l.Refused())
			})
		})
	}
}

// A changed configuration goes on where the one before had come to: no point comes too
// soon, none is lost, and the streams of counters go on.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.gauge(t, "cpu/load_1m", 1)
		show := l.counter(t, "net/rx_bytes")
		show(100)
		start := time.Now()
		first := l.start(t)
		pass(12 * time.Second)
		l.config.Period = 30 * time.Second
		for range 5 {
			second := l.make(t)
			handOver(t, first)
			heir, ok := second.(pipeline.Heir)
			require.True(t, ok)
			heir.Inherit(first)
			require.NoError(t, second.Start(t.Context()))
			first = second
			pass(2 * time.Second)
		}
		show(130)
		pass(30 * time.Second)
		handOver(t, first)
		require.Equal(t, []time.Duration{10 * time.Second, 40 * time.Second}, l.times(start))
		bytes := l.of("kubernetes.io/internal/node/guest/net/rx_bytes")
		require.Len(t, bytes, 1)
		require.InDelta(t, 30, googlecloudtest.Number(bytes[0].GetPoints()[0]), 0)
		require.Equal(t, start.Add(10*time.Second).UTC(), bytes[0].GetPoints()[0].GetInterval().GetStartTime().AsTime())
		require.Empty(t, l.Refused())
	})
}

// An agent that is started again and again writes no point too soon.
func TestRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.gauge(t, "cpu/load_1m", 1)
		show := l.counter(t, "net/rx_bytes")
		for lives := range int64(20) {
			show(1000 + lives*100)
			one := l.start(t)
			pass(time.Duration(lives) * time.Second)
			require.NoError(t, one.Shutdown(t.Context()))
		}
		require.NotEmpty(t, l.of(load))
		require.NotEmpty(t, l.of("kubernetes.io/internal/node/guest/net/rx_bytes"))
		require.Empty(t, l.Refused())
	})
}

func TestShutdownDoesNotWaitForAServerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.gauge(t, "cpu/load_1m", 1)
		l.Answer(hang)
		exporter := l.start(t)
		pass(5 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begun := time.Now()
		require.NoError(t, exporter.Shutdown(ctx))
		require.Equal(t, 3*time.Second, time.Since(begun))
	})
}

func TestContract(t *testing.T) {
	l := newLab(t)
	pipelinetest.CheckExporter(t, pipelinetest.ExporterUnderTest{
		New: func(t *testing.T) pipeline.Exporter {
			t.Helper()
			return l.make(t)
		},
		Batches: [][]pipeline.Record{pipelinetest.Lines("kmsg", 1, "a line")},
	})
}
