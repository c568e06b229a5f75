package nodeevents

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func floodOf(occurrences ...suppressed) *flood {
	var f flood
	for _, o := range occurrences {
		if o.from.IsZero() {
			o.from, o.to = start.Wall, start.Wall
		}
		f.add(start.Boot, o)
	}
	return &f
}

const whereToLook = "Look into the log of otelnpd, the node's own logs and the metrics problem_counter and otelnpd_kubernetes_events_total. Reasons: "

func TestFloodTells(t *testing.T) {
	var many []suppressed
	for i := range 200 {
		many = append(many, suppressed{reason: fmt.Sprintf("Reason%03d", i), cause: overBudget, count: int64(200 - i)})
	}
	for name, tt := range map[string]struct {
		flood *flood
		want  string
	}{
		"one": {
			floodOf(suppressed{reason: "IOError", cause: tooOld, count: 1}),
			"Occurrences without an Event: 1 (1 too old), from 2026-01-02T03:04:05Z to 2026-01-02T03:04:05Z. " + whereToLook + "IOError 1",
		},
		"of all causes": {
			floodOf(
				suppressed{"IOError", overBudget, 7, after(time.Minute).Wall, after(2 * time.Minute).Wall},
				suppressed{"Oops", overflow, 9, after(-time.Minute).Wall, after(0).Wall},
				suppressed{"IOError", tooOld, 1, after(0).Wall, after(0).Wall},
				suppressed{"Hung", tooOld, 8, after(0).Wall, after(0).Wall},
			),
			"Occurrences without an Event: 25 (7 over the budget, 9 too old, 9 for lack of room), from 2026-01-02T03:03:05Z to 2026-01-02T03:06:05Z. " +
				whereToLook + "Oops 9, Hung 8, IOError 8",
		},
		"of many reasons": {
			floodOf(many...),
			"Occurrences without an Event: 20100 (20100 over the budget), from 2026-01-02T03:04:05Z to 2026-01-02T03:04:05Z. " + whereToLook +
				"Reason000 200, Reason001 199, Reason002 198, Reason003 197, Reason004 196, Reason005 195, Reason006 194, Reason007 193, " +
				"Reason008 192, Reason009 191, others 18145",
		},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, tt.flood.String()) })
	}
}

func TestFloodIsBounded(t *testing.T) {
	var f flood
	for i := range 10_000 {
		f.add(start.Boot, suppressed{reason: fmt.Sprintf("%d%s", i, strings.Repeat("x", 100)), count: 1})
	}
	require.Len(t, f.Reasons, floodReasons)
	require.EqualValues(t, 10_000, f.total())
	require.EqualValues(t, 10_000-floodReasons, f.Others)
	event := (&writer{}).summary(&f, "")
	require.LessOrEqual(t, len(event.Message), maxMessageBytes)
	require.Contains(t, event.Message, whereToLook, "it comes before what is cut")
}

func TestSummaryEvent(t *testing.T) {
	w := newWriter("", "node-1")
	f := floodOf(suppressed{"IOError", overBudget, 3, after(0).Wall, after(time.Minute).Wall})
	event := w.summary(f, "node-uid")
	require.Equal(t, "Normal", event.Type)
	require.Equal(t, "EventsSuppressed", event.Reason)
	require.Equal(t, "otelnpd", event.Source.Component)
	require.Equal(t, "otelnpd", event.ReportingController)
	require.Equal(t, "node-uid", event.InvolvedObject.UID)
	require.Equal(t, after(0).Wall.Truncate(time.Second), event.FirstTimestamp)
	require.Equal(t, after(time.Minute).Wall.Truncate(time.Second), event.LastTimestamp)
	require.Equal(t, event.Name, w.summary(f, "node-uid").Name, "stable")
	f.To = f.To.Add(1)
	require.NotEqual(t, event.Name, w.summary(f, "node-uid").Name, "by its span")
	other := newWriter("", "node.1")
	require.NotEqual(t, strings.TrimPrefix(event.Name, "node-1."), strings.TrimPrefix(other.summary(f, "").Name, "node.1."))
}

// floods suppresses one occurrence at each of these times.
func floods(l *ledger, at ...time.Duration) {
	for _, d := range at {
		l.suppress(after(d), suppressed{"IOError", overBudget, 1, after(d).Wall, after(d).Wall})
	}
}

func TestWhenASummaryIsDue(t *testing.T) {
	l := ledgerFor(DefaultConfig())
	floods(l, 0, 10*time.Second, 25*time.Second)
	d, wait := l.next(after(25*time.Second), false)
	require.Nil(t, d)
	require.Equal(t, 30*time.Second, wait, "after 30 s of quiet")
	require.Len(t, sent(l, after(55*time.Second)), 1)
	require.Empty(t, sent(l, after(time.Hour)), "one a flood")

	floods(l, 56*time.Second)
	d, wait = l.next(after(56*time.Second), false)
	require.Nil(t, d)
	require.Equal(t, 59*time.Second, wait, "at most one a minute")
	require.Len(t, sent(l, after(115*time.Second)), 1)

	for s := time.Duration(200); s < 800; s++ {
		floods(l, s*time.Second)
		require.Empty(t, sent(l, after(s*time.Second)))
	}
	floods(l, 800*time.Second)
	require.Len(t, sent(l, after(800*time.Second)), 1, "a flood that goes on is told after 10 min")
	require.Zero(t, l.flood.total())
}

// A summary is outside the budgets, but not when it is tried again.
func TestSummaryAndPace(t *testing.T) {
	config := DefaultConfig()
	config.Total = Budget{Burst: 1, PerMinute: 1}
	l := ledgerFor(config)
	told(t, l, after(0), problemRecord(0, "IOError", "sda", after(0)), problemRecord(1, "IOError", "sdb", after(0)))
	require.Equal(t, []string{"IOError sda x1"}, sent(l, after(0)))
	d, _ := l.next(after(30*time.Second), false)
	require.NotNil(t, d)
	l.settle(d, again)
	none, wait := l.next(after(30*time.Second), false)
	require.Nil(t, none)
	require.Equal(t, 30*time.Second, wait)
	floods(l, 31*time.Second)
	second, _ := l.next(after(time.Minute), false)
	require.Equal(t, d.event, second.event, "what is suppressed meanwhile is another flood")
	l.settle(second, accepted)
	require.Len(t, sent(l, after(90*time.Second)), 1)
}
