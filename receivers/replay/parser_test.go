package replay

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	source "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

// form is what a line is read as.
type form struct {
	text     string
	facility string
	severity string
	wall     time.Time
	boot     time.Duration
	stamp    bool // has kmsg.timestamp_us
}

func TestForms(t *testing.T) {
	at := func(d time.Duration) time.Time { return bootStart.Add(d) }
	const since = 12345678 * time.Microsecond
	utc := time.Date(2026, 3, 4, 20, 59, 27, 895991000, time.UTC)
	day := time.Date(2026, 3, 4, 6, 14, 1, 0, time.Local)
	plain := form{text: "text", facility: "kern", wall: bootStart}
	monotonic := form{text: "text", facility: "kern", wall: at(since), boot: since, stamp: true}
	with := func(f form, facility, severity string) form {
		f.facility, f.severity = facility, severity
		return f
	}
	wall := func(w time.Time) form { return form{text: "text", facility: "kern", wall: w, boot: w.Sub(bootStart)} }
	for line, want := range map[string]form{
		"text":                                               plain,
		"<6>text":                                            with(plain, "kern", "info"),
		"<30>text":                                           with(plain, "daemon", "info"),
		"[   12.345678] text":                                monotonic,
		"[12.345678] text":                                   monotonic,
		"[   12.345678]text":                                 monotonic,
		"[   12.345678][  T123] text":                        monotonic,
		"[   12.345678][    C0] text":                        monotonic,
		"[   12.345678 <    0.000010>] text":                 monotonic,
		"<3>[   12.345678] text":                             with(monotonic, "kern", "err"),
		"kern  :warn  : [   12.345678] text":                 with(monotonic, "kern", "warning"),
		"authpriv:emerg : [12.345678] text":                  with(monotonic, "authpriv", "emerg"),
		"daemon:notice: text":                                with(plain, "daemon", "notice"),
		"[   12.345678] host kernel: text":                   monotonic,
		"[Wed Mar  4 06:14:01 2026] text":                    wall(day),
		"[Mar 4 06:14] text":                                 wall(day.Add(-time.Second)),
		"2026-03-04T20:59:27,895991+00:00 text":              wall(utc),
		"2026-03-04T20:59:27.895991+00:00 host kernel: text": wall(utc),
		"2026-03-04T20:59:27.895991Z text":                   wall(utc),
		"2026-03-04T20:59:27+0000 host kernel: text":         wall(utc.Truncate(time.Second)),
		"2026-03-04T20:59:27.895991+0000 host kernel: text":  wall(utc),
		"Mar  4 06:14:01 host kernel: text":                  wall(day),
		"Mar  4 06:14:01.500000 host kernel: text":           wall(day.Add(time.Second / 2)),
		"Mar  4 06:14:01 host kernel: [   12.345678] text": {
			text: "text", facility: "kern", wall: day, boot: since, stamp: true},
		"<4>Mar  4 06:14:01 host kernel: text":  with(wall(day), "kern", "warning"),
		"Mar  4 06:14:01 host sshd[12]: text":   with(wall(day), "", ""),
		"Mar  4 06:14:01 host systemd[1]: text": with(wall(day), "", ""),
		"Mar  4 06:14:01 no tag in text":        {text: "no tag in text", facility: "kern", wall: day, boot: day.Sub(bootStart)},
		"1772604041.500000 host kernel: text":   wall(time.Unix(1772604041, 500e6)),
		"Dec 31 23:59:59 host kernel: text":     {text: "text", facility: "kern", wall: time.Date(2025, 12, 31, 23, 59, 59, 0, time.Local)},
		"Feb 30 23:59:59 host kernel: text":     {text: "Feb 30 23:59:59 host kernel: text", facility: "kern", wall: bootStart},
		"Feb 29 12:00:00 host kernel: text":     {text: "Feb 29 12:00:00 host kernel: text", facility: "kern", wall: bootStart},
		"[12.345678 text":                       {text: "[12.345678 text", facility: "kern", wall: bootStart},
		"[drm] text":                            {text: "[drm] text", facility: "kern", wall: bootStart},
		"<>text":                                {text: "<>text", facility: "kern", wall: bootStart},
		"<6text":                                {text: "<6text", facility: "kern", wall: bootStart},
		"<2048>text":                            {text: "<2048>text", facility: "kern", wall: bootStart},
		"kern: text":                            {text: "kern: text", facility: "kern", wall: bootStart},
		"kern  :loud  : text":                   {text: "kern  :loud  : text", facility: "kern", wall: bootStart},
		"pci 0000:00:01.0: text":                {text: "pci 0000:00:01.0: text", facility: "kern", wall: bootStart},
		"[   12.345678] pci 0000:00:01.0: text": {text: "pci 0000:00:01.0: text", facility: "kern", wall: at(since), boot: since, stamp: true},
		"[   12.345678] [drm] text":             {text: "[drm] text", facility: "kern", wall: at(since), boot: since, stamp: true},
		"[99999999999999.000000] text":          {text: "[99999999999999.000000] text", facility: "kern", wall: bootStart},
		"1.5 text":                              {text: "1.5 text", facility: "kern", wall: bootStart},
		"2026-99-04T20:59:27,895991+00:00 text": {text: "2026-99-04T20:59:27,895991+00:00 text", facility: "kern", wall: bootStart},
	} {
		t.Run(line, func(t *testing.T) {
			p := parser{boot: bootStart, now: testNow}
			var record source.Record
			p.text(&record, []byte(line))
			attributes := source.Attributes{Record: &record}
			facility, _ := attributes.Get(source.AttributeFacility)
			severity, hasSeverity := attributes.Get(source.AttributeSeverity)
			_, hasStamp := attributes.Get(source.AttributeTimestamp)
			got := form{text: string(record.Text), wall: record.Time, boot: record.Boot, stamp: hasStamp}
			if record.Absent&source.AbsentFacility == 0 {
				got.facility = facility.String()
			}
			if hasSeverity {
				got.severity = severity.String()
			}
			require.WithinDuration(t, want.wall, got.wall, 0)
			got.wall, want.wall = time.Time{}, time.Time{}
			require.Equal(t, want, got)
		})
	}
}

// TestTimesGoOn: what one line tells holds for the next.
func TestTimesGoOn(t *testing.T) {
	p := parser{boot: bootStart, now: testNow}
	read := func(line string) (time.Duration, time.Duration) {
		var record source.Record
		p.text(&record, []byte(line))
		return record.Time.Sub(bootStart), record.Boot
	}
	wall, boot := read("[   10.000000] first")
	require.Equal(t, []time.Duration{10 * time.Second, 10 * time.Second}, []time.Duration{wall, boot})
	wall, boot = read("  a line of its own")
	require.Equal(t, []time.Duration{10 * time.Second, 10 * time.Second}, []time.Duration{wall, boot})
	wall, boot = read("[  +2.500000] later")
	require.Equal(t, []time.Duration{12500 * time.Millisecond, 12500 * time.Millisecond}, []time.Duration{wall, boot})
	// Now a line says when the machine really booted.
	wall, boot = read("Mar  4 06:00:20 host kernel: [   20.000000] both")
	require.Equal(t, []time.Duration{time.Hour + 20*time.Second, 20 * time.Second}, []time.Duration{wall, boot})
	wall, boot = read("[   21.000000] after")
	require.Equal(t, []time.Duration{time.Hour + 21*time.Second, 21 * time.Second}, []time.Duration{wall, boot})
}

// TestLogOfLongAgo: without stamps since boot its first line is the start.
func TestLogOfLongAgo(t *testing.T) {
	p := parser{boot: bootStart, now: testNow}
	var record source.Record
	p.text(&record, []byte("[Mon Nov 23 20:59:27 2020] first"))
	require.Zero(t, record.Boot)
	p.text(&record, []byte("[Mon Nov 23 20:59:57 2020] second"))
	require.Equal(t, 30*time.Second, record.Boot)
}

func FuzzText(f *testing.F) {
	for _, line := range []string{
		"text", "<6>[ 1.2] x", "kern  :info  : [ 1.2] x", "[Mon Nov 23 20:59:27 2026] x", "Nov 20 13:14:01 host kernel: [ 1.2] x",
		"2026-11-23T20:59:27,895991+00:00 x", "1700000000.123456 host kernel: x", "[  +0.000012] x", "Nov 20 13:14:01 h k:", "\x00\xff[",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		p := parser{boot: bootStart, now: testNow}
		var record source.Record
		p.text(&record, []byte(line))
		require.True(t, strings.HasSuffix(line, string(record.Text)), "only what stands in front is cut off")
		for key := range (&source.Attributes{Record: &record}).All() {
			require.NotEmpty(t, key)
		}
	})
}
