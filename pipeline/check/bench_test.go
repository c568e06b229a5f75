package check

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// BenchmarkStartDelay runs 500 checks of one second for a few seconds, each of which
// waits for up to 50 ms, and tells how late they begin, by the boot clock, without
// the jitter that is meant. An operation is a run.
func BenchmarkStartDelay(b *testing.B) {
	for name, schedule := range map[string]Schedule{"spread": {Spread: true}, "at once": {}, "at most 20": {Concurrency: 20}} {
		b.Run(name, func(b *testing.B) {
			settings := pipelinetest.Settings(b, "checks")
			var mu sync.Mutex
			starts := map[int][]time.Duration{}
			var checks []Check
			for i := range 500 {
				checks = append(checks, checkOf(fmt.Sprint("c", i), time.Second, func(ctx context.Context) Report {
					mu.Lock()
					starts[i] = append(starts[i], settings.Clock.Now().Boot)
					mu.Unlock()
					select {
					case <-time.After(rand.N(50 * time.Millisecond)):
					case <-ctx.Done():
					}
					return ok(ctx)
				}))
			}
			var delays []time.Duration
			for b.Loop() {
				runner, err := NewRunner(settings, pipeline.ConsumerFunc(func(context.Context, []pipeline.Record) error { return nil }), checks, schedule)
				require.NoError(b, err)
				runner.random = func() float64 { return 0 }
				require.NoError(b, runner.Start(b.Context()))
				time.Sleep(5500 * time.Millisecond)
				require.NoError(b, runner.Shutdown(b.Context()))
				for i, c := range runner.checks {
					for n, at := range starts[i] {
						delays = append(delays, at-c.first-time.Duration(n)*time.Second)
					}
				}
				clear(starts)
			}
			slices.Sort(delays)
			b.ReportMetric(float64(len(delays))/float64(b.N), "runs/op")
			b.ReportMetric(delays[len(delays)/2].Seconds()*1000, "p50-ms")
			b.ReportMetric(delays[len(delays)*99/100].Seconds()*1000, "p99-ms")
			b.ReportMetric(delays[len(delays)-1].Seconds()*1000, "max-ms")
		})
	}
}
