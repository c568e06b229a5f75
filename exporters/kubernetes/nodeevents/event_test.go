package nodeevents

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"

	"github.com/otelnpd/otelnpd/pipeline"
)

func TestOccurrences(t *testing.T) {
	problem := func(change func(*pipeline.Problem)) pipeline.Record {
		r := problemRecord(1, "IOError", "sda failed", start)
		change(r.Problem)
		return r
	}
	transition := func(change func(*pipeline.Transition)) pipeline.Record {
		r := transitionRecord(1, "Hung", "task hung", start)
		change(r.Transition)
		return r
	}
	line := problemRecord(1, "IOError", "sda failed", start)
	line.EventName = ""
	for name, tt := range map[string]struct {
		record pipeline.Record
		// want is type, reason and source; empty: no occurrence.
		want string
	}{
		"a problem":            {problem(func(*pipeline.Problem) {}), "Warning IOError kernel-monitor"},
		"of severity info":     {problem(func(p *pipeline.Problem) { p.Severity = log.SeverityInfo4 }), "Normal IOError kernel-monitor"},
		"of no severity":       {problem(func(p *pipeline.Problem) { p.Severity = 0 }), "Normal IOError kernel-monitor"},
		"fatal":                {problem(func(p *pipeline.Problem) { p.Severity = log.SeverityFatal }), "Warning IOError kernel-monitor"},
		"of no source":         {problem(func(p *pipeline.Problem) { p.Source = "" }), "Warning IOError otelnpd"},
		"observed":             {problem(func(p *pipeline.Problem) { p.Observe = true }), ""},
		"a recovery":           {problem(func(p *pipeline.Problem) { p.State = pipeline.StateOK }), ""},
		"an unknown verdict":   {problem(func(p *pipeline.Problem) { p.State = pipeline.StateUnknown }), ""},
		"a line":               {line, ""},
		"no problem":           {pipeline.Record{EventName: pipeline.EventProblem}, ""},
		"no transition":        {pipeline.Record{EventName: pipeline.EventTransition}, ""},
		"the backlog's end":    {pipeline.Record{EventName: pipeline.EventBacklogEnd}, ""},
		"an activation":        {transition(func(*pipeline.Transition) {}), "Warning Hung kernel-monitor"},
		"told again":           {transition(func(x *pipeline.Transition) { x.Repeated = true }), "Warning Hung kernel-monitor"},
		"provisional":          {transition(func(x *pipeline.Transition) { x.Provisional = true }), ""},
		"without Event":        {transition(func(x *pipeline.Transition) { x.MakesEvent = false }), ""},
		"a changed message":    {transition(func(x *pipeline.Transition) { x.Kind = pipeline.TransitionMessage }), "Warning Hung kernel-monitor"},
		"activated by no rule": {transition(func(x *pipeline.Transition) { x.Cause = pipeline.Cause{} }), "Warning Shown kernel-monitor"},
		"healthy again": {transition(func(x *pipeline.Transition) {
			x.Kind, x.Severity, x.Condition.Reason = pipeline.TransitionStatus, log.SeverityInfo, "KernelHasNoDeadlock"
		}), "Normal KernelHasNoDeadlock kernel-monitor"},
	} {
		t.Run(name, func(t *testing.T) {
			o, tells := occurrenceOf(&tt.record)
			require.Equal(t, tt.want != "", tells)
			if tells {
				require.Equal(t, tt.want, o.Type+" "+o.Reason+" "+o.Source)
			}
		})
	}
}

func TestOccurrenceWithoutTimeOrUID(t *testing.T) {
	record := problemRecord(1, "IOError", "sda failed", start)
	record.Problem.UID, record.Problem.Count = pipeline.UID{}, 0
	record.ObservedTime, record.Time = record.Time, time.Time{}
	o, tells := occurrenceOf(&record)
	require.True(t, tells)
	require.Equal(t, start.Wall, o.time)
	require.False(t, o.uid.IsZero())
	require.EqualValues(t, 1, o.count)
	record.ObservedTime = record.ObservedTime.Add(1)
	later, _ := occurrenceOf(&record)
	require.NotEqual(t, o.uid, later.uid)
}

func seriesOf(t *testing.T, record pipeline.Record) *series {
	t.Helper()
	o, tells := occurrenceOf(&record)
	require.True(t, tells)
	return newSeries(&o)
}

func TestEvent(t *testing.T) {
	s := seriesOf(t, problemRecord(1, "IOError", "sda failed", start))
	s.Last, s.Count = start.Wall.Add(90*time.Second), 3
	w := newWriter("", "Node_1")
	text, err := json.Marshal(w.series(s, "node-uid"))
	require.NoError(t, err)
	require.JSONEq(t, `{
		"metadata": {"namespace": "default", "name": "node-1.`+uid(1).String()+`"},
		"involvedObject": {"apiVersion": "v1", "kind": "Node", "name": "Node_1", "uid": "node-uid"},
		"type": "Warning", "reason": "IOError", "message": "sda failed", "count": 3,
		"source": {"component": "kernel-monitor", "host": "Node_1"},
		"reportingComponent": "kernel-monitor", "reportingInstance": "Node_1",
		"firstTimestamp": "2026-01-02T03:04:05Z", "lastTimestamp": "2026-01-02T03:05:35Z"
	}`, string(text))
}

func TestEventInANamespace(t *testing.T) {
	w := newWriter("monitoring", "node-1")
	event := w.series(seriesOf(t, problemRecord(1, "IOError", "sda failed", start)), "node-uid")
	require.Equal(t, "monitoring", event.Namespace)
	require.Equal(t, "monitoring", event.InvolvedObject.Namespace)
	w = newWriter("default", "node-1")
	event = w.series(seriesOf(t, problemRecord(1, "IOError", "sda failed", start)), "node-uid")
	require.Equal(t, "default", event.Namespace)
	require.Empty(t, event.InvolvedObject.Namespace)
}

func TestEventCountFits(t *testing.T) {
	s := seriesOf(t, problemRecord(1, "IOError", "sda failed", start))
	s.Count = math.MaxInt32 + 1
	w := newWriter("", "node-1")
	require.EqualValues(t, math.MaxInt32, w.series(s, "").Count)
}

func TestNames(t *testing.T) {
	for node, want := range map[string]string{
		"node-1":                         "node-1.",
		"ip-10-0-0-1.eu.compute":         "ip-10-0-0-1.eu.compute.",
		"Node_1":                         "node-1.",
		"-node-..a-.":                    "node.a.",
		"größe":                          "gr--e.",
		"":                               "",
		"__":                             "",
		strings.Repeat("x", 300):         strings.Repeat("x", 220) + ".",
		strings.Repeat("x", 219) + ".yy": strings.Repeat("x", 219) + ".",
	} {
		require.Equal(t, want, namePrefix(node), node)
	}
	rapid.Check(t, func(t *rapid.T) {
		node := rapid.OneOf(rapid.String(), rapid.StringMatching(`[-a-zA-Z0-9._ü]{0,300}`)).Draw(t, "node")
		require.Empty(t, validation.IsDNS1123Subdomain(namePrefix(node)+uid(1).String()))
	})
	rapid.Check(t, func(t *rapid.T) {
		node := rapid.StringMatching(`[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?){0,2}`).Draw(t, "node")
		require.Equal(t, node+".", namePrefix(node), "a valid name stays")
	})
}
