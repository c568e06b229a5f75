package filelog_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/receivers/filelog"
)

// A node without a clock of its own boots in 1970, or a little before.
func TestAClockThatIsNotSetYet(t *testing.T) {
	r := newRig(t)
	r.clock = pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(59, 0), Boot: time.Minute})
	r.settings.Clock, r.config.StartAt = r.clock, filelog.StartAtBeginning
	r.write("var/log/app.log", "one\n")
	require.Equal(t, []string{"one"}, bodies(named(r.run(), "")))
	r.write("var/log/app.log", "two\n")
	require.Equal(t, []string{"two"}, bodies(named(r.run(), "")))
}

// Where the first start begins.
func TestLookback(t *testing.T) {
	for name, tt := range map[string]struct {
		config  func(*filelog.Config)
		want    []string
		skipped map[string]int64
	}{
		"this boot": {func(*filelog.Config) {}, []string{"boot", "hour", "minute"}, map[string]int64{"lookback": 1}},
		"two hours": {func(c *filelog.Config) { c.Lookback = pipeline.Lookback(2 * time.Hour) }, []string{"hour", "minute"}, map[string]int64{"lookback": 2}},
		"ten hours": {func(c *filelog.Config) { c.Lookback = pipeline.Lookback(10 * time.Hour) }, []string{"boot", "hour", "minute"}, map[string]int64{"lookback": 1}},
		"now":       {func(c *filelog.Config) { c.Lookback = 0 }, nil, nil},
		"delay":     {func(c *filelog.Config) { c.Delay = 2*time.Hour + time.Second }, []string{"minute"}, map[string]int64{"lookback": 1, "delay": 2}},
		"beginning": {func(c *filelog.Config) { c.StartAt = filelog.StartAtBeginning }, []string{"old", "boot", "hour", "minute"}, nil},
		"end":       {func(c *filelog.Config) { c.StartAt = filelog.StartAtEnd }, nil, nil},
		"no times":  {func(c *filelog.Config) { c.Format = "plain" }, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.config.Format = "syslog"
			tt.config(r.config)
			r.write("var/log/app.log", stamped(booted.Add(-time.Hour), "old")+stamped(booted.Add(time.Second), "boot")+
				stamped(now.Add(-time.Hour), "hour")+stamped(now.Add(-time.Minute), "minute"))
			r.start()
			r.waitBacklog()
			require.Equal(t, tt.want, bodies(named(r.sink.Records(), "")))
			r.write("var/log/app.log", stamped(booted.Add(-time.Hour), "live, though old"))
			live := r.waitLines(len(tt.want) + 1)
			require.Contains(t, string(live[len(live)-1].Body), "live, though old")
			r.stop()
			for reason, want := range tt.skipped {
				require.Equal(t, want, r.counted("otelnpd.receiver.skipped_records")[reason], reason)
			}
		})
	}
}

// Another boot: what was written before it belongs to the one before.
func TestAnotherBoot(t *testing.T) {
	r := newRig(t)
	r.config.Format = "syslog"
	r.write("var/log/app.log", stamped(now.Add(-time.Minute), "first"))
	require.Len(t, r.run(), 2)
	r.write("var/log/app.log", stamped(now.Add(time.Minute), "last words"))
	r.clock = pipelinetest.NewClock(pipeline.Instant{Wall: now.Add(10 * time.Minute), Boot: time.Minute})
	r.settings.Clock, r.settings.Boot.ID = r.clock, "the next boot"
	r.write("var/log/app.log", stamped(now.Add(9*time.Minute+time.Second), "up again"))
	for range 2 {
		records := r.run()
		if lines := named(records, ""); len(lines) > 0 {
			require.Equal(t, []string{"last words", "up again"}, bodies(lines))
		}
		known := map[string]pipeline.BootTime{}
		for _, record := range records {
			known[string(record.Body)] = record.Boot
		}
		require.Equal(t, pipeline.BootTime{ID: pipelinetest.BootID, At: 3*time.Hour + time.Minute}, known["last words"])
		require.Equal(t, pipeline.BootTime{ID: "the next boot", At: time.Second}, known["up again"])
	}
}

// Lines without times have, as context, the times that they had.
func TestContextWithoutTimes(t *testing.T) {
	r := newRig(t)
	r.start()
	for i := range 5 {
		r.clock.Advance(time.Minute)
		r.write("var/log/app.log", fmt.Sprintf("line %d\n", i))
		r.passTimeUntil(func() bool { return len(named(r.sink.Records(), "")) > i })
	}
	r.stop()
	before := named(r.sink.Records(), "")
	r.clock.Advance(time.Hour)
	r.write("var/log/app.log", "line 5\n")
	r.run()
	again := named(r.sink.Records(), pipeline.EventContext)
	require.Equal(t, bodies(before), bodies(again))
	for i := range before {
		require.True(t, before[i].Time.Equal(again[i].Time), i)
		require.Equal(t, before[i].Boot, again[i].Boot, i)
		require.Equal(t, before[i].Place, again[i].Place, i)
	}
	last := named(r.sink.Records(), "")
	require.Equal(t, []string{"line 5"}, bodies(last))
	require.True(t, last[0].Time.Equal(r.clock.Now().Wall))
}

// A file that could not be looked at when the agent first came to it was there all the
// same: its history is no news once it can be read, also for the next agent.
func TestHistoryThatBecomesReadable(t *testing.T) {
	for _, format := range []filelog.Format{"plain", "syslog"} {
		for _, restarts := range []bool{false, true} {
			r := newRig(t)
			r.clock.Advance(max(0, time.Since(now)) + time.Hour) // the file is older than what is kept
			r.config.Format = format
			path := r.settings.Host.Path("var/log/app.log")
			require.NoError(t, os.Symlink("app.log", path)) // nobody may look: as a right that is missing, which root does not know
			r.start()
			r.waitBacklog()
			require.Equal(t, pipeline.ComponentDegraded, r.statuses.Last().State)
			if restarts {
				r.stop()
			}
			r.write("var/log/history", stamped(booted.Add(-time.Hour), "of old"))
			require.NoError(t, os.Rename(r.settings.Host.Path("var/log/history"), path))
			if restarts {
				r.start()
			}
			r.passTimeUntil(func() bool { return r.statuses.Last().State == pipeline.ComponentOK })
			r.write("var/log/app.log", stamped(now, "new"))
			r.passTimeUntil(func() bool { return len(named(r.sink.Records(), "")) > 0 })
			r.stop()
			lines := bodies(named(r.sink.Records(), ""))
			require.Len(t, lines, 1, lines)
			require.Contains(t, lines[0], "new")
		}
	}
}

func TestRotatedAndCompressedMeanwhile(t *testing.T) {
	r := newRig(t)
	r.config.Format = "syslog"
	r.write("var/log/app.log", stamped(now, "one")+stamped(now, "two"))
	require.Len(t, r.run(), 3)
	r.write("var/log/app.log", stamped(now, "three"))
	path := r.settings.Host.Path("var/log/app.log")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err = w.Write(text)
	require.NoError(t, errors.Join(err, w.Close(), os.Remove(path)))
	r.write("var/log/app.log.1.gz", packed.String())
	time.Sleep(10 * time.Millisecond) // the kernel stamps files by its tick
	r.write("var/log/app.log", stamped(now, "four"))
	records := r.run()
	require.Equal(t, []string{"one", "two"}, bodies(named(records, pipeline.EventContext)))
	require.Equal(t, []string{"three", "four"}, bodies(named(records, "")))
}
