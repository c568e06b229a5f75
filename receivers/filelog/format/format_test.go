package format_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/receivers/filelog/format"
)

// said is what a line is read as; attributes as KEY=VALUE.
type said struct {
	time       string // RFC 3339; empty: none
	severity   log.Severity
	body       string
	stream     format.Stream
	partial    bool
	attributes []string
}

func berlin(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	return zone
}

func parse(t testing.TB, p format.Parser, when *format.Times, line string) (said, bool) {
	t.Helper()
	var scratch format.Scratch
	var entry format.Entry
	ok := p.Parse([]byte(line), when, &scratch, &entry)
	got := said{severity: entry.Severity, body: string(entry.Body), stream: entry.Stream, partial: entry.Partial}
	if !entry.Time.IsZero() {
		got.time = entry.Time.In(when.Zone).Format(time.RFC3339Nano)
	}
	for _, one := range entry.Decode() {
		if one.IsNumber {
			got.attributes = append(got.attributes, fmt.Sprintf("%s=%d", one.Key, one.Number))
		} else {
			got.attributes = append(got.attributes, one.Key+"="+string(one.Text))
		}
	}
	return got, ok
}

var tables = map[string]map[string]said{
	format.Plain: {"any text": {body: "any text"}, "": {}},
	format.Klog: {
		"E1128 23:00:01.123456   12345 kubelet.go:99] \"Failed\" err=\"x\"": {
			"2026-11-28T23:00:01.123456+01:00", log.SeverityError, "\"Failed\" err=\"x\"", 0, false,
			[]string{"thread.id=12345", "code.file.path=kubelet.go", "code.line.number=99"},
		},
		"I0101 00:00:00.000000 1 a/b.go:1] ": {time: "2026-01-01T00:00:00+01:00", severity: log.SeverityInfo, attributes: []string{"thread.id=1", "code.file.path=a/b.go", "code.line.number=1"}},
		"W1231 23:59:59.9 1] text":           {time: "2025-12-31T23:59:59.9+01:00", severity: log.SeverityWarn, body: "text"},
		"F0229 10:00:00.000000 1 x] text":    {time: "2024-02-29T10:00:00+01:00", severity: log.SeverityFatal, body: "text", attributes: []string{"thread.id=1", "code.file.path=x"}},
	},
	format.Syslog: {
		"Nov 28 23:00:01 node-1 kernel: text": {time: "2026-11-28T23:00:01+01:00", body: "text", attributes: []string{"host.name=node-1", "log.syslog.appname=kernel", "log.facility=kern"}},
		"Nov 28 23:00:01 node-1 kernel: [  123.456789] [drm] text": {
			time: "2026-11-28T23:00:01+01:00", body: "[drm] text",
			attributes: []string{"host.name=node-1", "log.syslog.appname=kernel", "log.facility=kern", "kmsg.timestamp_us=123456789"},
		},
		"<3>Nov 28 23:00:01 node-1 kernel: [1234567.000001][   T77] text": {
			time: "2026-11-28T23:00:01+01:00", severity: log.SeverityError, body: "text",
			attributes: []string{"log.facility=kern", "log.severity=err", "host.name=node-1", "log.syslog.appname=kernel", "kmsg.timestamp_us=1234567000001"},
		},
		"Nov 28 23:00:01 node-1 kernel: [12.5] text":            {time: "2026-11-28T23:00:01+01:00", body: "[12.5] text", attributes: []string{"host.name=node-1", "log.syslog.appname=kernel", "log.facility=kern"}},
		"Nov 28 23:00:01 node-1 kernel: [Hardware Error]: text": {time: "2026-11-28T23:00:01+01:00", body: "[Hardware Error]: text", attributes: []string{"host.name=node-1", "log.syslog.appname=kernel", "log.facility=kern"}},
		"Nov 28 23:00:01 node-1 app: [    1.000000] text":       {time: "2026-11-28T23:00:01+01:00", body: "[    1.000000] text", attributes: []string{"host.name=node-1", "log.syslog.appname=app"}},
		"<2>1 - node-1 kernel - - - [    1.000000] text": {
			severity: log.SeverityError2, body: "text",
			attributes: []string{"log.facility=kern", "log.severity=crit", "host.name=node-1", "log.syslog.appname=kernel", "kmsg.timestamp_us=1000000"},
		},
		"Nov  8 23:00:01.5 node-1 sshd[12]: a: b": {
			time: "2026-11-08T23:00:01.5+01:00", body: "a: b", attributes: []string{"host.name=node-1", "log.syslog.appname=sshd", "process.pid=12"},
		},
		"<30>Dec 31 23:00:01 h -- MARK --": {
			time: "2025-12-31T23:00:01+01:00", severity: log.SeverityInfo, body: "-- MARK --", attributes: []string{"log.facility=daemon", "log.severity=info", "host.name=h"},
		},
		"2026-11-28T22:00:01.123456+00:00 h app[x]: text": {
			time: "2026-11-28T23:00:01.123456+01:00", body: "text", attributes: []string{"host.name=h", "log.syslog.appname=app"},
		},
		"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut=\"3\" x=\"a]\\\"b\"][y] \xef\xbb\xbfAn event": {
			"2003-10-12T00:14:15.003+02:00", log.SeverityInfo2, "An event", 0, false,
			[]string{
				"log.facility=local4", "log.severity=notice", "host.name=mymachine.example.com", "log.syslog.appname=evntslog",
				"log.syslog.msgid=ID47", "log.syslog.structured_data=[exampleSDID@32473 iut=\"3\" x=\"a]\\\"b\"][y]",
			},
		},
		"<34>1 - - su 77 - -": {severity: log.SeverityError2, attributes: []string{"log.facility=auth", "log.severity=crit", "log.syslog.appname=su", "process.pid=77"}},
	},
	format.Docker: {
		`{"log":"text\n","stream":"stdout","time":"2026-11-28T22:00:01.123456789Z"}`: {time: "2026-11-28T23:00:01.123456789+01:00", body: "text", stream: format.Stdout},
		`{"log":"a \"b\" \u00e9\ud83d\ude00\t\r\n","stream":"stderr","attrs":{"x":["}\""]},"time":"2026-11-28T22:00:01Z"}`: {
			time: "2026-11-28T23:00:01+01:00", body: "a \"b\" é😀\t", stream: format.Stderr,
		},
		`{"log":"part","stream":"stdout","time":"2026-11-28T22:00:01Z"}`: {time: "2026-11-28T23:00:01+01:00", body: "part", stream: format.Stdout, partial: true},
		` { "log" : "\n" } `: {},
	},
	format.CRI: {
		"2026-11-28T22:00:01.123456789Z stdout F text here":   {time: "2026-11-28T23:00:01.123456789+01:00", body: "text here", stream: format.Stdout},
		"2026-11-28T23:00:01.1+01:00 stderr P part":           {time: "2026-11-28T23:00:01.1+01:00", body: "part", stream: format.Stderr, partial: true},
		"2026-11-28T22:00:01Z stdout F:more ":                 {time: "2026-11-28T23:00:01+01:00", stream: format.Stdout},
		"2026-11-28T22:00:01Z stdout F":                       {time: "2026-11-28T23:00:01+01:00", stream: format.Stdout},
		"2026-11-28T22:00:01.000000001-07:00 stderr F  space": {time: "2026-11-29T06:00:01.000000001+01:00", body: " space", stream: format.Stderr},
	},
	format.Logfmt: {
		`time="2026-11-28T22:00:01Z" level=error msg="cannot \"start\"" error="x y" id=5`: {
			time: "2026-11-28T23:00:01+01:00", severity: log.SeverityError, body: `cannot "start"`, attributes: []string{"log.field.error=x y", "log.field.id=5"},
		},
		"level=WARNING msg=short ":                   {severity: log.SeverityWarn, body: "short"},
		`ts=1795903201.25 msg="a\x01" empty= level=`: {time: "2026-11-28T23:00:01.25+01:00", body: `a\x01`},
		`a=b`: {body: "a=b", attributes: []string{"log.field.a=b"}},
	},
	format.JSON: {
		`{"level":"warn","ts":1795903201.25,"msg":"text","n":3,"ok":true,"nil":null,"deep":{"a":[1,"]"]}}`: {
			time: "2026-11-28T23:00:01.25+01:00", severity: log.SeverityWarn, body: "text", attributes: []string{"log.field.n=3", "log.field.ok=true"},
		},
		`{"level":50,"time":1795903201250,"msg":"pino"}`:                           {time: "2026-11-28T23:00:01.25+01:00", severity: log.SeverityError, body: "pino"},
		`{"@timestamp":"2026-11-28T22:00:01.25Z","message":"text","severity":"x"}`: {time: "2026-11-28T23:00:01.25+01:00", body: "text"},
		`{}`: {body: "{}"},
	},
}

func TestForms(t *testing.T) {
	when := &format.Times{Zone: berlin(t), Now: time.Date(2026, 11, 29, 0, 30, 0, 0, time.UTC)}
	require.Len(t, tables, len(format.Names()))
	for name, table := range tables {
		parser := format.New(name, format.Options{})
		for line, want := range table {
			t.Run(name+"/"+line, func(t *testing.T) {
				got, ok := parse(t, parser, when, line)
				require.True(t, ok)
				require.Equal(t, want, got)
				require.True(t, want.time == "" || parser.HasTimes())
			})
		}
	}
	require.Nil(t, format.New("unknown", format.Options{}))
}

// What has not the form is left as it stands.
func TestOtherForms(t *testing.T) {
	when := &format.Times{Zone: time.UTC, Now: time.Date(2026, 11, 29, 0, 30, 0, 0, time.UTC)}
	for name, list := range map[string][]string{
		format.Klog: {"", "x", "X1128 23:00:01.123456 1 a.go:1] x", "I1328 23:00:01.123456 1 a.go:1] x", "I1128 25:00:01.123456 1 a.go:1] x", "I0230 20:00:01.123456 1 a.go:1] x", "I1128 23:00:01.123456 no end"},
		format.Syslog: {
			"", "<", "<13>", "<192>Nov 28 23:00:01 h x", "Foo 28 23:00:01 h x", "Nov 31 23:00:01 h x", "Nov 28 23:00:01", "Nov 28 23:00:01 h", "Nov 28 23:00:01\xff", "anJ 28 23:00:01 h x",
			"<13>1 2026-11-28 h a p m - x", "<13>1 - h a p m [x", "<13>1 - h a p m x", "<13>1 - h a p m", "<13>1 - h a p m [x]y",
		},
		format.Docker: {"", "text", `{"log":"x\n"`, `{"log":"\u12"}`, `{"log":"x`, `{"stream":"stdout"}`, `{"log":5}`, `{"log":"x\n"}}`, `{"log":"\q"}`, `{"a":}`},
		format.CRI:    {"", "text", "2026-11-28T22:00:01Z stdout", "2026-11-28T22:00:01Z other F x", "2026-11-28T22:00:01Z stdout X x", "2026-13-28T22:00:01Z stdout F x", "2026-02-30T22:00:01Z stdout F x"},
		format.Logfmt: {"", "text", "text a=b", `a="b`, `a="b"c`, "a=b text", "=x"},
		format.JSON:   {"", "[]", `{"a"}`, `{"a":1,}`, `{"a":1} x`, `{"a":"b`, `{"a":{"b"`, `{a:1}`},
	} {
		parser := format.New(name, format.Options{})
		for _, line := range list {
			got, ok := parse(t, parser, when, line)
			require.False(t, ok, "%s: %q", name, line)
			require.Equal(t, said{body: line}, got, "%s: %q", name, line)
		}
	}
}

func TestOwnFields(t *testing.T) {
	when := &format.Times{Zone: time.UTC, Now: time.Now()}
	options := format.Options{TimeField: "t", SeverityField: "s", MessageField: "m"}
	got, ok := parse(t, format.New(format.JSON, options), when, `{"t":5,"s":"debug","m":"x","msg":"y"}`)
	require.True(t, ok)
	require.Equal(t, said{time: "1970-01-01T00:00:05Z", severity: log.SeverityDebug, body: "x", attributes: []string{"log.field.msg=y"}}, got)
}

// The year is the last one in which the time is not to come, give or take a day.
func TestYears(t *testing.T) {
	parser := format.New(format.Klog, format.Options{})
	for _, tt := range []struct{ now, line, want string }{
		{"2026-11-29T00:30:00Z", "I1129 00:29:00.0 1] x", "2026-11-29T00:29:00Z"},
		{"2027-01-01T00:00:10Z", "I1231 23:59:59.0 1] x", "2026-12-31T23:59:59Z"},
		{"2026-12-31T23:59:58Z", "I0101 00:00:01.0 1] x", "2027-01-01T00:00:01Z"},
		{"2026-12-31T23:59:58Z", "I0102 00:00:01.0 1] x", "2026-01-02T00:00:01Z"},
		{"2027-03-01T00:00:00Z", "I0229 00:00:01.0 1] x", "2024-02-29T00:00:01Z"},
	} {
		now, err := time.Parse(time.RFC3339, tt.now)
		require.NoError(t, err)
		got, ok := parse(t, parser, &format.Times{Zone: time.UTC, Now: now}, tt.line)
		require.True(t, ok)
		require.Equal(t, tt.want, got.time, tt)
	}
}

// What lines before it showed does not change what a line says.
func TestTheMinuteBefore(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	forms := map[string]func(at time.Time) string{
		format.Klog:   func(at time.Time) string { return at.Format("I0102 15:04:05.000000 1 a.go:1] x") },
		format.Syslog: func(at time.Time) string { return at.Format("Jan _2 15:04:05 h x") },
		format.CRI:    func(at time.Time) string { return at.Format("2006-01-02T15:04:05.999999999Z07:00 stdout F x") },
		format.Docker: func(at time.Time) string { return at.Format(`{"log":"x\n","time":"2006-01-02T15:04:05Z07:00"}`) },
	}
	zones := []*time.Location{time.UTC, berlin(t), time.FixedZone("", 5*60*60+30*60)}
	for name, line := range forms {
		parser := format.New(name, format.Options{})
		for range 200 {
			now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(random.Int64N(int64(time.Hour))))
			if random.IntN(2) == 0 { // the hour that comes twice is not far
				now = now.AddDate(0, 0, -7)
			}
			when := &format.Times{Zone: berlin(t), Now: now}
			at := now.Add(time.Duration(random.Int64N(int64(28*time.Hour))) - 3*time.Hour)
			for range 30 {
				text := line(at.In(zones[random.IntN(len(zones))]))
				if random.IntN(10) == 0 { // a digit is another one
					at := random.IntN(len(text))
					text = text[:at] + string("0123456789: "[random.IntN(12)]) + text[at+1:]
				}
				want, wantOK := parse(t, parser, &format.Times{Zone: berlin(t), Now: when.Now, Last: when.Last}, text)
				got, ok := parse(t, parser, when, text)
				require.Equal(t, wantOK, ok, text)
				require.Equal(t, want, got, text)
				at = at.Add(time.Duration(random.Int64N(int64(20 * time.Second))))
				if random.IntN(5) == 0 {
					when.Now = when.Now.Add(time.Second)
				}
				if got.time != "" {
					when.Last, _ = time.Parse(time.RFC3339, got.time)
				}
			}
		}
	}
}

// In Berlin the clocks went from 03:00 back to 02:00 on 2026-10-25, and from 02:00 to
// 03:00 on 2026-03-29.
func TestClocksAreSet(t *testing.T) {
	parser := format.New(format.Syslog, format.Options{})
	when := &format.Times{Zone: berlin(t), Now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	for _, tt := range []struct{ line, want string }{
		{"Oct 25 01:59:59 h x", "2026-10-25T01:59:59+02:00"},
		{"Oct 25 02:10:00 h x", "2026-10-25T02:10:00+02:00"},
		{"Oct 25 02:50:00 h x", "2026-10-25T02:50:00+02:00"},
		{"Oct 25 02:05:00 h x", "2026-10-25T02:05:00+01:00"}, // it has been 02:50 before
		{"Oct 25 02:50:00 h x", "2026-10-25T02:50:00+01:00"},
		{"Oct 25 03:00:00 h x", "2026-10-25T03:00:00+01:00"},
		{"Mar 29 01:59:59 h x", "2026-03-29T01:59:59+01:00"},
		{"Mar 29 03:00:00 h x", "2026-03-29T03:00:00+02:00"},
		{"Jul  1 03:00:00 h x", "2026-07-01T03:00:00+02:00"},
	} {
		got, ok := parse(t, parser, when, tt.line)
		require.True(t, ok)
		require.Equal(t, tt.want, got.time, tt)
		when.Last, _ = time.Parse(time.RFC3339, got.time)
	}
	when.Last = time.Time{}
	_, ok := parse(t, parser, when, "Mar 29 02:30:00 h x") // no clock has shown that
	require.True(t, ok)
}

func TestPatterns(t *testing.T) {
	when := &format.Times{Zone: berlin(t), Now: time.Date(2026, 11, 29, 0, 30, 0, 0, time.UTC)}
	for _, tt := range []struct{ timestamp, message, layout, line, time, body string }{
		{"^.{15}", `kernel: \[.*\] (.*)`, "Jan _2 15:04:05", "Nov 28 23:00:01 h kernel: [1.5] text", "2026-11-28T23:00:01+01:00", "text"},
		{`^time="(\S*)"`, `msg="(.*?)"`, time.RFC3339, `time="2026-11-28T22:00:01Z" msg="x y" z`, "2026-11-28T23:00:01+01:00", "x y"},
		{"^((a)|(b))?(.{19})", "(x)|y", "2006-01-02 15:04:05", "2026-07-28 22:00:01 y", "2026-07-28T22:00:01+02:00", ""},
		{"^.{19}", "", "2006-01-02 15:04:05", "2026-07-28 22:00:01 y", "2026-07-28T22:00:01+02:00", "2026-07-28 22:00:01 y"},
		{"^.{21}", "y", "Jan _2 15:04:05 -0700", "Nov 28 22:00:01 +0000 y", "2026-11-28T23:00:01+01:00", "y"},
	} {
		var message *regexp.Regexp
		if tt.message != "" {
			message = regexp.MustCompile(tt.message)
		}
		p, err := format.NewPattern(regexp.MustCompile(tt.timestamp), message, tt.layout)
		require.NoError(t, err)
		got, ok := parse(t, p, when, tt.line)
		require.True(t, ok, tt)
		require.Equal(t, said{time: tt.time, body: tt.body}, got)
		for _, line := range []string{"", "no time", strings.Repeat("x", 30)} {
			got, ok = parse(t, p, when, line)
			require.False(t, ok, tt)
			require.Equal(t, line, got.body)
		}
	}
	_, err := format.NewPattern(regexp.MustCompile("x"), nil, "YYYY-MM-DD")
	require.ErrorContains(t, err, `"YYYY-MM-DD" is no layout of a time: write how Mon Jan 2 15:04:05 2006 would look`)
	p, err := format.NewPattern(nil, nil, "")
	require.NoError(t, err)
	require.False(t, p.HasTimes())
}

// FuzzExpressions: what is found without the regular expression is what it finds.
func FuzzExpressions(f *testing.F) {
	f.Add([]byte("Nov 28 23:00:01 h kernel: [  1.5] kernel: [x] text ] more"))
	f.Add([]byte("Nov  8 23:00:01 h \xff\xc3\xa9 kernel: a] "))
	f.Add([]byte("noV 31 23:00:60 kernel: [] "))
	f.Add([]byte("Nov 28 23:00:01 h kernel: [1.5] text\nat kernel: [2.5] more\nend"))
	f.Add([]byte("Nov 28\n23:00:01 h kernel: [\n] text"))
	expressions := []string{`^.{15}`, `^.{3}`, `kernel: \[.*\] (.*)`, `kernel: (.*)`, `é.*é(.*)`, `(?i)kernel: (.*)`, `kernel: (.*?)`, `kernel: \[.*?\] (.*)`, `^kernel (.*)`, `(.*)`, `.{3}`}
	zone := berlin(f)
	f.Fuzz(func(t *testing.T, line []byte) {
		when := &format.Times{Zone: zone, Now: time.Date(2026, 11, 29, 0, 30, 0, 0, time.UTC)}
		for _, one := range expressions {
			message := regexp.MustCompile(one)
			quick, err := format.NewPattern(nil, message, "")
			require.NoError(t, err)
			got, ok := parse(t, quick, when, string(line))
			want, wantOK := said{body: string(line)}, false
			if found := message.FindSubmatch(line); found != nil {
				want.body, wantOK = string(found[len(found)-1]), true
			}
			require.Equal(t, wantOK, ok, one)
			require.Equal(t, want, got, one)
		}
		var said [2]said
		var ok [2]bool
		for i, layout := range []string{time.Stamp, time.Stamp + ".999999999"} { // the second is read by package time
			stamp, err := format.NewPattern(regexp.MustCompile("^.{15}"), nil, layout)
			require.NoError(t, err)
			said[i], ok[i] = parse(t, stamp, when, string(line))
		}
		require.Equal(t, ok[1], ok[0])
		require.Equal(t, said[1], said[0])
	})
}

// FuzzForms: no line does harm, and what is said of it can be shown.
func FuzzForms(f *testing.F) {
	for _, table := range tables {
		for line := range table {
			f.Add([]byte(line))
		}
	}
	pattern, err := format.NewPattern(regexp.MustCompile("^.{15}"), regexp.MustCompile("(.*)"), "Jan _2 15:04:05")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, line []byte) {
		before := string(line)
		when := &format.Times{Zone: berlin(t), Now: time.Date(2026, 11, 29, 0, 30, 0, 0, time.UTC)}
		parsers := []format.Parser{pattern}
		for _, name := range format.Names() {
			parsers = append(parsers, format.New(name, format.Options{}))
		}
		var scratch format.Scratch
		var entry format.Entry
		for _, p := range parsers {
			ok := p.Parse(line, when, &scratch, &entry)
			require.True(t, ok || string(entry.Body) == before)
			require.LessOrEqual(t, len(entry.Body), 3*len(line))
			require.LessOrEqual(t, len(entry.Decode()), 32)
			require.True(t, entry.Time.IsZero() || ok)
			require.Equal(t, before, string(line))
		}
	})
}

// FuzzDocker: a text comes out as encoding/json puts it in.
func FuzzDocker(f *testing.F) {
	f.Add("text \"\\\n\x00é😀", true)
	f.Fuzz(func(t *testing.T, text string, whole bool) {
		text = strings.ReplaceAll(strings.TrimRight(text, "\r\n"), "\uFFFD", "")
		if !utf8.ValidString(text) {
			return
		}
		want := text
		if whole {
			text += "\n"
		}
		line, err := json.Marshal(map[string]string{"log": text, "stream": "stderr", "time": "2026-11-28T22:00:01Z"})
		require.NoError(t, err)
		got, ok := parse(t, format.New(format.Docker, format.Options{}), &format.Times{Zone: time.UTC, Now: time.Now()}, string(line))
		require.True(t, ok)
		require.Equal(t, said{time: "2026-11-28T22:00:01Z", body: want, stream: format.Stderr, partial: !whole}, got)
	})
}
