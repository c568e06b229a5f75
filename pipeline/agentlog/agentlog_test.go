package agentlog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/agentlog"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// buffer is an output that fails the test when a line comes in parts.
type buffer struct {
	pipelinetest.Output

	t *testing.T
}

func (b *buffer) Write(line []byte) (int, error) {
	if bytes.IndexByte(line, '\n') != len(line)-1 {
		b.t.Errorf("%q is not one line", line)
	}
	return b.Output.Write(line)
}

func (b *buffer) lines() []string {
	return strings.FieldsFunc(b.String(), func(r rune) bool { return r == '\n' })
}

func newLog(t *testing.T, config agentlog.Config) (*agentlog.Log, *buffer) {
	t.Helper()
	out := &buffer{t: t}
	config.Output = out
	log, err := agentlog.New(config)
	require.NoError(t, err)
	return log, out
}

// at gives a logger's records one time.
func at(log *agentlog.Log, level slog.Level, message string, args ...any) {
	r := slog.NewRecord(time.Date(2026, 1, 2, 3, 4, 5, 678900000, time.FixedZone("", 3600)), level, message, 0)
	r.Add(args...)
	_ = log.Handler().Handle(nil, r) //nolint:staticcheck // no handler here looks at it
}

func TestText(t *testing.T) {
	log, out := newLog(t, agentlog.Config{Level: slog.LevelDebug})
	at(log, slog.LevelWarn, "cannot open the source", "receiver", "kmsg", "error", errors.New("permission denied"), "tries", 3)
	at(log, slog.LevelError+2, "no attributes")
	at(log, slog.LevelDebug, "like the built-in ones", "level", "high", "msg", "m", "time", "t")
	at(log, slog.LevelInfo, "hostile \x1b[2J\n\u202e", "key", "a\x1b\nb\u202e", "k\x1by", 1)
	at(log, slog.LevelInfo, "group", slog.Group("g", "level", slog.LevelInfo, "msg", "\x00"))
	require.Equal(t, []string{
		`2026-01-02T02:04:05.678Z WARN  cannot open the source  receiver=kmsg error="permission denied" tries=3`,
		`2026-01-02T02:04:05.678Z ERROR+2 no attributes`,
		`2026-01-02T02:04:05.678Z DEBUG like the built-in ones  level=high msg=m time=t`,
		`2026-01-02T02:04:05.678Z INFO  hostile \x1b[2J\n\u202e  key="a\x1b\nb\u202e" "k\x1by"=1`,
		`2026-01-02T02:04:05.678Z INFO  group  g.level=INFO g.msg="\x00"`,
	}, out.lines())
}

func TestTextInColour(t *testing.T) {
	log, out := newLog(t, agentlog.Config{Level: slog.LevelDebug, Color: true})
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		at(log, level, "message")
	}
	require.Equal(t, []string{
		"2026-01-02T02:04:05.678Z \x1b[36mDEBUG \x1b[0mmessage",
		"2026-01-02T02:04:05.678Z \x1b[32mINFO  \x1b[0mmessage",
		"2026-01-02T02:04:05.678Z \x1b[33mWARN  \x1b[0mmessage",
		"2026-01-02T02:04:05.678Z \x1b[31mERROR \x1b[0mmessage",
	}, out.lines())
}

func TestJSON(t *testing.T) {
	log, out := newLog(t, agentlog.Config{Format: agentlog.FormatJSON})
	at(log, slog.LevelWarn, "hostile \u009b2J\u202e", "receiver", "kmsg")
	require.Contains(t, out.String(), `"msg":"hostile \u009b2J\u202e"`, "JSON on a terminal is harmless too")
	require.JSONEq(t, `{"time":"2026-01-02T03:04:05.6789+01:00","level":"WARN","msg":"hostile \u009b2J\u202e","receiver":"kmsg"}`, out.String())
}

func TestLevels(t *testing.T) {
	var level slog.LevelVar
	for name, tt := range map[string]struct {
		level slog.Leveler
		want  int
	}{
		"info unless told": {nil, 3}, "debug": {slog.LevelDebug, 4}, "error": {slog.LevelError, 1}, "changed later": {&level, 2},
	} {
		t.Run(name, func(t *testing.T) {
			log, out := newLog(t, agentlog.Config{Level: tt.level})
			level.Set(slog.LevelWarn)
			log.Debug("d")
			log.Info("i")
			log.Warn("w")
			log.Error("e")
			require.Len(t, out.lines(), tt.want)
		})
	}
}

func TestNewRefuses(t *testing.T) {
	_, err := agentlog.New(agentlog.Config{})
	require.ErrorContains(t, err, "needs an output")
	_, err = agentlog.New(agentlog.Config{Output: io.Discard, Format: "xml"})
	require.EqualError(t, err, `log format "xml" is unknown: write text or json`)
}

// slogtest knows what a handler must do with groups, empty attributes and
// LogValuers.
func TestHandlerKeepsSlogsRules(t *testing.T) {
	for _, format := range []agentlog.Format{agentlog.FormatText, agentlog.FormatJSON} {
		t.Run(string(format), func(t *testing.T) {
			var out *pipelinetest.Output
			slogtest.Run(t, func(t *testing.T) slog.Handler {
				t.Helper()
				out = &pipelinetest.Output{}
				log, err := agentlog.New(agentlog.Config{Output: out, Format: format})
				require.NoError(t, err)
				return log.Handler()
			}, func(t *testing.T) map[string]any {
				t.Helper()
				if format == agentlog.FormatText {
					return readText(t, strings.TrimSuffix(out.String(), "\n"))
				}
				var read map[string]any
				require.NoError(t, json.Unmarshal([]byte(out.String()), &read))
				return read
			})
		})
	}
}

// readText reads a line of words without spaces in them.
func readText(t *testing.T, line string) map[string]any {
	t.Helper()
	read := map[string]any{}
	words := strings.Fields(line)
	if _, err := time.Parse(time.RFC3339, words[0]); err == nil {
		read[slog.TimeKey], words = words[0], words[1:]
	}
	read[slog.LevelKey] = words[0]
	read[slog.MessageKey] = words[1]
	for _, word := range words[2:] {
		path, value, found := strings.Cut(word, "=")
		require.True(t, found, "%q", line)
		group := read
		keys := strings.Split(path, ".")
		for _, key := range keys[:len(keys)-1] {
			if group[key] == nil {
				group[key] = map[string]any{}
			}
			group, _ = group[key].(map[string]any)
		}
		group[keys[len(keys)-1]] = value
	}
	return read
}

// messages are the lines without their times.
func messages(out *buffer) []string {
	var messages []string
	for _, line := range out.lines() {
		_, message, _ := strings.Cut(line, " ")
		messages = append(messages, message)
	}
	return messages
}

// bubbleClock is a clock on the time of synctest's bubble.
type bubbleClock struct{ since time.Time }

func (c bubbleClock) Now() pipeline.Instant {
	return pipeline.Instant{Wall: time.Now(), Boot: time.Since(c.since)}
}

func TestRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, out := newLog(t, agentlog.Config{Repeats: 3, Clock: bubbleClock{time.Now()}})
		kmsg := log.With("receiver", "kmsg")
		for i := range 40 {
			kmsg.Warn("read failed", "try", i)
			time.Sleep(time.Second)
		}
		require.Equal(t, []string{
			"WARN  read failed  receiver=kmsg try=0", "WARN  read failed  receiver=kmsg try=1", "WARN  read failed  receiver=kmsg try=2",
		}, messages(out))

		time.Sleep(20 * time.Second) // a minute after the first
		synctest.Wait()
		require.Len(t, out.lines(), 4, "nobody needs to log for the count to be told")
		require.Equal(t, "WARN  repeated 37 times: read failed  receiver=kmsg", messages(out)[3])

		kmsg.Warn("read failed", "try", 41)
		require.Len(t, out.lines(), 5, "a new minute begins")
		log.Close()
		require.Len(t, out.lines(), 5, "nothing was held back in it")
	})
}

func TestCloseTellsWhatWasHeldBack(t *testing.T) {
	clock := pipelinetest.NewClock(pipeline.Instant{Wall: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
	log, out := newLog(t, agentlog.Config{Repeats: 1, Clock: clock})
	for range 5 {
		log.Info("again")
	}
	log.Close()
	require.Equal(t, []string{"INFO  again", "INFO  repeated 4 times: again"}, messages(out))
	require.Contains(t, out.lines()[1], "2026-01-02T03:04:05.000Z")
	log.Close()
	require.Len(t, out.lines(), 2)
}

func TestWhatIsTheSame(t *testing.T) {
	clock := pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(1, 0)})
	log, out := newLog(t, agentlog.Config{Repeats: 1, Clock: clock})
	log.Info("m", "attribute", 1)
	log.Info("m", "attribute", 2) // held back: the same message
	log.Warn("m")
	log.Info("n")
	log.With("receiver", "a").Info("m")
	log.With("receiver", "b").Info("m")
	log.With("receiver", "b").With().Info("m") // held back
	log.WithGroup("g").Info("m")
	log.WithGroup("").Info("m") // held back
	require.Len(t, out.lines(), 6)

	clock.StepWall(time.Hour)
	log.Info("m")
	require.Len(t, out.lines(), 6, "the wall clock ends no minute")
	clock.Advance(time.Minute)
	log.Info("m")
	require.Equal(t, []string{
		"INFO  repeated 3 times: m", "INFO  repeated 1 times: m  receiver=b", "INFO  m",
	}, messages(out)[6:])
}

func TestDefaultRepeats(t *testing.T) {
	log, out := newLog(t, agentlog.Config{})
	defer log.Close()
	for range 100 {
		log.Info("again")
	}
	require.Len(t, out.lines(), agentlog.DefaultRepeats)
}

// Messages that all differ are bounded as well, in lines and in memory.
func TestFloodOfDifferentMessages(t *testing.T) {
	clock := pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(1, 0)})
	log, out := newLog(t, agentlog.Config{Repeats: 2, Clock: clock})
	kmsg := log.With("receiver", "kmsg")
	for i := range 10000 {
		kmsg.Info(fmt.Sprintf("message %d", i))
	}
	require.Len(t, out.lines(), 512+2*10)
	log.Close()
	require.Equal(t, "INFO  repeated 9468 times: (other messages)", messages(out)[532])
	require.Len(t, out.lines(), 533)
	kmsg.Info("message 9999")
	require.Len(t, out.lines(), 534)
}

func TestLongMessages(t *testing.T) {
	clock := pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(1, 0)})
	log, out := newLog(t, agentlog.Config{Repeats: 1, Clock: clock})
	long := strings.Repeat("x", 5000)
	log.Info(long)
	log.Info(long)
	log.Close()
	require.Contains(t, out.lines()[0], long, "the message itself is whole")
	require.Less(t, len(out.lines()[1]), 1200)
}

func TestManyAtOnce(t *testing.T) {
	log, out := newLog(t, agentlog.Config{Repeats: 5})
	var loggers sync.WaitGroup
	for i := range 8 {
		own := log.With("receiver", i)
		loggers.Go(func() {
			for range 200 {
				own.Warn("read failed")
			}
		})
	}
	loggers.Wait()
	log.Close()
	require.Equal(t, 8*5, strings.Count(out.String(), " WARN  read failed"))
	require.Equal(t, 8, strings.Count(out.String(), "repeated 195 times: read failed"))
}

// failing is an output that takes nothing.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestOutputFails(t *testing.T) {
	for _, format := range []agentlog.Format{agentlog.FormatText, agentlog.FormatJSON} {
		log, err := agentlog.New(agentlog.Config{Output: failing{}, Format: format, Repeats: 1})
		require.NoError(t, err)
		require.ErrorIs(t, log.Handler().Handle(t.Context(), slog.NewRecord(time.Now(), slog.LevelInfo, "m", 0)), io.ErrShortWrite)
		log.Info("m")
		log.Close()
	}
}
