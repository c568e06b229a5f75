package nodeevents

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
)

// told brings a record to a ledger.
func told(t *testing.T, l *ledger, now pipeline.Instant, records ...pipeline.Record) {
	t.Helper()
	for i := range records {
		o, tells := occurrenceOf(&records[i])
		require.True(t, tells)
		l.record(&o, now)
	}
}

// sent has the API server accept all that is to be written now, as
// REASON MESSAGE xCOUNT.
func sent(l *ledger, now pipeline.Instant) (events []string) {
	for d, _ := l.next(now, false); d != nil; d, _ = l.next(now, false) {
		events = append(events, fmt.Sprintf("%s %s x%d", d.event.Reason, d.event.Message, d.event.Count))
		l.settle(d, accepted)
	}
	return events
}

func ledgerFor(config Config) *ledger {
	l := newLedger(config, "node-1")
	l.setNode("node-uid")
	return l
}

// outcomesOf are written, folded, suppressed and failed.
func outcomesOf(w, f, s, x int64) [outcomes]int64 { return [outcomes]int64{w, f, s, x} }

func TestSeries(t *testing.T) {
	type occurrence struct {
		after  time.Duration
		change func(*pipeline.Problem)
	}
	same := func(*pipeline.Problem) {}
	for name, tt := range map[string]struct {
		occurrences []occurrence
		want        string // names by the number of their first occurrence, and counts
	}{
		"repeats":          {[]occurrence{{0, same}, {time.Second, same}, {time.Minute, same}}, "0x3"},
		"a gap of an hour": {[]occurrence{{0, same}, {time.Hour, same}, {2 * time.Hour, same}}, "0x3"},
		"a longer gap":     {[]occurrence{{0, same}, {time.Hour + time.Nanosecond, same}, {2 * time.Hour, same}}, "0x1 1x2"},
		"the wall clock was stepped back": {[]occurrence{{0, same}, {-30 * time.Minute, same}, {-3 * time.Hour, same}, {-2 * time.Hour, same}},
			"0x2 2x2"},
		"another message":                   {[]occurrence{{0, same}, {0, func(p *pipeline.Problem) { p.Message = "sdb failed" }}}, "0x1 1x1"},
		"another reason":                    {[]occurrence{{0, same}, {0, func(p *pipeline.Problem) { p.Reason = "Oops" }}}, "0x1 1x1"},
		"another source":                    {[]occurrence{{0, same}, {0, func(p *pipeline.Problem) { p.Source = "docker-monitor" }}}, "0x1 1x1"},
		"another type":                      {[]occurrence{{0, same}, {0, func(p *pipeline.Problem) { p.Severity = log.SeverityInfo }}}, "0x1 1x1"},
		"another severity of the same type": {[]occurrence{{0, same}, {0, func(p *pipeline.Problem) { p.Severity = log.SeverityFatal }}}, "0x2"},
		"another rule":                      {[]occurrence{{0, same}, {0, func(p *pipeline.Problem) { p.Rule, p.Instance = "kernel/x", "y" }}}, "0x2"},
		"a threshold":                       {[]occurrence{{0, func(p *pipeline.Problem) { p.Count = 5 }}, {0, same}}, "0x6"},
		"the last one again":                {[]occurrence{{0, same}, {1, same}, {1, func(p *pipeline.Problem) { p.UID = uid(1) }}}, "0x2"},
		"the first one again":               {[]occurrence{{0, same}, {1, same}, {0, func(p *pipeline.Problem) { p.UID = uid(0) }}}, "0x2"},
		"one between them again":            {[]occurrence{{0, same}, {1, same}, {2, same}, {1, func(p *pipeline.Problem) { p.UID = uid(1) }}}, "0x3"},
	} {
		t.Run(name, func(t *testing.T) {
			config := DefaultConfig()
			config.MaxAge = 24 * time.Hour
			l := ledgerFor(config)
			for i, o := range tt.occurrences {
				record := problemRecord(i, "IOError", "sda failed", after(o.after))
				o.change(record.Problem)
				told(t, l, after(0), record)
			}
			var got []string
			for _, s := range l.queue {
				for i := range tt.occurrences {
					if s.UID == uid(i) {
						got = append(got, fmt.Sprintf("%dx%d", i, s.Count))
					}
				}
			}
			require.Equal(t, tt.want, strings.Join(got, " "))
		})
	}
}

func TestSeriesTimes(t *testing.T) {
	l := ledgerFor(DefaultConfig())
	for i, at := range []time.Duration{0, -time.Minute, time.Minute, 30 * time.Second} {
		told(t, l, after(0), problemRecord(i, "IOError", "sda failed", after(at)))
	}
	d, _ := l.next(after(0), false)
	require.Equal(t, "2026-01-02T03:03:05Z", d.event.FirstTimestamp.Format(time.RFC3339Nano))
	require.Equal(t, "2026-01-02T03:05:05Z", d.event.LastTimestamp.Format(time.RFC3339Nano))
}

// Two pipelines bring the same occurrences, one batch after the other.
func TestToldByTwoPipelines(t *testing.T) {
	l := ledgerFor(DefaultConfig())
	for range 2 {
		for i := range 40 {
			told(t, l, after(0), problemRecord(i, "IOError", fmt.Sprintf("disk %d", i%4), after(0)))
		}
		told(t, l, after(0), problemRecord(40, "Old", "long ago", after(-2*time.Hour)))
	}
	require.Equal(t, []string{"IOError disk 0 x10", "IOError disk 1 x10", "IOError disk 2 x10", "IOError disk 3 x10"}, sent(l, after(0)))
	require.Equal(t, outcomesOf(4, 36, 1, 0), l.outcomes)
}

// The first and the last occurrence of a series are known for as long as it is.
func TestTheFirstOfASeriesIsKnownForLong(t *testing.T) {
	l := ledgerFor(DefaultConfig())
	for i := range 2 * maxRecent {
		told(t, l, after(0), problemRecord(i, "IOError", "sda", after(0)))
	}
	for i := range maxRecent {
		told(t, l, after(0), problemRecord(10_000+i, "Oops", "null", after(0)))
	}
	told(t, l, after(0), problemRecord(0, "IOError", "sda", after(0)), problemRecord(2*maxRecent-1, "IOError", "sda", after(0)))
	require.Equal(t, []string{"IOError sda x2048", "Oops null x1024"}, sent(l, after(0)))
}

func TestRecentIsBounded(t *testing.T) {
	var r recent
	for n := range 3 * maxRecent {
		require.True(t, r.add(uid(n)))
		require.False(t, r.add(uid(n)))
	}
	require.Len(t, r.All, maxRecent)
	require.Len(t, r.index, maxRecent)
	require.False(t, r.add(uid(2*maxRecent)), "the oldest that is known")
	require.True(t, r.add(uid(2*maxRecent-1)), "the newest that is not")
}

// A cause whose message changes has one Event, which shows the newest.
func TestChangingMessage(t *testing.T) {
	l := ledgerFor(DefaultConfig())
	change := func(text string, at time.Duration) pipeline.Record {
		r := transitionRecord(7, "FileSystemFull", text, after(at))
		r.Transition.Kind = pipeline.TransitionMessage
		return r
	}
	told(t, l, after(0), change("90 %", 0), change("91 %", time.Minute), change("91 %", time.Minute), change("90 %", 2*time.Minute))
	d, _ := l.next(after(0), false)
	require.Equal(t, "node-1."+uid(7).String(), d.event.Name)
	require.Contains(t, d.event.Message, "90 %")
	require.EqualValues(t, 3, d.event.Count)
	told(t, l, after(0), change("92 %", 3*time.Minute))
	l.settle(d, accepted)
	d, _ = l.next(after(0), false)
	require.Contains(t, d.event.Message, "92 %")
	require.EqualValues(t, 4, d.event.Count)
	require.Equal(t, outcomesOf(1, 2, 0, 0), l.outcomes)
}

func TestBudgetOfAReason(t *testing.T) {
	config := DefaultConfig()
	config.PerReason = Budget{Burst: 3, PerMinute: 6}
	l := ledgerFor(config)
	for i := range 5 {
		told(t, l, after(0), problemRecord(i, "IOError", fmt.Sprintf("disk %d", i), after(0)))
	}
	told(t, l, after(0), problemRecord(5, "Oops", "null", after(0)))
	require.Equal(t, []string{"IOError disk 0 x1", "IOError disk 1 x1", "IOError disk 2 x1", "Oops null x1"}, sent(l, after(0)))
	require.Equal(t, outcomesOf(4, 0, 2, 0), l.outcomes)

	told(t, l, after(10*time.Second-1), problemRecord(6, "IOError", "disk 6", after(0)))
	told(t, l, after(10*time.Second), problemRecord(7, "IOError", "disk 7", after(0)))
	require.Equal(t, []string{"IOError disk 7 x1"}, sent(l, after(10*time.Second)), "one token comes in 10 s")
}

// Problems leave a quarter of the total to conditions; repeats leave half of both
// buckets to what is new.
func TestWhoLeavesTokensToWhom(t *testing.T) {
	config := DefaultConfig()
	config.PerReason, config.Total = Budget{Burst: 1, PerMinute: 1}, Budget{Burst: 8, PerMinute: 60}
	l := ledgerFor(config)
	for i := range 10 {
		told(t, l, after(0), problemRecord(i, fmt.Sprintf("Reason%d", i), "m", after(0)))
	}
	require.Equal(t, outcomesOf(0, 0, 4, 0), l.outcomes, "6 of 8 for problems")
	for i := range 4 {
		told(t, l, after(0), transitionRecord(100+i, fmt.Sprintf("Condition%d", i), "m", after(0)))
	}
	require.Equal(t, outcomesOf(0, 0, 6, 0), l.outcomes, "the other 2 for conditions")

	config.PerReason = Budget{Burst: 6, PerMinute: 60}
	l = ledgerFor(config)
	for i := range 10 {
		told(t, l, after(0), problemRecord(i, "IOError", "sda failed", after(0)))
		sent(l, after(0))
	}
	require.Equal(t, outcomesOf(3, 0, 0, 0), l.outcomes, "half of 6 is left to other disks, and so half of 8 in all")
	told(t, l, after(0), problemRecord(10, "IOError", "sdb failed", after(0)))
	require.Equal(t, []string{"IOError sdb failed x1"}, sent(l, after(0)))
}

func TestRepeatsAreFoldedUntilATokenComes(t *testing.T) {
	config := DefaultConfig()
	config.PerReason = Budget{Burst: 1, PerMinute: 6}
	l := ledgerFor(config)
	told(t, l, after(0), problemRecord(0, "IOError", "sda failed", after(0)))
	require.Equal(t, []string{"IOError sda failed x1"}, sent(l, after(0)))
	for i := range 1000 {
		told(t, l, after(time.Second), problemRecord(i+1, "IOError", "sda failed", after(time.Second)))
	}
	require.Empty(t, sent(l, after(time.Second)))
	d, wait := l.next(after(time.Second), false)
	require.Nil(t, d)
	require.Equal(t, 9*time.Second, wait)
	require.Equal(t, []string{"IOError sda failed x1001"}, sent(l, after(10*time.Second)))
	require.Equal(t, outcomesOf(2, 999, 0, 0), l.outcomes)
}

// The first that has tokens goes; one without does not hold it up.
func TestOrder(t *testing.T) {
	config := DefaultConfig()
	config.PerReason = Budget{Burst: 1, PerMinute: 1}
	l := ledgerFor(config)
	told(t, l, after(0), problemRecord(0, "IOError", "sda", after(0)), problemRecord(1, "Oops", "null", after(0)))
	require.Equal(t, []string{"IOError sda x1", "Oops null x1"}, sent(l, after(0)))
	told(t, l, after(0), problemRecord(2, "Oops", "null", after(0)), problemRecord(3, "IOError", "sda", after(0)),
		problemRecord(4, "OOM", "pid 1", after(0)))
	require.Equal(t, []string{"OOM pid 1 x1"}, sent(l, after(0)))
	require.Equal(t, []string{"Oops null x2", "IOError sda x2"}, sent(l, after(time.Minute)))
}

func TestTriedAgainWithTheNewestCount(t *testing.T) {
	l := ledgerFor(DefaultConfig())
	told(t, l, after(0), problemRecord(0, "IOError", "sda", after(0)), problemRecord(1, "Oops", "null", after(0)))
	d, _ := l.next(after(0), false)
	told(t, l, after(0), problemRecord(2, "IOError", "sda", after(0)))
	l.settle(d, again)
	require.Equal(t, []string{"IOError sda x2", "Oops null x1"}, sent(l, after(0)), "and it goes first")
	require.Equal(t, outcomesOf(2, 1, 0, 0), l.outcomes)
}

func TestRefusedTellsWhatItTried(t *testing.T) {
	l := ledgerFor(DefaultConfig())
	told(t, l, after(0), problemRecord(0, "IOError", "sda", after(0)), problemRecord(1, "IOError", "sda", after(0)))
	d, _ := l.next(after(0), false)
	told(t, l, after(0), problemRecord(2, "IOError", "sda", after(0)))
	l.settle(d, refused)
	require.Equal(t, outcomesOf(0, 0, 0, 2), l.outcomes)
	require.Equal(t, []string{"IOError sda x3"}, sent(l, after(0)), "what came meanwhile is tried")
}

func TestWhatGoesWhenThereIsNoRoom(t *testing.T) {
	config := DefaultConfig()
	config.PerReason = config.Total
	grave := func(n int, severity log.Severity) pipeline.Record {
		r := problemRecord(n, "R", fmt.Sprintf("m%d", n), after(0))
		r.Problem.Severity = severity
		return r
	}
	weight := seriesOf(t, grave(0, log.SeverityWarn)).bytes()
	l := ledgerFor(config)
	l.maxBytes = 3 * weight
	told(t, l, after(0), grave(0, log.SeverityWarn), grave(1, log.SeverityError), grave(2, log.SeverityWarn))
	told(t, l, after(0), grave(3, log.SeverityError))
	told(t, l, after(0), grave(4, log.SeverityWarn))
	require.Equal(t, []string{"R m1 x1", "R m3 x1", "R m4 x1"}, sent(l, after(0)), "the oldest of the lowest severity went")
	require.EqualValues(t, 2, l.flood.Causes[overflow])

	r := grave(5, log.SeverityError)
	r.Problem.Message = "m1"
	told(t, l, after(0), r)
	require.Equal(t, []string{"R m1 x2"}, sent(l, after(0)))
	told(t, l, after(0), grave(6, log.SeverityWarn), grave(7, log.SeverityWarn))
	require.Len(t, l.queue, 2)
	require.Contains(t, l.series, l.queue[0].key)
	require.EqualValues(t, 2, l.flood.Causes[overflow], "idle ones went first")
	require.Equal(t, outcomesOf(4, 0, 2, 0), l.outcomes)
	r = grave(8, log.SeverityError)
	r.Problem.Message = "m1"
	told(t, l, after(0), r)
	require.Equal(t, []string{"R m6 x1", "R m7 x1", "R m1 x3"}, sent(l, after(0)), "the least recently used first")
}

func TestTheLeastGraveMayBeTheNewOne(t *testing.T) {
	l := ledgerFor(DefaultConfig())
	l.maxBytes = seriesBytes
	told(t, l, after(0), problemRecord(0, "IOError", "sda", after(0)))
	require.Empty(t, l.queue)
	require.Empty(t, l.series)
	require.Zero(t, l.bytes)
	require.Equal(t, outcomesOf(0, 0, 1, 0), l.outcomes)
}

func TestTooOld(t *testing.T) {
	l := ledgerFor(DefaultConfig())
	told(t, l, after(0), problemRecord(0, "IOError", "sda", after(-time.Hour)), problemRecord(1, "IOError", "sda", after(-time.Hour-1)))
	require.Equal(t, []string{"IOError sda x1"}, sent(l, after(0)))
	require.Equal(t, outcomesOf(1, 0, 1, 0), l.outcomes)
	require.EqualValues(t, 1, l.flood.Causes[tooOld])
}

func TestNodeMadeAnew(t *testing.T) {
	l := newLedger(DefaultConfig(), "node-1")
	told(t, l, after(0), problemRecord(0, "IOError", "sda", after(0)))
	d, wait := l.next(after(0), false)
	require.Nil(t, d, "no Node has been seen")
	require.Zero(t, wait)
	l.setNode("first")
	d, _ = l.next(after(0), false)
	require.Equal(t, "first", d.event.InvolvedObject.UID)
	l.setNode("second")
	l.settle(d, again)
	d, _ = l.next(after(0), false)
	require.Equal(t, "second", d.event.InvolvedObject.UID)
	l.settle(d, accepted)
	told(t, l, after(0), problemRecord(1, "IOError", "sda", after(0)))
	d, _ = l.next(after(0), false)
	require.Equal(t, eventName(&series{UID: uid(1)}), d.event.Name, "an Event is about one Node")
	require.EqualValues(t, 1, d.event.Count)
}

func TestOutcomeNames(t *testing.T) {
	var names []string
	for o := range outcomes {
		names = append(names, o.String())
	}
	require.Equal(t, []string{"written", "folded", "suppressed", "failed"}, names)
}
