package rules_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/processors/rules"
)

// seen is what a test compares of a problem.
type seen struct {
	Rule, Instance, Message string
	State                   pipeline.State
}

func summarise(records []pipeline.Record) []seen {
	var all []seen
	for _, r := range records {
		all = append(all, seen{r.Problem.Rule, r.Problem.Instance, r.Problem.Message, r.Problem.State})
	}
	return all
}

func TestProblems(t *testing.T) {
	const problem, ok = pipeline.StateProblem, pipeline.StateOK
	linkRule := `rules: [{id: link, pattern: 'link (?P<if>\w+) (?P<why>\w+)?down', condition: C, reason: A, instance: '{if}', %s
  clear: {by: recovery, pattern: 'link (?P<if>\w+) up'}}]`
	for name, test := range map[string]struct {
		config string
		lines  []string
		want   []seen
	}{
		"the message is the line, trimmed": {`rules: [{id: a, pattern: 'b.d', reason: A}]`, []string{"  a bad line\t"}, []seen{{"a", "", "a bad line", problem}}},
		"several rules act in file order": {`rules: [{id: b, pattern: bad, reason: A}, {id: a, pattern: 'a.*line', reason: A}, {id: c, pattern: '\w', reason: A}]`,
			[]string{"good", "a bad line"},
			[]seen{{"c", "", "good", problem}, {"b", "", "a bad line", problem}, {"a", "", "a bad line", problem}, {"c", "", "a bad line", problem}}},
		"templates": {`rules: [{id: a, pattern: 'disk (?P<dev>\w+) (?P<why>\w+)?', reason: A, message: '{{{dev}} is {why}!', instance: 'disk-{dev}'}]`,
			[]string{"disk sda bad", "disk sdb "},
			[]seen{{"a", "disk-sda", "{sda} is bad!", problem}, {"a", "disk-sdb", "{sdb} is !", problem}}},
		"a recovery tells the message if it knows all of it": {fmt.Sprintf(linkRule, `message: 'link {if} down',`),
			[]string{"link eth0 down", "link eth0 up"},
			[]seen{{"link", "eth0", "link eth0 down", problem}, {"link", "eth0", "link eth0 down", ok}}},
		"and else none": {fmt.Sprintf(linkRule, `message: 'link {if} {why}',`),
			[]string{"link eth0 baddown", "link eth0 up"},
			[]seen{{"link", "eth0", "link eth0 bad", problem}, {"link", "eth0", "", ok}}},
		"nor if the message is the line": {fmt.Sprintf(linkRule, ``),
			[]string{"link eth0 down", "link eth0 up"},
			[]seen{{"link", "eth0", "link eth0 down", problem}, {"link", "eth0", "", ok}}},
		"a line that tells of both tells of a problem": {fmt.Sprintf(linkRule, ``), []string{"link a up, link b down"},
			[]seen{{"link", "b", "link a up, link b down", problem}}},
		"an instance that is empty is not the whole node": {
			`rules: [{id: a, pattern: 'bad(?P<dev>\d+)?', reason: A, condition: C, instance: '{dev}', clear: {by: recovery, pattern: 'good(?P<dev>\d+)?'}}]`,
			[]string{"bad", "good", "good7"}, []seen{{"a", "(none)", "bad", problem}, {"a", "(none)", "", ok}, {"a", "7", "", ok}}},
		"what steers terminals is taken out": {`rules: [{id: a, pattern: 'bad (?P<x>.*)', reason: A, instance: '{x}'}]`,
			[]string{"bad \x1b[31m\u202ex\u0085\xffy\tz\x00"}, []seen{{"a", "[31mx\uFFFDyz", "bad [31mx\uFFFDy\tz", problem}}},
		"attributes": {`rules:
  - {id: kern, pattern: bad, reason: A, where: {log.facility: kern}}
  - {id: user, pattern: bad, reason: A, where: {log.facility: user}}
  - {id: like, pattern: bad, reason: A, where: {log.facility: '~^k'}}
  - {id: unlike, pattern: bad, reason: A, where: {log.facility: '~^x'}}
  - {id: none, pattern: bad, reason: A, where: {nothing: '~.*'}}
  - {id: all, pattern: bad, reason: A, where: {log.facility: kern, nothing: x}}`,
			[]string{"bad"}, []seen{{"kern", "", "bad", problem}, {"like", "", "bad", problem}}},
		"a window's suffix and lines": {`rules: [{id: a, pattern: '(?s)begin.*end', reason: A, window: {lines: 3, suffix: see runbook}}]`,
			[]string{"begin", " x ", "end", "end", "begin end"},
			[]seen{{"a", "", "begin\nx\nend; see runbook", problem}, {"a", "", "begin end; see runbook", problem}}},
		"a window that keeps space, beside one that does not": {
			`rules: [{id: keep, pattern: 'x ', reason: A, window: {lines: 2, keep_space: true}}, {id: trim, pattern: 'x', reason: A, window: {lines: 2}}]`,
			[]string{" x "}, []seen{{"keep", "", " x ", problem}, {"trim", "", "x", problem}}},
		"a window's template and recovery": {`rules:
  - {id: a, pattern: 'bad (?P<dev>\w+)\n.*', reason: A, condition: C, message: '{dev} bad', instance: '{dev}', window: {lines: 2, suffix: s}, clear: {by: recovery, pattern: 'good (?P<dev>\w+)\n.*'}}`,
			[]string{"bad sda", "x", "good sda", "x"}, []seen{{"a", "sda", "sda bad; s", problem}, {"a", "sda", "sda bad; s", ok}}},
	} {
		t.Run(name, func(t *testing.T) {
			records := problems(t, decode(t, test.config), pipelinetest.Lines("kmsg", 1, test.lines...))
			require.Empty(t, cmp.Diff(test.want, summarise(records)))
		})
	}
}

func TestTheRecordIsTheLinesWithTheProblem(t *testing.T) {
	config := decode(t, `rules: [{id: a, class: disk, pattern: '(?s)bad.*worse', reason: Bad, condition: C, severity: error, source: s, mode: observe, window: {lines: 2}}]`)
	lines := pipelinetest.Lines("kmsg", 7, "bad", "worse")
	records := problems(t, config, lines)
	want := lines[1].Clone()
	want.EventName = pipeline.EventProblem
	want.Time = lines[0].Time // the first matched line's
	want.Problem = &pipeline.Problem{
		UID: pipeline.ProblemUID("node-1", lines[1].Place, "a"), Rule: "a", Class: "disk", Condition: "C", Reason: "Bad",
		Message: "bad\nworse", Severity: log.SeverityError, Source: "s", State: pipeline.StateProblem, Count: 1, Observe: true,
	}
	require.Empty(t, pipelinetest.Diff([]pipeline.Record{want}, records))
}

func TestDefaultsOfARule(t *testing.T) {
	records := problems(t, decode(t, `rules: [{id: a, pattern: bad, reason: Bad}]`), pipelinetest.Lines("kmsg", 1, "bad"))
	require.Equal(t, log.SeverityWarn, records[0].Problem.Severity)
	require.Equal(t, condition.DefaultSource, records[0].Problem.Source)
	require.False(t, records[0].Problem.Observe)
}

func TestWhatIsNoLinePassesInOrder(t *testing.T) {
	verdict := pipelinetest.ProblemRecord("check", 2, pipeline.Problem{Rule: "check", Message: "bad", State: pipeline.StateOK, Verdict: &pipeline.Verdict{}})
	transition := pipelinetest.TransitionRecord(pipeline.Transition{Condition: pipeline.Condition{Type: "C"}})
	end := pipelinetest.Lines("kmsg", 4, "")[0]
	end.EventName = pipeline.EventBacklogEnd
	lines := pipelinetest.Lines("kmsg", 1, "bad 1", "good", "bad 2")
	batch := []pipeline.Record{lines[0], verdict, lines[1], transition, lines[2], end}
	batches := 0
	var names []string
	processor := newProcessor(t, decode(t, `rules: [{id: a, pattern: bad, reason: A}]`),
		pipeline.ConsumerFunc(func(_ context.Context, batch []pipeline.Record) error {
			batches++
			for i := range batch {
				names = append(names, batch[i].EventName)
			}
			return nil
		}))
	require.NoError(t, processor.Consume(context.Background(), batch))
	require.NoError(t, processor.Consume(context.Background(), lines[1:2]))
	require.Equal(t, 1, batches, "one batch out of one in, none out of ordinary lines")
	require.Equal(t, []string{pipeline.EventProblem, pipeline.EventProblem, pipeline.EventTransition, pipeline.EventProblem, pipeline.EventBacklogEnd}, names)
}

func TestWindowsAreEachSourcesOwn(t *testing.T) {
	config := decode(t, `rules: [{id: a, pattern: 'begin\nend', reason: A, window: {lines: 2}}]`)
	first, second := pipelinetest.Lines("kmsg", 1, "begin", "end"), pipelinetest.Lines("kmsg/2", 1, "begin", "end")
	file := pipelinetest.Lines("kmsg", 1, "end")
	file[0].Place.Source = "file"
	records := problems(t, config, first[:1], file, second[:1], first[1:], second[1:])
	require.Len(t, records, 2)
	require.Equal(t, "kmsg", records[0].Receiver)
	require.Equal(t, "kmsg/2", records[1].Receiver)
}

func TestSourcesOfWindowsAreBounded(t *testing.T) {
	config := decode(t, `rules: [{id: a, pattern: 'begin\nend', reason: A, window: {lines: 2}}]`)
	line := func(i int, text string) []pipeline.Record {
		batch := pipelinetest.Lines("file", 1, text)
		batch[0].Place.Source = strconv.Itoa(i)
		return batch
	}
	sink := &pipelinetest.Sink{}
	processor, read := measured(t, config, sink)
	send := func(batch []pipeline.Record) { require.NoError(t, processor.Consume(context.Background(), batch)) }
	for i := range 64 {
		send(line(i, "begin"))
	}
	send(line(0, "begin"))
	send(line(64, "begin")) // source 1 is forgotten: it was silent for longest
	send(line(0, "end"))
	send(line(1, "end"))
	require.Len(t, sink.Records(), 1)
	require.Equal(t, int64(2), read("otelnpd.rules.cut_texts")["window"], "a line each of two sources was forgotten")
}

// What a matcher that goes back and forth would never be done with is a matter of the
// line's length.
func TestPatternsAreLinear(t *testing.T) {
	config := decode(t, `rules: [{id: a, pattern: '^(a*)*b$', reason: A}]`)
	long := strings.Repeat("a", 64<<10)
	require.Empty(t, problems(t, config, pipelinetest.Lines("kmsg", 1, long+"!b")))
	require.Len(t, problems(t, config, pipelinetest.Lines("kmsg", 1, long+"b")), 1)
}

func TestLongTextsAreCutAndCounted(t *testing.T) {
	config := decode(t, `rules:
  - {id: line, pattern: 'bad (?P<x>\S+)', reason: A, instance: '{x}'}
  - {id: window, pattern: '(?s)bad.*end', reason: A, window: {lines: 1000}}`)
	sink := &pipelinetest.Sink{}
	processor, read := measured(t, config, sink)
	consume := func(lines ...string) {
		require.NoError(t, processor.Consume(context.Background(), pipelinetest.Lines("kmsg", 1, lines...)))
	}
	consume("bad " + strings.Repeat("é", 4000))
	problem := sink.Records()[0].Problem
	require.Equal(t, "bad "+strings.Repeat("é", 2046), problem.Message)
	require.LessOrEqual(t, len(problem.Instance), 253)
	consume("bad " + strings.Repeat("é", 3999))
	require.NotEqual(t, problem.Instance, sink.Records()[1].Problem.Instance, "cut instances stay apart")
	require.Equal(t, map[string]int64{"message": 2, "window": 0}, read("otelnpd.rules.cut_texts"))

	for range 10 { // more than a window keeps
		consume(strings.Repeat("x", 60_000))
	}
	consume(strings.Repeat("x", 70_000)+"end", "end")
	require.Len(t, sink.Records(), 2, "the begin is out of the window")
	require.Positive(t, read("otelnpd.rules.cut_texts")["window"])
}

func TestMatchesAreCounted(t *testing.T) {
	config := decode(t, `rules:
  - {id: a, pattern: bad, reason: A, condition: C, clear: {by: recovery, pattern: good}}
  - {id: b, pattern: bad, reason: B}`)
	processor, read := measured(t, config, &pipelinetest.Sink{})
	require.Equal(t, map[string]int64{"a": 0, "b": 0}, read("otelnpd.rules.matches"))
	require.Equal(t, map[string]int64{"a": 0}, read("otelnpd.rules.recoveries"))
	require.Equal(t, map[string]int64{"message": 0, "window": 0}, read("otelnpd.rules.cut_texts"))
	require.NoError(t, processor.Consume(context.Background(), pipelinetest.Lines("kmsg", 1, "bad", "ordinary", "good", "bad")))
	require.Equal(t, map[string]int64{"a": 2, "b": 2}, read("otelnpd.rules.matches"))
	require.Equal(t, map[string]int64{"a": 1}, read("otelnpd.rules.recoveries"))
}

// measured makes a processor and a function that reads a counter, by its only
// attribute.
func measured(t *testing.T, config *rules.Config, next pipeline.Consumer) (pipeline.Processor, func(name string) map[string]int64) {
	t.Helper()
	require.NoError(t, config.Validate())
	reader := sdkmetric.NewManualReader()
	with := settings(t)
	with.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
	processor, err := rules.NewFactory(builtIn).Create(with, config, next)
	require.NoError(t, err)
	return processor, func(name string) map[string]int64 {
		t.Helper()
		var all metricdata.ResourceMetrics
		require.NoError(t, reader.Collect(context.Background(), &all))
		values := map[string]int64{}
		for _, m := range all.ScopeMetrics[0].Metrics {
			if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == name {
				for _, point := range sum.DataPoints {
					values[point.Attributes.ToSlice()[0].Value.String()] = point.Value
				}
			}
		}
		return values
	}
}

// TestInstancesAreReadBackFromMessages takes each message that a rule makes and
// asks the rule for the instance.
func TestInstancesAreReadBackFromMessages(t *testing.T) {
	for name, test := range map[string]struct{ rule, line string }{
		"from the line":             {`pattern: 'disk (?P<dev>\w+) bad', instance: '{dev}'`, "kernel: disk sda bad (5)"},
		"from a template":           {`pattern: 'disk (?P<dev>\w+) (?P<n>\d+)', instance: '{dev}', message: '{dev}: {n} (.*)'`, "disk sda 17"},
		"of several groups":         {`pattern: 'disk (?P<dev>\w+) (?P<n>\d+)', instance: '{n}-{dev}', message: '{dev}/{n}'`, "disk sd1 17"},
		"a group twice":             {`pattern: 'disk (?P<dev>\w+)', instance: '{dev}', message: '{dev} and {dev}'`, "disk sda"},
		"a group that took no part": {`pattern: 'disk (?P<dev>\w+)?', instance: 'd{dev}', message: 'disk <{dev}>'`, "disk !"},
		"a group within a group":    {`pattern: 'disk (?P<dev>(?P<bus>\w)\w+)', instance: '{dev}', message: 'disk {dev} on {bus}'`, "disk sda"},
		"a group that looks around": {`pattern: 'disk (?P<dev>\b\w+\b)', instance: '{dev}', message: 'disk-{dev}.'`, "disk sda"},
		"a window with suffix":      {`pattern: 'disk (?P<dev>\w+)\nbad', instance: '{dev}', window: {lines: 2, suffix: see x}`, "disk sda\nbad"},
		"a template with suffix":    {`pattern: 'disk (?P<dev>\w+)\nbad', instance: '{dev}', message: 'disk {dev}', window: {lines: 2, suffix: see x}`, "disk sda\nbad"},
		"of the node":               {`pattern: 'disk (?P<dev>\w+)?', instance: '{dev}', message: 'disk {dev}'`, "disk !"},
	} {
		t.Run(name, func(t *testing.T) {
			config := decode(t, `rules: [{id: a, reason: A, `+test.rule+`}]`)
			records := problems(t, config, pipelinetest.Lines("kmsg", 1, strings.Split(test.line, "\n")...))
			require.Len(t, records, 1)
			problem := records[0].Problem
			instance, ok := config.Declare().Rules[0].InstanceOf(problem.Message)
			require.True(t, ok, problem.Message)
			require.Equal(t, problem.Instance, instance)
			_, ok = config.Declare().Rules[0].InstanceOf("something else")
			require.False(t, ok)
		})
	}
	lacking := decode(t, `rules: [{id: a, reason: A, pattern: '(?P<x>a)(?P<y>b)c', instance: '{x}', message: 'only {y}'}]`)
	require.Nil(t, lacking.Declare().Rules[0].InstanceOf, "the message does not tell it")
	ambiguous := decode(t, `rules: [{id: a, reason: A, pattern: '(?P<x>\w+) (?P<y>\d+)', instance: '{x}', message: '{x}{y}'}]`)
	_, ok := ambiguous.Declare().Rules[0].InstanceOf("sd117")
	require.False(t, ok, "it may be sd1 or sd11")
	twice := decode(t, `rules: [{id: a, reason: A, pattern: 'disk (?P<x>\w)', instance: '{x}', message: '{x}{x}'}]`)
	_, ok = twice.Declare().Rules[0].InstanceOf("ab")
	require.False(t, ok, "no text of the group makes this message")
}

func TestTimeOfARecordIsItsLines(t *testing.T) {
	line := pipelinetest.Lines("kmsg", 1, "bad")
	line[0].Attributes = pipeline.AttributeList{attribute.Int("n", 5)}
	line[0].Time = time.Unix(5, 0)
	records := problems(t, decode(t, `rules: [{id: a, pattern: bad, reason: A, where: {n: '5'}}]`), line)
	require.Len(t, records, 1)
	require.Equal(t, time.Unix(5, 0), records[0].Time)
}
