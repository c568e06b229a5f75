package plugin_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

// printing lets a check print what stands in a file.
func (l *lab) printing(text string, code int) {
	l.t.Helper()
	require.NoError(l.t, os.WriteFile(l.dir+"/text", []byte(text), 0o600))
	l.check("check", fmt.Sprintf("cat $DIR/text; exit %d", code)).Output = "json"
}

func TestJSON(t *testing.T) {
	l := newLab(t)
	l.printing(`{"status": "problem", "instance": "sda", "message": "97 % used", "reason": "DiskFull", "metrics": {"used": 0.97, "files": 1e3}}

{"status":"ok","instance":"sdb","metrics":{"used":0.1}}
{"status":"unknown","instance":"sdc"}
`, 1)
	l.start()
	told := l.verdicts(4)
	require.Len(t, told, 4)
	slices.SortFunc(told, func(a, b pipeline.Problem) int { return strings.Compare(b.Instance, a.Instance) })
	slices.Reverse(told[:3])
	for i, want := range []struct {
		state                     pipeline.State
		instance, message, reason string
	}{
		{pipeline.StateProblem, "sda", "97 % used", "DiskFull"},
		{pipeline.StateOK, "sdb", "", "Broken"},
		{pipeline.StateUnknown, "sdc", "", "Broken"},
		{pipeline.StateOK, "", "", "Broken"},
	} {
		require.Equal(t, want.state, told[i].State)
		require.Equal(t, want.instance, told[i].Instance)
		require.Equal(t, want.message, told[i].Message)
		require.Equal(t, want.reason, told[i].Reason)
		require.Equal(t, i == 3, told[i].Verdict.Complete, "the lines are all that there is")
	}
	l.requireValue(0.97, "otelnpd.plugin.metric", map[string]string{"receiver": "plugin/test", "check": "check", "name": "used", "instance": "sda"})
	l.requireValue(1000, "otelnpd.plugin.metric", map[string]string{"name": "files", "instance": "sda"})
	l.requireValue(0.1, "otelnpd.plugin.metric", map[string]string{"name": "used", "instance": "sdb"})
}

// Metrics that a run does not tell are forgotten, and all when the receiver ends.
func TestMetricsAreForgotten(t *testing.T) {
	l := newLab(t)
	l.printing(`{"status":"ok","metrics":{"a":1,"b":2}}`, 0)
	l.config.Checks[0].Interval = 100 * time.Millisecond
	l.start()
	l.verdicts(1)
	l.requireValue(2, "otelnpd.plugin.metric", map[string]string{"name": "b"})
	require.NoError(t, os.WriteFile(l.dir+"/text", []byte(`{"status":"ok","metrics":{"a":3}}`), 0o600))
	require.Eventually(t, func() bool {
		value, _ := l.value("otelnpd.plugin.metric", map[string]string{"name": "a"})
		return value == 3
	}, 20*time.Second, time.Millisecond)
	_, there := l.value("otelnpd.plugin.metric", map[string]string{"name": "b"})
	require.False(t, there)
	l.stop()
	_, there = l.value("otelnpd.plugin.metric", nil)
	require.False(t, there)
}

func TestMetricsAreBounded(t *testing.T) {
	l := newLab(t)
	var lines strings.Builder
	for i := range 100 {
		fmt.Fprintf(&lines, `{"status":"ok","instance":"d%d","metrics":{"used":1}}`+"\n", i)
	}
	l.printing(lines.String(), 0)
	l.start()
	l.verdicts(101)
	l.requireValue(64, "otelnpd.plugin.metric", map[string]string{"name": "used"})
	l.requireValue(1, "otelnpd.plugin.cut_outputs", map[string]string{"reason": "metrics"})
}

func TestBadJSONIsUnknown(t *testing.T) {
	for _, test := range []struct {
		text    string
		code    int
		message string
	}{
		{"", 0, "it has printed no line of JSON"},
		{"fine\n", 0, "line 1 of its output: is no JSON: invalid character 'i' in literal false (expecting 'a')"},
		{`"ok"`, 0, "line 1 of its output: is no JSON object {…}"},
		{`[{"status":"ok"}]`, 0, "line 1 of its output: is no JSON object {…}"},
		{`{"status":"ok"`, 0, "line 1 of its output: is no JSON: it ends too early"},
		{`{"status":"ok"} {}`, 0, "line 1 of its output: there is more than one JSON value: write one a line"},
		{`{"Status":"ok"}`, 0, `line 1 of its output: the key "Status" is unknown: write status, reason, message, instance or metrics`},
		{`{"status":"ok","status":"problem"}`, 0, `line 1 of its output: the key "status" is there twice`},
		{`{"status":"OK"}`, 0, `line 1 of its output: status: "OK" is none: write ok, problem or unknown`},
		{`{}`, 0, `line 1 of its output: status: "" is none: write ok, problem or unknown`},
		{`{"status":true}`, 0, "line 1 of its output: status: want text"},
		{`{"status":"ok","reason":"not one"}`, 0, `line 1 of its output: reason: "not one" is no reason: write a CamelCase word, for example DiskIsFailing`},
		{`{"status":"ok","metrics":[]}`, 0, "line 1 of its output: is no JSON object {…}"},
		{`{"status":"ok","metrics":{"a":"1"}}`, 0, "line 1 of its output: a: want a number"},
		{`{"status":"ok","metrics":{"a":1e999}}`, 0, "line 1 of its output: metric a: 1e999 is out of range"},
		{`{"status":"ok","metrics":{"ä":1}}`, 0, `line 1 of its output: "ä" is no name of a metric: write letters, digits and any of _ . at most 63`},
		{`{"status":"ok"}`, 2, "exit status 2"},
		{strings.Repeat(`{"status":"ok"}`+"\n", 300), 0, "its output has more than 256 lines"},
	} {
		t.Run(test.text[:min(40, len(test.text))], func(t *testing.T) {
			l := newLab(t)
			l.printing(test.text, test.code)
			l.start()
			told := l.verdicts(1)
			require.Equal(t, pipeline.StateUnknown, told[0].State)
			require.Equal(t, l.dir+"/check: "+test.message, told[0].Message)
			l.requireValue(1, "otelnpd.plugin.failed_runs", map[string]string{"reason": "bad_json"})
		})
	}
}

// A bad line takes nothing from the good ones, but the whole is unknown.
func TestOneBadLine(t *testing.T) {
	l := newLab(t)
	l.printing(`{"status":"problem","instance":"sda"}`+"\nx\ny\n", 0)
	l.start()
	told := l.verdicts(2)
	require.Len(t, told, 2)
	require.Equal(t, pipeline.StateProblem, told[0].State)
	require.Equal(t, pipeline.StateUnknown, told[1].State)
	require.Empty(t, told[1].Instance)
	require.Contains(t, told[1].Message, "line 2 of its output")
	require.Contains(t, told[1].Message, "line 3 of its output")
}

func TestJSONThatIsTooLong(t *testing.T) {
	l := newLab(t)
	l.printing(`{"status":"ok","message":"`+strings.Repeat("x", 70000)+`"}`, 0)
	l.start()
	told := l.verdicts(1)
	require.Equal(t, pipeline.StateUnknown, told[0].State)
	require.Contains(t, told[0].Message, "its output is longer than 65536 bytes")
	l.requireValue(1, "otelnpd.plugin.cut_outputs", map[string]string{"reason": "output"})
}

// A command that fails in the middle ends with 1 in many languages, as one does that has
// found a problem. Where no line tells of any, its lines are not all that there is.
func TestExitCodeWithoutAProblem(t *testing.T) {
	for _, text := range []string{`{"status":"ok","instance":"sda"}`, `{"status":"unknown","instance":"sda"}`} {
		l := newLab(t)
		l.printing(text, 1)
		l.start()
		told := l.verdicts(2)
		require.Len(t, told, 2)
		for i := range told {
			require.False(t, told[i].Verdict.Complete)
			if told[i].Instance == "" {
				require.Equal(t, pipeline.StateUnknown, told[i].State)
				require.Contains(t, told[i].Message, "exit status 1, but no line tells of a problem")
			}
		}
		l.requireValue(1, "otelnpd.plugin.failed_runs", map[string]string{"reason": "bad_json"})
	}
}
