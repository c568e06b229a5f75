package prometheus_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/exporters/prometheus"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// freeEndpoint is an address of loopback that was free just now.
func freeEndpoint(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	return listener.Addr().String()
}

// source is where the metrics are, without OpenTelemetry's names.
type source struct{ gatherer client.Gatherer }

func (s source) Gatherer() client.Gatherer     { return s.gatherer }
func (s source) InstrumentsOf(string) []string { return nil }

func newExporter(t *testing.T, gatherer client.Gatherer, endpoint string, report func(pipeline.Status)) pipeline.Exporter {
	t.Helper()
	settings := pipelinetest.Settings(t, "prometheus")
	if report != nil {
		settings.Report = report
	}
	made, err := prometheus.NewFactory(source{gatherer}).Create(settings, &prometheus.Config{Endpoint: endpoint})
	require.NoError(t, err)
	return made
}

// serve starts an exporter over gatherer and returns where it listens.
func serve(t *testing.T, gatherer client.Gatherer) string {
	t.Helper()
	endpoint := freeEndpoint(t)
	exporter := newExporter(t, gatherer, endpoint, nil)
	require.NoError(t, exporter.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, exporter.Shutdown(context.Background())) })
	return "http://" + endpoint
}

// answer is a response that has been read.
type answer struct {
	code   int
	header http.Header
	body   string
}

func get(t *testing.T, url, accept string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	request.Header.Set("Accept", accept)
	request.Header.Set("Accept-Encoding", "gzip")
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header, string(body)}
}

// realMetrics is the agent's registry with a metric of each family.
func realMetrics(t *testing.T) client.Gatherer {
	t.Helper()
	made, err := telemetry.New(telemetry.Config{Version: "1.2.3", Board: pipeline.NewStatusBoard(pipeline.SystemClock{})})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, made.Shutdown(context.Background())) })
	for name, provider := range map[string]metric.MeterProvider{
		"otelnpd.receiver.accepted_records": made.Meters(), "problem_counter": made.NPDMeters(),
	} {
		counter, err := provider.Meter("test").Int64Counter(name, metric.WithUnit("{record}"))
		require.NoError(t, err)
		counter.Add(t.Context(), 7, metric.WithAttributes(attribute.String("reason", "OOMKilling")))
	}
	return made.Gatherer()
}

// The Accept headers are those of Prometheus 2.42 and 3.x, a browser and curl.
func TestNamesWhateverIsAccepted(t *testing.T) {
	url := serve(t, realMetrics(t))
	for name, accept := range map[string]string{
		"OpenMetrics first": "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		"escaping":          "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
		"OpenMetrics alone": "application/openmetrics-text;version=1.0.0",
		"text":              "text/plain;version=0.0.4",
		"browser":           "text/html,application/xhtml+xml,*/*;q=0.8",
		"none":              "",
	} {
		t.Run(name, func(t *testing.T) {
			response := get(t, url+"/metrics", accept)
			require.Equal(t, http.StatusOK, response.code)
			require.Contains(t, response.header.Get("Content-Type"), "text/plain")
			require.Empty(t, response.header.Get("Content-Encoding"))
			require.Contains(t, response.body, "# TYPE problem_counter counter\nproblem_counter{reason=\"OOMKilling\"} 7\n")
			require.Contains(t, response.body, "# TYPE otelnpd_receiver_accepted_records_total counter\n"+
				"otelnpd_receiver_accepted_records_total{reason=\"OOMKilling\"} 7\n")
			require.NotContains(t, response.body, "# EOF")
		})
	}
}

func TestPages(t *testing.T) {
	url := serve(t, realMetrics(t))
	response := get(t, url+"/", "")
	require.Equal(t, http.StatusOK, response.code)
	require.Contains(t, response.body, `<a href="/metrics">`)
	response = get(t, url+"/other", "")
	require.Equal(t, http.StatusNotFound, response.code)
}

// One series that cannot be made must not hide the others.
func TestPartOfTheMetricsFails(t *testing.T) {
	good := "up"
	url := serve(t, client.GathererFunc(func() ([]*dto.MetricFamily, error) {
		one := 1.0
		return []*dto.MetricFamily{{
			Name: &good, Type: dto.MetricType_GAUGE.Enum(), Metric: []*dto.Metric{{Gauge: &dto.Gauge{Value: &one}}},
		}}, errors.New("another one failed")
	}))
	response := get(t, url+"/metrics", "")
	require.Equal(t, http.StatusOK, response.code)
	require.Contains(t, response.body, "up 1")
}

func TestTakenPortIsDegradedAndTriedAgain(t *testing.T) {
	holder, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	statuses := make(chan pipeline.Status, 100)
	exporter := newExporter(t, realMetrics(t), holder.Addr().String(), func(s pipeline.Status) { statuses <- s })
	require.NoError(t, exporter.Start(t.Context()), "a taken port must not stop the agent")
	degraded := <-statuses
	require.Equal(t, pipeline.ComponentDegraded, degraded.State)
	require.Contains(t, degraded.Reason, "address already in use")
	require.Contains(t, degraded.Remedy, "exporters.prometheus.endpoint")

	require.NoError(t, holder.Close())
	for (<-statuses).State != pipeline.ComponentOK { // the tests' deadline bounds it
	}
	response := get(t, "http://"+holder.Addr().String()+"/metrics", "")
	require.Contains(t, response.body, "problem_counter")
	require.NoError(t, exporter.Shutdown(context.Background()))
}

// A store that hangs must not gather scrapes behind it.
func TestScrapesOfFiguresThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		handler := prometheus.Handler(client.GathererFunc(func() ([]*dto.MetricFamily, error) {
			<-release
			return nil, nil
		}), pipelinetest.Settings(t, "prometheus"))
		start := time.Now()
		codes := make(chan int, 10)
		for range 10 {
			go func() { codes <- ask(handler) }()
		}
		for range 10 {
			require.Equal(t, http.StatusServiceUnavailable, <-codes)
		}
		require.LessOrEqual(t, time.Since(start), 10*time.Second)
		close(release)
	})
}

func ask(handler http.Handler) int {
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return answer.Code
}

func TestContracts(t *testing.T) {
	pipelinetest.CheckExporter(t, pipelinetest.ExporterUnderTest{
		New: func(t *testing.T) pipeline.Exporter {
			t.Helper()
			return newExporter(t, realMetrics(t), "127.0.0.1:0", nil)
		},
		Batches: [][]pipeline.Record{
			pipelinetest.Lines("kmsg", 1, "a line"),
			{pipelinetest.ProblemRecord("kmsg", 2, pipeline.Problem{Rule: "r", Reason: "R", Severity: log.SeverityWarn})},
		},
	})
}

func TestConfig(t *testing.T) {
	config, ok := prometheus.NewFactory(source{client.NewRegistry()}).DefaultConfig().(*prometheus.Config)
	require.True(t, ok)
	require.NoError(t, config.Validate())
	require.Equal(t, "127.0.0.1:20257", config.Endpoint)
	config.Endpoint = "20257"
	require.EqualError(t, config.Validate(), `endpoint: "20257" is no endpoint: write HOST:PORT, for example 127.0.0.1:20257`)
}

func TestFactoryRefuses(t *testing.T) {
	_, err := prometheus.NewFactory(nil).Create(pipelinetest.Settings(t, "prometheus"), prometheus.DefaultConfig())
	require.ErrorContains(t, err, "no metrics")
	_, err = prometheus.NewFactory(source{client.NewRegistry()}).Create(pipelinetest.Settings(t, "prometheus"), nil)
	require.ErrorContains(t, err, "is not for exporter prometheus")
}
