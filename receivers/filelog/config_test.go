package filelog_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml/strictyamltest"
	"github.com/otelnpd/otelnpd/receivers/filelog"
)

func TestConfigIsCommented(t *testing.T) { strictyamltest.CheckStruct(t, filelog.Config{}) }

func TestValidate(t *testing.T) {
	config := filelog.DefaultConfig()
	require.EqualError(t, config.Validate(), "include: is missing: write paths, for example [/var/log/kern.log]")
	config.Include = []string{"/var/log/kern.log", "/var/log/pods/*/*/*.log"}
	require.NoError(t, config.Validate())
	config.Timestamp, config.TimestampFormat, config.Message = "^.{15}", "Jan _2 15:04:05", "(.*)"
	require.NoError(t, config.Validate())
	for want, change := range map[string]func(*filelog.Config){
		`include[0]: "log" is no absolute path: write for example /var/log/kern.log`:                 func(c *filelog.Config) { c.Include = []string{"log"} },
		`exclude[0]: "/[" is no pattern: close the bracket, or write \[ for the character itself`:    func(c *filelog.Config) { c.Exclude = []string{"/["} },
		`format: "xml" is unknown: write one of plain, klog, syslog, docker, cri, logfmt, json`:      func(c *filelog.Config) { c.Format = "xml" },
		`unparsed: "drop" is unknown: write one of take, skip`:                                       func(c *filelog.Config) { c.Unparsed = "drop" },
		`start_at: "top" is unknown: write one of lookback, beginning, end`:                          func(c *filelog.Config) { c.StartAt = "top" },
		`fields: lines of format plain have none: write format: json or logfmt`:                      func(c *filelog.Config) { c.Fields.Time = "t" },
		`max_line: 5 is no length: write 256 to 65536`:                                               func(c *filelog.Config) { c.MaxLine = 5 },
		`skip[0]: is empty, which every line holds: write a text, or take it out`:                    func(c *filelog.Config) { c.Skip = []string{""} },
		`timestamp: "(" is no regular expression: write RE2 syntax: `:                                func(c *filelog.Config) { c.Timestamp = "(" },
		`multiline.start: "(" is no regular expression: write RE2 syntax: `:                          func(c *filelog.Config) { c.Multiline.Start = "(" },
		`message: format klog finds it by itself: take one of them out`:                              func(c *filelog.Config) { c.Format = "klog" },
		`timestamp_format: belongs to timestamp: write both or none`:                                 func(c *filelog.Config) { c.Timestamp = "" },
		`timestamp_format: "x" is no layout of a time: write how Mon Jan 2 15:04:05 2006 would look`: func(c *filelog.Config) { c.TimestampFormat = "x" },
		`time_zone: "../x" is no time zone: write for example UTC or Europe/Berlin`:                  func(c *filelog.Config) { c.TimeZone = "../x" },
		`lookback: -1m0s is negative: write boot, now or a time like 10m`:                            func(c *filelog.Config) { c.Lookback = pipeline.Lookback(-time.Minute) },
		`lookback: 10m0s has no say beside start_at: end: write start_at: lookback, or take one of them out`: func(c *filelog.Config) {
			c.StartAt, c.Lookback = filelog.StartAtEnd, pipeline.Lookback(10*time.Minute)
		},
		`delay: -1s is negative: write 0 or a time like 5m`: func(c *filelog.Config) { c.Delay = -time.Second },
	} {
		wrong := *config
		change(&wrong)
		require.ErrorContains(t, wrong.Validate(), want)
	}
}

func TestWordsAndPatternAreWhatIsRead(t *testing.T) {
	config := filelog.DefaultConfig()
	config.Include = []string{"/x"}
	for _, word := range config.Format.Words() {
		config.Format = filelog.Format(word)
		require.NoError(t, config.Validate())
	}
	for _, word := range config.StartAt.Words() {
		config.StartAt = filelog.StartAt(word)
		require.NoError(t, config.Validate())
	}
	for _, word := range config.Unparsed.Words() {
		config.Unparsed = filelog.Unparsed(word)
		require.NoError(t, config.Validate())
	}
	var lookback pipeline.Lookback
	pattern := regexp.MustCompile(lookback.Pattern())
	for text, want := range map[string]bool{"boot": true, "now": true, "0": true, "10m": true, "-5m": true, "5": false, "": false} {
		require.Equal(t, want, lookback.UnmarshalText([]byte(text)) == nil, text)
		require.Equal(t, want, pattern.MatchString(text) || text == "boot" || text == "now", text)
		if written, err := lookback.MarshalText(); want && err == nil {
			var again pipeline.Lookback
			require.NoError(t, again.UnmarshalText(written))
			require.Equal(t, lookback, again)
		}
	}
}

func TestFactory(t *testing.T) {
	settings := pipelinetest.Settings(t, "filelog")
	factory := filelog.NewFactory()
	require.Equal(t, "filelog", factory.Type)
	receiver, err := factory.Create(settings, factory.DefaultConfig(), &pipelinetest.Sink{})
	require.NoError(t, err)
	shutdown(t, receiver)
	_, err = factory.Create(settings, nil, &pipelinetest.Sink{})
	require.ErrorContains(t, err, "is not for receiver filelog")
}

func TestResumeRefuses(t *testing.T) {
	for want, text := range map[string]string{
		"kept positions":             `{`,
		"no scope or boot":           `{"scope": "", "boot": {"id": "b", "start_ns": 1}}`,
		"the boots start at -5":      `{"scope": "s", "boot": {"id": "b", "start_ns": -5000000000000000000}}`,
		"it was kept at -1":          `{"scope": "s", "boot": {"id": "b", "start_ns": 5}, "at_ns": -1}`,
		"has nothing":                `{"scope": "s", "boot": {"id": "b", "start_ns": 5}, "paths": {"/x": null}}`,
		"the offset is -1":           `{"scope": "s", "boot": {"id": "b", "start_ns": 5}, "paths": {"/x": {"files": [{"path": "/x", "offset": -1}]}}}`,
		"read from 5 of 2":           `{"scope": "s", "boot": {"id": "b", "start_ns": 5}, "paths": {"/x": {"files": [{"path": "/x", "offset": 2, "from": 5}]}}}`,
		"mark 1 is at 2":             `{"scope": "s", "boot": {"id": "b", "start_ns": 5}, "paths": {"/x": {"files": [{"path": "/x", "offset": 9, "marks": [{"offset": 2}, {"offset": 2}]}]}}}`,
		"fingerprint of the head is": `{"scope": "s", "boot": {"id": "b", "start_ns": 5}, "paths": {"/x": {"files": [{"path": "/x", "offset": 9, "head": {"length": 999}}]}}}`,
	} {
		receiver := newReceiver(t, pipelinetest.Settings(t, "filelog"), filelog.DefaultConfigFor("/x"), &pipelinetest.Sink{})
		require.ErrorContains(t, receiver.Resume([]byte(text)), want)
		require.Nil(t, receiver.Keep())
	}
}

// keptAt is what a receiver may have kept of /var/log/app.log.
func keptAt(offset, from int64, told uint64) []byte {
	return fmt.Appendf(nil, `{"scope":"machine-1","boot":{"id":%q,"start_ns":1795867200000000000},"paths":{"/var/log/app.log":`+
		`{"live":true,"files":[{"path":"/var/log/app.log","key":"5f4c987d0f2b33d5","offset":%d,"from":%d,"told":%d,"marks":[{"offset":%[3]d,"time_ns":5}]}]}},"at_ns":5}`,
		pipelinetest.BootID, offset, from, told)
}

// Whatever was kept, the lines come, none twice.
func TestResumesFromAnywhere(t *testing.T) {
	for _, kept := range [][]byte{keptAt(14, 7, 8), keptAt(14, 14, 8), keptAt(70, 0, 1<<40), keptAt(9, 3, 2), keptAt(900, 800, 1), keptAt(0, 0, 0)} {
		r := newRig(t)
		r.config.StartAt = filelog.StartAtBeginning
		r.write("var/log/app.log", strings.Repeat("line 1\n", 10))
		r.sink = &pipelinetest.Sink{}
		receiver := newReceiver(t, r.settings, r.config, r.sink)
		receiver.Hurry()
		require.NoError(t, receiver.Resume(kept))
		require.NoError(t, receiver.Start(t.Context()))
		r.passTimeUntil(func() bool { return len(named(r.sink.Records(), pipeline.EventBacklogEnd)) > 0 })
		shutdown(t, receiver)
		seen := map[uint64]bool{}
		for _, record := range r.sink.Records() {
			if record.EventName == "" || record.EventName == pipeline.EventContext {
				require.False(t, seen[record.Place.Position])
				seen[record.Place.Position] = true
			}
		}
		require.NotEmpty(t, seen)
		text, err := receiver.Keep()()
		require.NoError(t, err)
		second := newReceiver(t, r.settings, r.config, r.sink)
		require.NoError(t, second.Resume(text), "what is kept can be read back")
	}
}

// FuzzResume: what is taken of what was kept is kept again as it is.
func FuzzResume(f *testing.F) {
	f.Add(keptAt(14, 7, 8))
	f.Add(keptAt(70, 0, 1<<40))
	f.Fuzz(func(t *testing.T, text []byte) {
		settings, config := pipelinetest.Settings(t, "filelog"), filelog.DefaultConfigFor("/var/log/app.log")
		receiver := newReceiver(t, settings, config, &pipelinetest.Sink{})
		if receiver.Resume(text) != nil {
			require.Nil(t, receiver.Keep())
			return
		}
		kept, err := receiver.Keep()()
		require.NoError(t, err)
		second := newReceiver(t, settings, config, &pipelinetest.Sink{})
		require.NoError(t, second.Resume(kept), "%s", kept)
		again, err := second.Keep()()
		require.NoError(t, err)
		at := regexp.MustCompile(`"at_ns":\d+`)
		require.JSONEq(t, at.ReplaceAllString(string(kept), `"at_ns":0`), at.ReplaceAllString(string(again), `"at_ns":0`))
	})
}
