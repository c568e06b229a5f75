package integration

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/faultproxy"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// A burst's lines, the kinds of problems they tell of, and how long it takes.
const (
	burstMatches = 10_000
	burstReasons = 30
	burstTexts   = 10 // of each reason
	burstTime    = 40 * time.Second
)

const suppressed = "EventsSuppressed"

// 10,000 matching lines of 300 kinds within a minute cost the apiserver no more than
// the default budgets say, and all are accounted for.
func (s kubernetesTests) burst(t *testing.T) {
	t.Parallel()
	r := s.rigOnNode(t)
	rules := make([]string, burstReasons)
	for i := range rules {
		rules[i] = fmt.Sprintf(`{id: burst-%d, pattern: '^%s burst %[1]d (?P<text>\d+) ', reason: Burst%[1]d, message: 'text {text}'}`, i, r.tag)
	}
	r.settings.Rules = "rules: [" + strings.Join(rules, ", ") + "]"
	a := r.start(t)
	r.writeBurst(t)
	matched := func() float64 { return a.Sum(t, "problem_counter", nil) }
	require.Eventually(t, func() bool { return matched() == burstMatches }, patience, tick,
		"%v lines lost by the kernel's ring", lostRecords(t, a))
	require.Zero(t, lostRecords(t, a))

	summary := r.waitEvents(t, suppressed, 1)
	outcomes := r.waitOutcomes(t, a, burstMatches)
	t.Logf("outcomes %v; the summary: %s", outcomes, summary[0].Message)
	require.Zero(t, outcomes["failed"])
	require.Contains(t, summary[0].Message, fmt.Sprintf("Occurrences without an Event: %.0f (", outcomes["suppressed"]))
	require.Len(t, r.events(t, suppressed), 1)
	r.requireBounded(t)
	counted := 0
	for _, e := range r.k.Events(t, "default", r.settings.Node) {
		if e.Reason != suppressed {
			counted += e.Count
			require.LessOrEqual(t, e.Count, burstMatches/burstReasons/burstTexts+1, "%+v", e)
		}
	}
	require.InDelta(t, outcomes["written"]+outcomes["folded"], counted, 0, "the counts of the Events")
}

// waitOutcomes waits until what became of all occurrences is known: what is folded is
// written when the budget has room for repeats.
func (r *rig) waitOutcomes(t testing.TB, a *agent.Agent, occurrences float64) map[string]float64 {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(time.Second) {
		outcomes, sum := map[string]float64{}, 0.0
		for _, outcome := range []string{"written", "folded", "suppressed", "failed"} {
			outcomes[outcome] = a.Sum(t, "otelnpd_kubernetes_events_total", map[string]string{"outcome": outcome})
			sum += outcomes[outcome]
		}
		if sum == occurrences {
			require.InDelta(t, sum, a.Sum(t, "otelnpd_kubernetes_events_total", nil), 0, "an outcome that is not known")
			return outcomes
		}
		require.True(t, sum < occurrences && time.Now().Before(deadline), "%v are %v of %v", outcomes, sum, occurrences)
	}
}

// writeBurst writes so evenly that the agent keeps up: the kernel's ring holds a few
// thousand lines.
func (r *rig) writeBurst(t testing.TB) {
	t.Helper()
	const chunk = 100
	started := time.Now()
	for from := 0; from < burstMatches; from += chunk {
		require.NoError(t, r.log.WriteMany(chunk, func(buffer []byte, i int) []byte {
			n := from + i
			return fmt.Appendf(buffer, "%s burst %d %d line %d", r.tag, n%burstReasons, n/burstReasons%burstTexts, n)
		}))
		time.Sleep(time.Until(started.Add(burstTime * time.Duration(from+chunk) / burstMatches)))
	}
}

// requireBounded requires that no minute has had more requests for Events than
// total.burst + total.per_minute and a summary. The budget counts when they begin and
// the proxy when they arrive: those of some seconds may be late, and come together.
func (r *rig) requireBounded(t testing.TB) {
	t.Helper()
	puts := r.proxy.Requests(faultproxy.Is(http.MethodPut, "/events/"))
	most := 0
	for i := range puts {
		count := 0
		for _, put := range puts[i:] {
			if put.At.Sub(puts[i].At) < time.Minute {
				count++
			}
		}
		most = max(most, count)
	}
	t.Logf("%d requests for Events, at most %d in a minute", len(puts), most)
	const late = 10
	require.LessOrEqual(t, most, 100+60+1+late)
	require.Greater(t, most, 100, "the budget is used")
	require.Empty(t, r.proxy.Requests(faultproxy.Is(http.MethodPost, "")))
}

// A budget that comes back soon lets the Events of a burst catch up while the agent
// runs.
func (s kubernetesTests) burstCatchesUp(t *testing.T) {
	t.Parallel()
	r := s.rigOnNode(t, "events: {per_reason: {burst: 25, per_minute: 600}, total: {burst: 100, per_minute: 1200}}")
	a := r.start(t)
	const kinds, repeats = 10, 50
	for i := range kinds * repeats {
		r.problem(t, strconv.Itoa(i%kinds))
	}
	a.Console.WaitFor(t, "the last", agent.Problem("Problem", strconv.Itoa(kinds-1)))
	events := r.waitEventsThat(t, "Problem", "all counted", func(events []servers.Event) bool {
		counted := 0
		for _, e := range events {
			counted += e.Count
		}
		return counted == kinds*repeats
	})
	require.Len(t, events, kinds)
	for _, e := range events {
		require.Equal(t, repeats, e.Count)
	}
	require.Empty(t, r.events(t, suppressed))
}
