package status_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/exporters/status"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/health"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var since = time.Date(2026, 1, 2, 3, 4, 5, 678900000, time.UTC)

// node is what the page under test shows.
type node struct {
	conditions []pipeline.Condition
	components []pipeline.ComponentStatus
	stalled    map[time.Duration][]string // by the limit that is asked with
	silences   func() []status.Silence
}

func (n *node) sources() status.Sources {
	return status.Sources{
		Conditions: func() []pipeline.Condition { return n.conditions },
		Components: func() []pipeline.ComponentStatus { return n.components },
		Stalled:    func(limit time.Duration) []string { return n.stalled[limit] },
		Silences:   n.silences,
		Version:    "1.2.3",
	}
}

func component(state pipeline.ComponentState, reason, remedy string) pipeline.ComponentStatus {
	return pipeline.ComponentStatus{
		Status: pipeline.Status{State: state, Reason: reason, Remedy: remedy},
		Kind:   pipeline.KindReceiver, ID: "kmsg", Since: since,
	}
}

// serve starts a page and returns its address.
func serve(t *testing.T, n *node, change func(*status.Config)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	config := status.DefaultConfig()
	config.Endpoint = listener.Addr().String()
	if change != nil {
		change(config)
	}
	require.NoError(t, config.Validate())
	exporter, err := status.NewFactory(n.sources()).Create(pipelinetest.Settings(t, "status"), config)
	require.NoError(t, err)
	require.NoError(t, exporter.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, exporter.Shutdown(context.Background())) })
	return "http://" + config.Endpoint
}

type answer struct {
	code              int
	contentType, body string
}

func ask(t *testing.T, method, url, accept string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	request.Header.Set("Accept", accept)
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header.Get("Content-Type"), string(body)}
}

func get(t *testing.T, url string) answer {
	t.Helper()
	return ask(t, http.MethodGet, url, "")
}

const plain = "text/plain; charset=utf-8"

func TestHealthAndReadiness(t *testing.T) {
	for name, tt := range map[string]struct {
		node           node
		healthz, ready answer
	}{
		"all ok": {
			node{components: []pipeline.ComponentStatus{component(pipeline.ComponentOK, "", "")}},
			answer{200, plain, "ok"}, answer{200, plain, "ok"},
		},
		"starting": {
			node{components: []pipeline.ComponentStatus{component(pipeline.ComponentStarting, "", "")}},
			answer{200, plain, "ok"}, answer{503, plain, "receiver kmsg is starting\n"},
		},
		"degraded: a restart mends nothing": {
			node{components: []pipeline.ComponentStatus{component(pipeline.ComponentDegraded, "permission denied", "run as root")}},
			answer{200, plain, "ok"}, answer{503, plain, "receiver kmsg is degraded: permission denied; run as root\n"},
		},
		"stalled": {
			node{stalled: map[time.Duration][]string{time.Minute: {"logs/kernel"}}},
			answer{503, plain, "pipeline logs/kernel makes no progress\n"}, answer{503, plain, "pipeline logs/kernel makes no progress\n"},
		},
		"slow, but within the limit": {
			node{stalled: map[time.Duration][]string{time.Second: {"logs/kernel"}}},
			answer{200, plain, "ok"}, answer{200, plain, "ok"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, &tt.node, nil)
			require.Equal(t, tt.healthz, get(t, url+"/healthz"))
			require.Equal(t, tt.ready, get(t, url+"/readyz"))
		})
	}
}

func TestStallLimitIsConfigured(t *testing.T) {
	n := &node{stalled: map[time.Duration][]string{5 * time.Second: {"logs/kernel"}}}
	url := serve(t, n, func(c *status.Config) { c.StallLimit = 5 * time.Second })
	require.Equal(t, http.StatusServiceUnavailable, get(t, url+"/healthz").code)
}

func TestVerboseHealth(t *testing.T) {
	n := &node{
		components: []pipeline.ComponentStatus{component(pipeline.ComponentDegraded, "permission denied", "run as root")},
		stalled:    map[time.Duration][]string{time.Minute: {"logs/kernel"}},
	}
	url := serve(t, n, nil)
	text := get(t, url+"/healthz?verbose")
	require.Equal(t, http.StatusServiceUnavailable, text.code)
	require.Equal(t, plain, text.contentType)
	require.Contains(t, text.body, "receiver  kmsg  degraded  2026-01-02T03:04:05Z  permission denied  run as root")

	written := ask(t, http.MethodGet, url+"/healthz?verbose", "application/json")
	require.Equal(t, http.StatusServiceUnavailable, written.code)
	require.Equal(t, "application/json", written.contentType)
	var report health.Report
	require.NoError(t, json.Unmarshal([]byte(written.body), &report))
	require.Equal(t, health.Assess("1.2.3", n.components, []string{"logs/kernel"}), report)
}

func TestSilencesAreShown(t *testing.T) {
	url := serve(t, &node{silences: func() []status.Silence {
		return []status.Silence{{Rule: "kernel/docker-hung", Until: since}, {Rule: "a\x1b[2J", Until: since.In(time.FixedZone("", 3600))}}
	}}, nil)
	text := get(t, url+"/healthz?verbose")
	require.Equal(t, http.StatusOK, text.code)
	require.Contains(t, text.body, "\n\nrule kernel/docker-hung is silenced until 2026-01-02T03:04:05Z\n"+
		`rule a\x1b[2J is silenced until 2026-01-02T03:04:05Z`+"\n")

	written := ask(t, http.MethodGet, url+"/healthz?verbose", "application/json")
	var report struct {
		Healthy  bool             `json:"healthy"`
		Version  string           `json:"version"`
		Silences []status.Silence `json:"silences"`
	}
	require.NoError(t, json.Unmarshal([]byte(written.body), &report))
	require.True(t, report.Healthy)
	require.Equal(t, "1.2.3", report.Version)
	require.Equal(t, status.Silence{Rule: "kernel/docker-hung", Until: since}, report.Silences[0])

	for _, silences := range []func() []status.Silence{nil, func() []status.Silence { return nil }} {
		url := serve(t, &node{silences: silences}, nil)
		require.NotContains(t, get(t, url+"/healthz?verbose").body, "silence")
		require.NotContains(t, ask(t, http.MethodGet, url+"/healthz?verbose", "application/json").body, "silence")
	}
}

func TestConditions(t *testing.T) {
	url := serve(t, &node{conditions: []pipeline.Condition{
		{Type: "KernelDeadlock", Status: pipeline.ConditionTrue, State: pipeline.StateProblem, Reason: "DockerHung",
			Message: "task docker:7 blocked for more than 300 seconds. \"<x>\"\nmore", LastTransitionTime: since},
		{Type: "DiskReady", Status: pipeline.ConditionUnknown, Reason: "NoVerdict", Message: "",
			LastTransitionTime: since.In(time.FixedZone("", 3600))},
	}}, nil)
	got := get(t, url+"/conditions")
	require.Equal(t, answer{http.StatusOK, "application/json",
		`[{"type":"KernelDeadlock","status":"True","transition":"2026-01-02T03:04:05.6789Z","reason":"DockerHung",` +
			`"message":"task docker:7 blocked for more than 300 seconds. \"\u003cx\u003e\"\nmore"},` +
			`{"type":"DiskReady","status":"Unknown","transition":"2026-01-02T04:04:05.6789+01:00","reason":"NoVerdict","message":""}]`,
	}, got, "this is node-problem-detector's shape, to the byte")
}

func TestNoConditions(t *testing.T) {
	url := serve(t, &node{}, nil)
	require.Equal(t, answer{http.StatusOK, "application/json", "null"}, get(t, url+"/conditions"))
}

func TestConditionMessageOfAnyBytes(t *testing.T) {
	url := serve(t, &node{conditions: []pipeline.Condition{{Type: "X", Message: "\xff\x00\u202e"}}}, nil)
	var list []map[string]string
	require.NoError(t, json.Unmarshal([]byte(get(t, url+"/conditions").body), &list))
	require.Equal(t, "\ufffd\x00\u202e", list[0]["message"])
}

func TestProfilesAreServedOnlyIfAskedFor(t *testing.T) {
	without, with := serve(t, &node{}, nil), serve(t, &node{}, func(c *status.Config) { c.Pprof = true })
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=1", "/debug/pprof/symbol", "/debug/pprof/profile?seconds=1", "/debug/pprof/trace?seconds=0.01"} {
		require.Equal(t, http.StatusNotFound, get(t, without+path).code, path)
		require.Equal(t, http.StatusOK, get(t, with+path).code, path)
	}
	require.NotContains(t, get(t, without+"/").body, "pprof")
	require.Contains(t, get(t, with+"/").body, `<a href="/debug/pprof/">`)
}

func TestOtherRequests(t *testing.T) {
	url := serve(t, &node{}, nil)
	require.Contains(t, get(t, url+"/").body, `<a href="/healthz?verbose">`)
	require.Equal(t, http.StatusNotFound, get(t, url+"/nothing").code)
	require.Equal(t, http.StatusMethodNotAllowed, ask(t, http.MethodPost, url+"/healthz", "").code)
	require.Equal(t, answer{http.StatusOK, plain, ""}, ask(t, http.MethodHead, url+"/healthz", ""))
}

func TestTakenPortIsDegraded(t *testing.T) {
	holder, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, holder.Close()) }()
	var statuses pipelinetest.Statuses
	settings := pipelinetest.Settings(t, "status/second")
	settings.Report = statuses.Report
	config := status.DefaultConfig()
	config.Endpoint = holder.Addr().String()
	exporter, err := status.NewFactory((&node{}).sources()).Create(settings, config)
	require.NoError(t, err)
	require.NoError(t, exporter.Start(t.Context()), "a taken port must not stop the agent")
	require.Equal(t, pipeline.ComponentDegraded, statuses.Last().State)
	require.Contains(t, statuses.Last().Remedy, "exporters.status/second.endpoint")
	require.NoError(t, exporter.Shutdown(t.Context()))
}

func TestContracts(t *testing.T) {
	pipelinetest.CheckExporter(t, pipelinetest.ExporterUnderTest{
		New: func(t *testing.T) pipeline.Exporter {
			t.Helper()
			config := status.DefaultConfig()
			config.Endpoint = "127.0.0.1:0"
			exporter, err := status.NewFactory((&node{}).sources()).Create(pipelinetest.Settings(t, "status"), config)
			require.NoError(t, err)
			return exporter
		},
		Batches: [][]pipeline.Record{
			pipelinetest.Lines("kmsg", 1, "a line"),
			{pipelinetest.ProblemRecord("kmsg", 2, pipeline.Problem{Rule: "r", Reason: "R", Severity: log.SeverityWarn})},
		},
	})
}

func TestConfig(t *testing.T) {
	config, ok := status.NewFactory((&node{}).sources()).DefaultConfig().(*status.Config)
	require.True(t, ok)
	require.NoError(t, config.Validate())
	require.Equal(t, &status.Config{Endpoint: "127.0.0.1:20256", StallLimit: time.Minute}, config)
	for name, tt := range map[string]struct {
		config status.Config
		want   string
	}{
		"endpoint": {status.Config{Endpoint: "localhost", StallLimit: time.Second}, `endpoint: "localhost" is no endpoint: write HOST:PORT, for example 127.0.0.1:20257`},
		"both": {status.Config{Endpoint: ":x", StallLimit: 10 * time.Millisecond}, "endpoint: \":x\" has no port between 0 and 65535: write HOST:PORT, for example 127.0.0.1:20257\n" +
			"stall_limit: 10ms is too short: write 1s or more, for example 60s"},
	} {
		t.Run(name, func(t *testing.T) {
			require.EqualError(t, tt.config.Validate(), tt.want)
		})
	}
}

func TestFactoryRefuses(t *testing.T) {
	_, err := status.NewFactory(status.Sources{}).Create(pipelinetest.Settings(t, "status"), status.DefaultConfig())
	require.ErrorContains(t, err, "needs conditions, components and stalled pipelines")
	_, err = status.NewFactory((&node{}).sources()).Create(pipelinetest.Settings(t, "status"), nil)
	require.ErrorContains(t, err, "is not for exporter status")
}
