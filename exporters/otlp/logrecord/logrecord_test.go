package logrecord_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/otelnpd/otelnpd/exporters/otlp/logrecord"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

var update = flag.Bool("update", false, "write the golden files anew")

// wholeProblem and wholeTransition have all that a record can have.
func wholeProblem() pipeline.Record {
	record := pipelinetest.ProblemRecord("kmsg", 7, pipeline.Problem{
		Rule: "kernel/link-down", Class: "storage", Condition: "StorageLinkDown", Reason: "NvmeDown", Message: "controller nvme0 is down",
		Severity: log.SeverityError, Instance: "nvme0", Source: "kernel-monitor", State: pipeline.StateProblem, Count: 3, Observe: true,
	})
	record.Body = []byte("nvme nvme0: controller is down\x00")
	record.Attributes = pipeline.AttributeList{
		attribute.String("log.facility", "kern"), attribute.Int64("log.severity", 3), attribute.Bool("log.field.retry", true),
		attribute.Float64("log.field.load", 0.5), attribute.StringSlice("log.field.paths", []string{"a", "b"}),
		attribute.Int64Slice("log.field.numbers", []int64{1, 2}), attribute.String("otelnpd.rule.id", "forged"),
	}
	return record
}

func wholeTransition() pipeline.Record {
	record := pipelinetest.TransitionRecord(pipeline.Transition{
		Kind: pipeline.TransitionActivation, StatusChanged: true, MakesEvent: true, Severity: log.SeverityError, Source: "kernel-monitor",
		Condition: pipeline.Condition{
			Type: "StorageLinkDown", Status: pipeline.ConditionTrue, State: pipeline.StateProblem, Reason: "NvmeDown",
			Message: "controller nvme0 is down (and 1 more)", LastTransitionTime: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		},
		Cause:       pipeline.Cause{Rule: "kernel/link-down", Instance: "nvme0", Reason: "NvmeDown", Message: "controller nvme0 is down"},
		Provisional: true,
	})
	record.ObservedTime = record.Time.Add(time.Second)
	return record
}

func snapshot() pipeline.Record {
	record := wholeTransition()
	record.Transition.Kind, record.Transition.Severity, record.Transition.Cause = pipeline.TransitionSnapshot, log.SeverityInfo, pipeline.Cause{}
	record.Transition.Provisional, record.Transition.Source = false, ""
	return record
}

// line has all that a raw line can have.
func line() pipeline.Record {
	record := pipelinetest.Lines("filelog/app", 7, "disk sda is slow")[0]
	record.Severity, record.ObservedTime = log.SeverityWarn, record.Time.Add(time.Second)
	record.Attributes = pipeline.AttributeList{
		attribute.String("log.file.path", "/var/log/app.log"), attribute.String("log.iostream", "stderr"),
		attribute.String("log.record.uid", "forged"), attribute.Int64("log.field.retry", 3),
	}
	return record
}

// made is a record as it is sent.
func made(record *pipeline.Record) *logspb.LogRecord {
	if record.IsLine() {
		return logrecord.Line(record, "node-1")
	}
	return logrecord.New(record)
}

// The golden files are what users query: what is in them stays.
func TestGolden(t *testing.T) {
	keys := map[string]string{} // and which kinds have them
	for _, one := range []struct {
		name   string
		record pipeline.Record
	}{{"problem", wholeProblem()}, {"transition", wholeTransition()}, {"snapshot", snapshot()}, {"line", line()}} {
		t.Run(one.name, func(t *testing.T) { requireGolden(t, one.name, made(&one.record)) })
		for _, attribute := range made(&one.record).GetAttributes() {
			if key := attribute.GetKey(); !strings.HasPrefix(key, "log.") || strings.HasPrefix(key, "log.record.") {
				keys[key] = strings.TrimPrefix(keys[key]+", "+one.name, ", ")
			}
		}
	}
	documented := map[string]string{}
	for _, row := range rows(t, "## Attributes of the records", "\n| attribute of the source") {
		kinds, _, _ := strings.Cut(row[1], ", if ")
		documented[row[0]] = kinds
	}
	for key, kinds := range keys {
		kinds = strings.ReplaceAll(kinds, ", snapshot", "")
		if kinds == "problem, transition, line" {
			kinds = "all"
		}
		require.Equal(t, kinds, documented[key], key)
	}
	require.Len(t, documented, len(keys), "the README's table has attributes that no record has")
}

func requireGolden(t *testing.T, name string, made *logspb.LogRecord) {
	t.Helper()
	text, err := protojson.Marshal(made)
	require.NoError(t, err)
	var indented bytes.Buffer // protojson's own spaces are random
	require.NoError(t, json.Indent(&indented, text, "", "  "))
	path := filepath.Join("testdata", name+".json")
	if *update {
		require.NoError(t, os.WriteFile(path, append(indented.Bytes(), '\n'), 0o600))
	}
	golden, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(golden), indented.String()+"\n")
}

// rows are the rows of a table of the README whose first column is an attribute.
func rows(t *testing.T, from, to string) (rows [][]string) {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	require.NoError(t, err)
	_, table, found := strings.Cut(string(readme), from)
	require.True(t, found, from)
	table, _, _ = strings.Cut(table, to)
	for _, match := range regexp.MustCompile("(?m)^\\| `([A-Za-z0-9_.]+)` \\| ([^|]*) \\|").FindAllStringSubmatch(table, -1) {
		rows = append(rows, match[1:])
	}
	return rows
}

// What receivers say of their lines stands in the table of the sources, by receiver.
func TestTheTableOfSourcesIsThatOfTheReceivers(t *testing.T) {
	want := map[string]string{}
	for _, receiver := range []string{"kmsg", "journald", "filelog", "pstore"} {
		keys := sourceAttributes(t, receiver)
		if receiver == "journald" { // entries of the kernel have what kmsg has, but for its number
			keys = slices.DeleteFunc(append(keys, sourceAttributes(t, "kmsg")...), func(key string) bool { return key == "kmsg.sequence" })
			slices.Sort(keys)
		}
		for _, key := range slices.Compact(keys) {
			want[key] = strings.TrimPrefix(want[key]+", "+receiver, ", ")
		}
	}
	got := map[string]string{}
	for _, row := range rows(t, "\n| attribute of the source", "\n## ") {
		got[row[0]] = row[1]
	}
	require.Equal(t, want, got)
}

// sourceAttributes are those that a receiver's README names under Records.
func sourceAttributes(t *testing.T, receiver string) (keys []string) {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join("..", "..", "..", "receivers", receiver, "README.md"))
	require.NoError(t, err)
	_, records, found := strings.Cut(string(readme), "\n## Records")
	require.True(t, found)
	records, _, _ = strings.Cut(records, "\n## ")
	for line := range strings.Lines(records) {
		row, isRow := strings.CutPrefix(line, "|")
		if !isRow {
			continue
		}
		first, _, _ := strings.Cut(row, "|")
		for _, match := range attributeName.FindAllStringSubmatch(first, -1) {
			keys = append(keys, match[1])
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

var attributeName = regexp.MustCompile("`((?:log|kmsg|journald|systemd|process|host|code|thread|pstore)\\.[A-Za-z_.]+)`")

func TestWhatIsTold(t *testing.T) {
	line := pipelinetest.Lines("kmsg", 1, "a line")[0]
	repeated, early := wholeTransition(), snapshot()
	repeated.Transition.Repeated = true
	early.Transition.Provisional = true
	context := line
	context.EventName = pipeline.EventContext
	for name, record := range map[string]pipeline.Record{
		"a line": line, "context": context, "told before": repeated, "how things stand, perhaps": early,
	} {
		require.Nil(t, logrecord.New(&record), name)
	}
}

// A restart tells how a condition stands again, with the same uid.
func TestSnapshotsAreOfTheTimeSinceWhen(t *testing.T) {
	first, later := snapshot(), snapshot()
	later.Time, later.ObservedTime = later.Time.Add(time.Hour), later.ObservedTime.Add(time.Hour)
	one, other := logrecord.New(&first), logrecord.New(&later)
	require.NotEqual(t, one.GetObservedTimeUnixNano(), other.GetObservedTimeUnixNano())
	other.ObservedTimeUnixNano = one.GetObservedTimeUnixNano()
	require.True(t, proto.Equal(one, other))
}

func TestTellingsOfOneThingAreEqual(t *testing.T) {
	first, again := wholeTransition(), wholeTransition()
	again.Transition.StatusChanged = false
	again.Transition.Condition.LastTransitionTime = time.Time{}
	require.True(t, proto.Equal(logrecord.New(&first), logrecord.New(&again)))
}

func TestTimesAndSeveritiesThatOTLPHasNot(t *testing.T) {
	for _, at := range []time.Time{{}, time.Unix(-1, 0), time.Unix(math.MaxInt64/1000, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		record := wholeProblem()
		record.Time = at
		require.Zero(t, logrecord.New(&record).GetTimeUnixNano(), at)
	}
	for severity, want := range map[log.Severity]string{-1: "", 0: "", 25: "", log.SeverityWarn2: "WARN2", log.SeverityFatal4: "FATAL4"} {
		record := wholeProblem()
		record.Problem.Severity = severity
		made := logrecord.New(&record)
		require.Equal(t, want, made.GetSeverityText())
		require.Equal(t, want == "", made.GetSeverityNumber() == logspb.SeverityNumber_SEVERITY_NUMBER_UNSPECIFIED)
	}
}

func TestAttributesAreBounded(t *testing.T) {
	record := wholeProblem()
	var many pipeline.AttributeList
	for i := range 500 {
		many = append(many, attribute.Int("log.field."+strings.Repeat("x", i), i))
	}
	record.Attributes = many
	made := logrecord.New(&record)
	require.Len(t, made.GetAttributes(), 128)
	require.EqualValues(t, 500-128+12, made.GetDroppedAttributesCount())
}

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"plain": "plain", "two\nlines\tand a tab": "two\nlines\tand a tab", "\xff\xfe": `\xff\xfe`, "a\x00b": `a\x00b`,
		"\x1b[31mred": `\x1b[31mred`, "\u202egnp.exe": `\u202egnp.exe`, "故障": "故障", "": "", "\n": "\n",
	} {
		require.Equal(t, want, logrecord.Text(text))
	}
}

// One text that is not UTF-8 would spoil all records of a request.
func FuzzNew(f *testing.F) {
	f.Add([]byte("nvme0 is down\xff"), "inst\x00ance", "log.field.\xfe", "value\x1b[2J")
	f.Fuzz(func(t *testing.T, body []byte, instance, key, value string) {
		problem, transition := wholeProblem(), wholeTransition()
		problem.Body, problem.Problem.Instance, problem.Problem.Message = body, instance, value
		problem.Attributes = pipeline.AttributeList{attribute.String(key, value), attribute.StringSlice(key+"s", []string{value, instance})}
		transition.Transition.Cause.Message, transition.Transition.Condition.Reason = string(body), value
		raw := line()
		raw.Body, raw.Attributes, raw.Receiver = body, problem.Attributes, instance
		for _, record := range []pipeline.Record{problem, transition, raw} {
			content, err := proto.Marshal(made(&record))
			require.NoError(t, err)
			sent := &logspb.LogRecord{}
			require.NoError(t, proto.Unmarshal(content, sent))
			texts := []string{sent.GetBody().GetStringValue()}
			for _, one := range sent.GetAttributes() {
				texts = append(texts, one.GetKey(), one.GetValue().GetStringValue())
			}
			for _, text := range texts {
				require.True(t, utf8.ValidString(text))
				require.False(t, slices.ContainsFunc([]rune(text), func(r rune) bool { return !terminal.Harmless(r) && r != '\n' && r != '\t' }), "%q", text)
			}
		}
	})
}

// Who cannot be told from others has no identity.
func TestALineWithoutAPlaceHasNoUID(t *testing.T) {
	record := line()
	record.Place, record.Attributes = pipeline.Place{}, nil
	for _, one := range logrecord.Line(&record, "node-1").GetAttributes() {
		require.NotEqual(t, "log.record.uid", one.GetKey())
	}
}

func BenchmarkLine(b *testing.B) {
	record := line()
	record.Attributes = pipeline.AttributeList{
		attribute.String("log.facility", "kern"), attribute.String("log.severity", "warning"),
		attribute.Int64("kmsg.sequence", 7), attribute.Int64("kmsg.timestamp_us", 7),
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := proto.Marshal(logrecord.Line(&record, "node-1")); err != nil {
			b.Fatal(err)
		}
	}
}
