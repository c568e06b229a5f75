package health_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/health"
)

var since = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func component(kind, id string, state pipeline.ComponentState, reason, remedy string) pipeline.ComponentStatus {
	return pipeline.ComponentStatus{
		Status: pipeline.Status{State: state, Reason: reason, Remedy: remedy}, Kind: kind, ID: id, Since: since,
	}
}

var (
	good     = component(pipeline.KindProcessor, "rules", pipeline.ComponentOK, "", "")
	starting = component(pipeline.KindExporter, "console", pipeline.ComponentStarting, "", "")
	degraded = component(pipeline.KindReceiver, "kmsg", pipeline.ComponentDegraded, "open /dev/kmsg: permission denied", "run as root")
)

func TestAssess(t *testing.T) {
	for name, tt := range map[string]struct {
		components     []pipeline.ComponentStatus
		stalled        []string
		healthy, ready bool
		problems       []string
	}{
		"nothing there":       {healthy: true, ready: true},
		"all ok":              {components: []pipeline.ComponentStatus{good}, healthy: true, ready: true},
		"starting":            {components: []pipeline.ComponentStatus{good, starting}, healthy: true, problems: []string{"exporter console is starting"}},
		"degraded is healthy": {components: []pipeline.ComponentStatus{degraded, good}, healthy: true, problems: []string{"receiver kmsg is degraded: open /dev/kmsg: permission denied; run as root"}},
		"stalled is not":      {components: []pipeline.ComponentStatus{good}, stalled: []string{"logs/kernel"}, problems: []string{"pipeline logs/kernel makes no progress"}},
	} {
		t.Run(name, func(t *testing.T) {
			report := health.Assess("1.2.3", tt.components, tt.stalled)
			require.Equal(t, tt.healthy, report.Healthy)
			require.Equal(t, tt.ready, report.Ready)
			require.Equal(t, tt.problems, report.Problems())
		})
	}
}

func TestWriteText(t *testing.T) {
	report := health.Assess("1.2.3", []pipeline.ComponentStatus{degraded, good, starting}, []string{"logs/kernel"})
	var text bytes.Buffer
	require.NoError(t, report.WriteText(&text))
	require.Equal(t, `otelnpd 1.2.3: stalled
pipeline logs/kernel makes no progress

KIND       ID       STATE     SINCE                 REASON                             REMEDY
receiver   kmsg     degraded  2026-01-02T03:04:05Z  open /dev/kmsg: permission denied  run as root
processor  rules    ok        2026-01-02T03:04:05Z                                     
exporter   console  starting  2026-01-02T03:04:05Z                                     
`, text.String())
}

func TestSummary(t *testing.T) {
	for want, report := range map[string]health.Report{
		"otelnpd 1: ok\n":        health.Assess("1", []pipeline.ComponentStatus{good}, nil),
		"otelnpd 1: not ready\n": health.Assess("1", []pipeline.ComponentStatus{starting}, nil),
	} {
		var text bytes.Buffer
		require.NoError(t, report.WriteText(&text))
		require.Contains(t, text.String(), want)
	}
}

func TestTextIsHarmless(t *testing.T) {
	hostile := component(pipeline.KindReceiver, "filelog", pipeline.ComponentDegraded, "open \x1b[2J\n\tname", "\u202e")
	report := health.Assess("1", []pipeline.ComponentStatus{hostile}, nil)
	var text bytes.Buffer
	require.NoError(t, report.WriteText(&text))
	require.Contains(t, text.String(), `open \x1b[2J\n\tname  \u202e`)
	require.Equal(t, []string{`receiver filelog is degraded: open \x1b[2J\n\tname; \u202e`}, report.Problems())
}

func TestJSON(t *testing.T) {
	report := health.Assess("1.2.3", []pipeline.ComponentStatus{degraded}, nil)
	text, err := json.Marshal(report)
	require.NoError(t, err)
	require.JSONEq(t, `{"healthy": true, "ready": false, "version": "1.2.3", "components": [
		{"kind": "receiver", "id": "kmsg", "state": "degraded", "since": "2026-01-02T03:04:05Z",
		 "reason": "open /dev/kmsg: permission denied", "remedy": "run as root"}]}`, string(text))
	var read health.Report
	require.NoError(t, json.Unmarshal(text, &read))
	require.Equal(t, report, read)
}
