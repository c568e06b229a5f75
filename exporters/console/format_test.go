package console_test

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/exporters/console"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// write brings records to an exporter and returns all that it wrote.
func write(t *testing.T, config console.Config, isTerminal bool, records ...pipeline.Record) string {
	t.Helper()
	var out pipelinetest.Output
	exporter, err := console.NewFactory(&out, isTerminal).Create(pipelinetest.Settings(t, "console"), &config)
	require.NoError(t, err)
	require.NoError(t, exporter.Start(t.Context()))
	require.NoError(t, exporter.Consume(t.Context(), records))
	shutdown(t, exporter)
	return out.String()
}

var (
	text     = console.Config{Output: console.OutputText, Color: console.ColorNever}
	colored  = console.Config{Output: console.OutputText, Color: console.ColorAlways}
	byItself = console.Config{Output: console.OutputAuto, Color: console.ColorAuto}

	linkDown = pipelinetest.ProblemRecord("kmsg/1", 7, pipeline.Problem{
		Rule: "kernel/nvme-down", Class: "storage", Condition: "StorageLinkDown", Reason: "NvmeDown", Instance: "nvme0",
		Message: "controller nvme0 is down", Severity: log.SeverityError, Source: "otelnpd", State: pipeline.StateProblem, Count: 3,
	})
	activation = pipelinetest.TransitionRecord(pipeline.Transition{
		Kind: pipeline.TransitionActivation, StatusChanged: true, MakesEvent: true, Severity: log.SeverityError, Source: "otelnpd",
		Condition: pipeline.Condition{
			Type: "StorageLinkDown", Status: pipeline.ConditionTrue, State: pipeline.StateProblem, Reason: "NvmeDown",
			Message: "controller nvme1 is down (and 1 more)", LastTransitionTime: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC),
		},
		Cause: pipeline.Cause{Rule: "kernel/nvme-down", Instance: "nvme0", Reason: "NvmeDown", Message: "controller nvme0 is down"},
	})
	healthyAgain = pipelinetest.TransitionRecord(pipeline.Transition{
		Kind: pipeline.TransitionStatus, StatusChanged: true, Severity: log.SeverityInfo,
		Condition: pipeline.Condition{
			Type: "StorageLinkDown", Status: pipeline.ConditionFalse, State: pipeline.StateOK, Reason: "LinksUp", Message: "all storage links are up",
		},
		Cause: pipeline.Cause{Rule: "kernel/nvme-down", Instance: "nvme0", Reason: "NvmeDown", Message: "controller nvme0 is down"},
	})
)

func snapshot(state pipeline.State, status pipeline.ConditionStatus) pipeline.Record {
	return pipelinetest.TransitionRecord(pipeline.Transition{
		Kind:      pipeline.TransitionSnapshot,
		Condition: pipeline.Condition{Type: "KernelDeadlock", Status: status, State: state, Reason: "Reason", Message: "message"},
	})
}

func TestText(t *testing.T) {
	got := write(t, text, false, linkDown, activation, healthyAgain)
	require.Equal(t, ""+
		"2026-01-02T03:04:12.000Z ERROR NvmeDown                 StorageLinkDown            nvme0        controller nvme0 is down (3 times)\n"+
		"2026-01-02T03:04:06.000Z ERROR NvmeDown                 StorageLinkDown=True       nvme0        controller nvme0 is down\n"+
		"2026-01-02T03:04:06.000Z INFO  LinksUp                  StorageLinkDown=False      -            all storage links are up\n", got)
}

func TestTextOfAnEvent(t *testing.T) {
	got := write(t, text, false, pipelinetest.ProblemRecord("kmsg", 1, pipeline.Problem{
		Reason: "KernelOops", Message: "BUG: unable to handle\r\n\tCall Trace:\n foo+0x1\n", Severity: log.SeverityWarn2, State: pipeline.StateProblem,
	}))
	require.Equal(t, ""+
		"2026-01-02T03:04:06.000Z WARN  KernelOops               -                          -            BUG: unable to handle\n"+
		"    \\tCall Trace:\n"+
		"     foo+0x1\n", got)
}

func TestColoursAreAlignedAsWell(t *testing.T) {
	got := write(t, colored, false, linkDown, activation, healthyAgain)
	require.Contains(t, got, "\x1b[31mERROR\x1b[0m \x1b[1mNvmeDown\x1b[0m                 \x1b[31mStorageLinkDown=True\x1b[0m ")
	require.Contains(t, got, "\x1b[32mINFO \x1b[0m \x1b[1mLinksUp\x1b[0m                  \x1b[32mStorageLinkDown=False\x1b[0m ")
	plain := got
	for _, code := range []string{"0", "1", "2", "31", "32", "33", "36"} {
		plain = strings.ReplaceAll(plain, "\x1b["+code+"m", "")
	}
	require.Equal(t, write(t, text, false, linkDown, activation, healthyAgain), plain)
}

func TestColoursBySeverityAndState(t *testing.T) {
	for name, tt := range map[string]struct {
		problem pipeline.Problem
		want    string
	}{
		"fatal":    {pipeline.Problem{Severity: log.SeverityFatal, State: pipeline.StateProblem}, "\x1b[31mFATAL\x1b[0m"},
		"warn":     {pipeline.Problem{Severity: log.SeverityWarn, State: pipeline.StateProblem}, "\x1b[33mWARN \x1b[0m"},
		"info":     {pipeline.Problem{Severity: log.SeverityInfo, State: pipeline.StateProblem}, "\x1b[36mINFO \x1b[0m"},
		"recovery": {pipeline.Problem{Severity: log.SeverityError, State: pipeline.StateOK}, "\x1b[32mERROR\x1b[0m"},
		"none":     {pipeline.Problem{State: pipeline.StateProblem}, "\x1b[36m-    \x1b[0m"},
		"unknown":  {pipeline.Problem{Condition: "X", State: pipeline.StateUnknown}, "\x1b[33mX\x1b[0m"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, write(t, colored, false, pipelinetest.ProblemRecord("kmsg", 1, tt.problem)), tt.want)
		})
	}
}

func TestOutputAndColourByThemselves(t *testing.T) {
	const escape = "\x1b["
	for name, tt := range map[string]struct {
		environment      map[string]string
		terminal         bool
		config           console.Config
		isJSON, isColour bool
	}{
		"a terminal":              {nil, true, byItself, false, true},
		"a pipe":                  {nil, false, byItself, true, false},
		"NO_COLOR":                {map[string]string{"NO_COLOR": "1"}, true, byItself, false, false},
		"NO_COLOR that is empty":  {map[string]string{"NO_COLOR": ""}, true, byItself, false, true},
		"a dumb terminal":         {map[string]string{"TERM": "dumb"}, true, byItself, false, false},
		"always, against them":    {map[string]string{"NO_COLOR": "1", "TERM": "dumb"}, false, colored, false, true},
		"text without a terminal": {nil, false, console.Config{Output: console.OutputText, Color: console.ColorAuto}, false, false},
		"JSON on a terminal":      {nil, true, console.Config{Output: console.OutputJSON, Color: console.ColorAlways}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NO_COLOR", "")
			t.Setenv("TERM", "xterm")
			for key, value := range tt.environment {
				t.Setenv(key, value)
			}
			got := write(t, tt.config, tt.terminal, linkDown)
			require.Equal(t, tt.isJSON, json.Valid([]byte(got)))
			require.Equal(t, tt.isColour, strings.Contains(got, escape))
		})
	}
}

func TestWhatIsNotWritten(t *testing.T) {
	observed := linkDown.Clone()
	observed.Problem.Observe = true
	for name, records := range map[string][]pipeline.Record{
		"lines":               pipelinetest.Lines("kmsg", 1, "a line"),
		"what is observed":    {observed},
		"the backlog's end":   {{EventName: pipeline.EventBacklogEnd}},
		"events of the later": {{EventName: "otelnpd.something.else"}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, write(t, text, false, records...))
			require.Empty(t, write(t, jsonLines, false, records...))
		})
	}
}

func TestSnapshots(t *testing.T) {
	ok := snapshot(pipeline.StateOK, pipeline.ConditionFalse)
	require.Empty(t, write(t, text, false, ok), "that all is well needs no line")
	require.Contains(t, write(t, jsonLines, false, ok), `"kind":"snapshot"`)
	require.Contains(t, write(t, text, false, snapshot(pipeline.StateUnknown, pipeline.ConditionUnknown)), "KernelDeadlock=Unknown")
	require.Contains(t, write(t, text, false, snapshot(pipeline.StateProblem, pipeline.ConditionTrue)), "KernelDeadlock=True")
}

func TestJSONOfAProblem(t *testing.T) {
	got := write(t, jsonLines, false, linkDown)
	require.Equal(t, `{"time":"2026-01-02T03:04:12Z","event":"otelnpd.problem","uid":"`+linkDown.Problem.UID.String()+
		`","severity":"error","reason":"NvmeDown","message":"controller nvme0 is down","state":"problem",`+
		`"rule":"kernel/nvme-down","class":"storage","condition":"StorageLinkDown","instance":"nvme0","source":"otelnpd",`+
		`"receiver":"kmsg/1","count":3,"attributes":{"log.facility":"kern"}}`+"\n", got, "these names are an interface")
}

func TestJSONOfATransition(t *testing.T) {
	got := write(t, jsonLines, false, activation)
	require.Equal(t, `{"time":"2026-01-02T03:04:06Z","event":"otelnpd.condition.transition","uid":"`+activation.Transition.UID.String()+
		`","severity":"error","reason":"NvmeDown","message":"controller nvme1 is down (and 1 more)","state":"problem",`+
		`"rule":"kernel/nvme-down","condition":"StorageLinkDown","instance":"nvme0","source":"otelnpd",`+
		`"kind":"activation","status":"True","status_changed":true,"last_transition_time":"2026-01-02T03:04:06Z",`+
		`"cause_reason":"NvmeDown","cause_message":"controller nvme0 is down"}`+"\n", got, "these names are an interface")
}

func TestJSONAttributes(t *testing.T) {
	record := linkDown.Clone()
	record.Attributes = pipeline.AttributeList{
		attribute.String("text", "a<b"), attribute.Int("int", math.MaxInt64), attribute.Bool("bool", true),
		attribute.Float64("float", 0.5), attribute.Float64("nan", math.NaN()), attribute.Float64("inf", math.Inf(-1)),
		attribute.StringSlice("list", []string{"a", "b"}), attribute.Float64Slice("floats", []float64{math.NaN()}),
	}
	var read struct{ Attributes map[string]any }
	decoder := json.NewDecoder(strings.NewReader(write(t, jsonLines, false, record)))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&read))
	require.Equal(t, map[string]any{
		"text": "a<b", "int": json.Number("9223372036854775807"), "bool": true, "float": json.Number("0.5"), "nan": "NaN",
		"inf": "-Infinity", "list": []any{"a", "b"}, "floats": read.Attributes["floats"],
	}, read.Attributes)
	require.IsType(t, "", read.Attributes["floats"])
}

func TestJSONOfTimesThatJSONDoesNotKnow(t *testing.T) {
	problem, transition := linkDown.Clone(), activation.Clone()
	problem.Time = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)
	transition.Transition.Condition.LastTransitionTime = time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)
	got := write(t, jsonLines, false, problem, transition)
	require.Equal(t, 2, strings.Count(got, "\n"))
	require.Contains(t, got, `{"time":"0001-01-01T00:00:00Z","event":"otelnpd.problem"`)
	require.Contains(t, got, `"last_transition_time":"0001-01-01T00:00:00Z"`)
}

// Whatever a log line brings into a problem, the terminal sees lines of its own
// making only, and a program one JSON object a record with the same message.
func FuzzHostileText(f *testing.F) {
	f.Add("\x1b]0;owned\a\x1b[2J\u202e", "nvme0\nFAKE", "a\x00b\xff")
	f.Fuzz(func(t *testing.T, message, instance, attribute string) {
		record := hostile(message, instance, attribute)
		for line := range strings.SplitSeq(format(t, text, record), "\n") {
			require.True(t, utf8.ValidString(line))
			for _, r := range line {
				require.True(t, terminal.Harmless(r), "%q", line)
			}
		}
		written := format(t, jsonLines, record)
		require.Equal(t, 1, strings.Count(written, "\n"))
		var read struct{ Message, Instance string }
		require.NoError(t, json.Unmarshal([]byte(written), &read))
		require.Equal(t, strings.ToValidUTF8(message, "\ufffd") == message, read.Message == message)
		if utf8.ValidString(instance) {
			require.Equal(t, instance, read.Instance)
		}
	})
}

func hostile(message, instance, value string) pipeline.Record {
	record := pipelinetest.ProblemRecord("kmsg", 1, pipeline.Problem{
		Reason: "R", Message: message, Instance: instance, Severity: log.SeverityWarn, State: pipeline.StateProblem,
	})
	record.Attributes = pipeline.AttributeList{attribute.String(value, value)}
	return record
}

// format is what one record becomes.
func format(t *testing.T, config console.Config, record pipeline.Record) string {
	t.Helper()
	var out pipelinetest.Output
	exporter, err := console.NewFactory(io.Writer(&out), false).Create(pipelinetest.Settings(t, "console"), &config)
	require.NoError(t, err)
	require.NoError(t, exporter.Start(context.Background()))
	require.NoError(t, exporter.Consume(context.Background(), []pipeline.Record{record}))
	shutdown(t, exporter)
	return out.String()
}
