package googlecloud_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelnpd/otelnpd/exporters/googlecloud/googlecloudtest"
)

const received = "kubernetes.io/internal/node/guest/net/rx_bytes"

// The streams of a counter say what it has counted while it was looked at, and no
// more, whatever becomes of the counter; and none is refused.
func TestStreams(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		const gone = -1
		readings := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(0, 1000), rapid.Just(int64(gone))), 1, 12).Draw(r, "readings")
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t)
			l.config.Period = 10 * time.Second
			l.gauge(t, "cpu/load_1m", 1)
			show := l.counter(t, "net/rx_bytes")
			l.start(t)
			want, before := int64(0), int64(gone)
			for _, reading := range readings {
				show(reading)
				pass(10 * time.Second)
				switch {
				case reading == gone || before == gone:
				case reading < before:
					want += reading
				default:
					want += reading - before
				}
				before = reading
			}
			if refused := l.Refused(); len(refused) > 0 {
				r.Fatalf("refused: %v", refused)
			}
			if got := l.total(received); got != want {
				r.Fatalf("counted %d, want %d", got, want)
			}
		})
	})
}

// total is what the streams of a metric type come to: a new start counts from 0.
func (l *lab) total(metricType string) (total int64) {
	ends := map[time.Time]int64{}
	for _, one := range l.of(metricType) {
		point := one.GetPoints()[0]
		ends[point.GetInterval().GetStartTime().AsTime()] = int64(googlecloudtest.Number(point))
	}
	for _, end := range ends {
		total += end
	}
	return total
}

// What the agent counts itself began with it: its first reading counts.
func TestCountersOfTheAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l := newLab(t)
		l.counter(t, "problem_counter")(3)
		l.start(t)
		pass(20 * time.Second)
		first := l.of("compute.googleapis.com/guest/system/problem_count")
		require.Len(t, first, 1)
		require.InDelta(t, 3, googlecloudtest.Number(first[0].GetPoints()[0]), 0)
		require.Equal(t, began.UTC(), first[0].GetPoints()[0].GetInterval().GetStartTime().AsTime())
	})
}
