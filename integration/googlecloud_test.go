package integration

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cloud.google.com/go/monitoring/apiv3/v2/monitoringpb"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/googlecloud/googlecloudtest"
	"github.com/otelnpd/otelnpd/exporters/otlp/otlptest"
	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
)

// google is a cloud, as a machine of it sees it.
type google struct {
	*googlecloudtest.Server
	metadata *googlecloudtest.Metadata
	// authorities is a file with those of the Server.
	authorities string
	// environment is what an agent needs to see no other.
	environment []string
}

func startGoogle(t *testing.T) *google {
	t.Helper()
	authority := otlptest.NewAuthority(t)
	values := googlecloudtest.Instance()
	values["instance/service-accounts/default/token"] = `{"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}`
	values["universe/universe-domain"] = "googleapis.com"
	g := &google{Server: googlecloudtest.StartTLS(t, authority.Server(false)),
		metadata: googlecloudtest.StartMetadata(t, values), authorities: authority.CAFile}
	g.environment = []string{
		"GCE_METADATA_HOST=" + g.metadata.Host, "SSL_CERT_FILE=" + g.authorities, "HOME=" + t.TempDir(),
		"GOOGLE_APPLICATION_CREDENTIALS=", "GOOGLE_CLOUD_PROJECT=", "OTEL_RESOURCE_ATTRIBUTES=", "GOOGLE_API_USE_CLIENT_CERTIFICATE=false",
	}
	return g
}

// stackdriver writes a file of the Stackdriver exporter.
func (g *google) stackdriver(t *testing.T, more string) (flag string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stackdriver.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"apiEndpoint": "`+g.Address+`", "exportPeriod": "5s"`+more+`}`), 0o600))
	return "--exporter.stackdriver=" + path
}

// of returns what was written of a metric type.
func (g *google) of(metricType string) (series []*monitoringpb.TimeSeries) {
	for _, one := range g.Series() {
		if one.GetMetric().GetType() == metricType {
			series = append(series, one)
		}
	}
	return series
}

// guestMetric is a metric of node-problem-detector's, and what it is in Cloud
// Monitoring.
type guestMetric struct{ name, metricType, kind, values string }

func guestMetrics(t *testing.T) (all []guestMetric) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "exporters", "googlecloud", "testdata", "npd.txt"))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); !strings.HasPrefix(line, "#") {
			all = append(all, guestMetric{name: f[0], metricType: f[4], kind: f[5], values: f[6]})
		}
	}
	return all
}

// systemStats writes a system-stats-monitor's file that measures all, each under its own
// name but for the load of five minutes.
func systemStats(t *testing.T) (flag string) {
	t.Helper()
	sections := map[string]map[string]any{}
	for _, one := range guestMetrics(t) {
		section, _, _ := strings.Cut(one.name, "/")
		switch {
		case one.name == "system/os_feature":
			section = "osFeature"
		case section == "system":
			section = "cpu"
		case strings.HasPrefix(section, "problem_"):
			continue
		}
		display := one.name
		if display == "cpu/load_5m" {
			display = "five/minutes"
		}
		if sections[section] == nil {
			sections[section] = map[string]any{}
		}
		sections[section][one.name] = map[string]string{"displayName": display}
	}
	file := map[string]any{"invokeInterval": "1s"}
	for section, metrics := range sections {
		file[section] = map[string]any{"metricsConfigs": metrics, "includeRootBlk": true, "includeAllAttachedBlk": true, "lsblkTimeout": "1s"}
		if section != "disk" {
			file[section] = map[string]any{"metricsConfigs": metrics}
		}
	}
	text, err := json.Marshal(file)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "stats.json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return "--config.system-stats-monitor=" + path
}

// requireGuestMetrics checks that what an agent serves to Prometheus has come to Cloud
// Monitoring as what it is there. renamed are the metrics that it serves under another
// name.
func (g *google) requireGuestMetrics(t *testing.T, served string, renamed map[string]string) {
	t.Helper()
	found := 0
	for _, one := range guestMetrics(t) {
		name := strings.ReplaceAll(one.name, "/", "_")
		if other, ok := renamed[one.name]; ok {
			name = other
		}
		if !strings.Contains(served, "\n"+name+"{") && !strings.Contains(served, "\n"+name+" ") {
			t.Logf("this machine has no %s", one.name)
			continue
		}
		found++
		var series []*monitoringpb.TimeSeries
		require.Eventually(t, func() bool {
			series = g.of(one.metricType)
			return len(series) > 0
		}, patience, tick, one.name) // a counter comes with the second point
		require.Equal(t, one.kind, series[0].GetMetricKind().String(), one.name)
		require.Equal(t, one.values, series[0].GetValueType().String(), one.name)
	}
	require.Greater(t, found, 25)
}

func (g *google) awaitCount(t *testing.T, reason string, want float64) {
	t.Helper()
	require.Eventually(t, func() bool {
		all := g.of("compute.googleapis.com/guest/system/problem_count")
		for _, one := range all {
			if one.GetMetric().GetLabels()["reason"] == reason && googlecloudtest.Number(one.GetPoints()[0]) >= want {
				return true
			}
		}
		return false
	}, 90*time.Second, 100*time.Millisecond, "%s is not told %v times", reason, want)
}

// With node-problem-detector's flags and its file, on a machine of Compute Engine:
// problems come to Cloud Monitoring by a token of the metadata server, over reloads
// and restarts, and nothing is refused.
func TestGoogleCloud(t *testing.T) {
	log := kernellog.Open(t)
	g := startGoogle(t)
	settings := agent.NewSettings(t)
	settings.Environment = g.environment
	flags := []string{
		"--enable-k8s-exporter=false", g.stackdriver(t, ""),
		"--config.system-log-monitor=" + filepath.Join("testdata", "npd", "kernel.json"), systemStats(t),
	}
	a := agent.StartNPD(t, binary, settings, flags...)
	a.WaitReady(t, a.Ready())
	const down = "eth0: NIC Link is Down"
	log.Write(t, down)
	g.awaitCount(t, "NicLinkDown", 1)
	a.Signal(t, syscall.SIGHUP)
	log.Write(t, down)
	g.awaitCount(t, "NicLinkDown", 2)
	g.requireGuestMetrics(t, a.MetricsText(t), map[string]string{"cpu/load_5m": "five_minutes"})
	_, health := agent.Get(t, "http://"+a.Status+"/healthz?verbose")
	require.Contains(t, health, "googlecloud")
	require.NotContains(t, a.Log(), "exporter googlecloud is degraded")
	t.Logf("resident memory: %.0f KiB", a.Sum(t, "process_resident_memory_bytes", nil)/1024)
	a.Signal(t, syscall.SIGTERM)
	require.Zero(t, a.Wait(t, time.Minute))
	before := len(g.Series())
	a = agent.StartNPD(t, binary, settings, flags...)
	a.WaitReady(t, a.Ready())
	require.Eventually(t, func() bool { return len(g.Series()) > before }, 90*time.Second, 100*time.Millisecond)
	a.Signal(t, syscall.SIGTERM)
	require.Zero(t, a.Wait(t, time.Minute))

	require.Empty(t, g.Refused())
	require.Empty(t, g.Others())
	require.Equal(t, []string{"Bearer a-token"}, g.Authorizations())
	for _, one := range g.Series() {
		require.Equal(t, "gce_instance", one.GetResource().GetType())
		require.Equal(t, map[string]string{"project_id": "a-project-1", "zone": "europe-west1-b", "instance_id": "1234567890123456789"}, one.GetResource().GetLabels())
		require.Equal(t, "gke-a-pool-1", one.GetMetric().GetLabels()["instance_name"])
		require.True(t, strings.HasPrefix(one.GetMetric().GetType(), "compute.googleapis.com/guest/") ||
			strings.HasPrefix(one.GetMetric().GetType(), "kubernetes.io/internal/node/guest/"), one.GetMetric().GetType())
	}
}

// panicOnMetadataFetchFailure: the agent ends, and says why.
func TestGoogleCloudWithoutMetadata(t *testing.T) {
	g := startGoogle(t)
	g.metadata.Answer(http.NotFound)
	settings := agent.NewSettings(t)
	settings.Environment = g.environment
	a := agent.StartNPD(t, binary, settings, "--enable-k8s-exporter=false",
		"--config.system-log-monitor="+filepath.Join("testdata", "npd", "kernel.json"),
		g.stackdriver(t, `, "metadataFetchTimeout": "2s", "metadataFetchInterval": "1s", "panicOnMetadataFetchFailure": true`))
	require.Equal(t, 1, a.Wait(t, time.Minute))
	require.Contains(t, a.Log(), "exporter googlecloud: the metadata server has not told for 2s")
	require.Contains(t, a.Log(), "panicOnMetadataFetchFailure")
	require.Empty(t, g.Series())
}
