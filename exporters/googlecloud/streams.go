package googlecloud

import (
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// streams are those of counters that had begun before the agent did: the kernel's.
// Cloud Monitoring takes a counter to have been 0 at the start of its stream. With the
// agent's own start, all that the kernel had counted since the boot would be one steep
// rise after each restart; with the boot's, which is told a little differently each
// time, streams would overlap and be refused. So a stream begins with its first
// reading, which is its zero and is not written itself.
type streams[N int64 | float64] struct {
	known, seen map[stream]reading[N]
}

type stream struct {
	name  string
	about attribute.Distinct
}

// reading is the zero of a stream and when that was, and what was read last.
type reading[N int64 | float64] struct {
	zero, last N
	start, at  time.Time
}

func newStreams[N int64 | float64]() *streams[N] {
	return &streams[N]{known: map[stream]reading[N]{}, seen: map[stream]reading[N]{}}
}

// startsWithAgent tells whether a counter was 0 when the agent started: then its own
// start is the right one, and the first reading counts.
func startsWithAgent(name string) bool {
	return name == "problem_counter" || strings.HasPrefix(name, "otelnpd.")
}

// since returns the points of a counter as they count from the starts of their streams.
func (s *streams[N]) since(name string, points []metricdata.DataPoint[N]) []metricdata.DataPoint[N] {
	if startsWithAgent(name) {
		return points
	}
	var made []metricdata.DataPoint[N]
	for _, point := range points {
		key := stream{name, point.Attributes.Equivalent()}
		before, known := s.known[key]
		now := before.next(known, point.Value, point.Time)
		s.seen[key] = now
		if known && now.start.Before(point.Time) {
			point.Value, point.StartTime = point.Value-now.zero, now.start
			made = append(made, point)
		}
	}
	return made
}

// gap is how much later than the end of a stream the next one is to start:
// https://cloud.google.com/monitoring/api/ref_v3/rpc/google.monitoring.v3#timeinterval
const gap = time.Millisecond

// next is the reading after this one. One that is lower says that the counter was set
// back to 0 between the two.
func (r reading[N]) next(known bool, value N, at time.Time) reading[N] {
	switch {
	case !known:
		return reading[N]{zero: value, last: value, start: at, at: at}
	case value < r.last:
		return reading[N]{last: value, start: r.at.Add(gap), at: at}
	default:
		return reading[N]{zero: r.zero, last: value, start: r.start, at: at}
	}
}

// forget drops the streams that have not been seen since it was called last.
func (s *streams[N]) forget() {
	s.known, s.seen = s.seen, s.known
	clear(s.seen)
}
