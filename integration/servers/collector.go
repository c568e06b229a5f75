package servers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/otelnpd/otelnpd/integration/process"
)

// collectorBuilder builds the Collector; its version is that of the Collector.
const collectorBuilder = "go.opentelemetry.io/collector/cmd/builder@v0.161.0"

// Collector is an OpenTelemetry Collector that takes logs and metrics over OTLP and
// writes them to a file.
type Collector struct {
	*process.Process

	// GRPC and HTTP are the addresses of its OTLP receiver.
	GRPC, HTTP string
	// Output holds what it received, a JSON object (TracesData, LogsData,
	// MetricsData) a line, each batch within a tenth of a second.
	Output string

	program, config string
}

func collectorRecipe() (*recipe, error) {
	tools, err := toolsDir()
	if err != nil {
		return nil, err
	}
	manifest := filepath.Join(tools, "collector", "builder.yaml")
	key, err := readAll(manifest)
	if err != nil {
		return nil, err
	}
	return &recipe{
		name:     "otelcol",
		key:      append(key, collectorBuilder),
		programs: []string{"otelcol"},
		make: func(ctx context.Context, folder string) error {
			work, err := os.MkdirTemp(folder, "source-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(work)
			env := []string{"CGO_ENABLED=0"}
			progress("building the OpenTelemetry Collector: about a minute")
			err = command(ctx, work, env, "go", "run", collectorBuilder, "--config", manifest, "--skip-compilation")
			if err != nil {
				return err
			}
			return command(ctx, work, env, "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w",
				"-o", filepath.Join(folder, "otelcol"), ".")
		},
	}, nil
}

const collectorConfig = `
receivers:
  otlp: {protocols: {grpc: {endpoint: '%s'}, http: {endpoint: '%s'}}}
exporters:
  file: {path: '%s', flush_interval: 100ms, append: true}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [otlp], exporters: [file]}
    metrics: {receivers: [otlp], exporters: [file]}
`

// StartCollector starts a Collector.
func StartCollector(t testing.TB) *Collector {
	t.Helper()
	folder := getOrSkip(t, collectorRecipe)
	dir := t.TempDir()
	c := &Collector{GRPC: process.FreeAddress(t), HTTP: process.FreeAddress(t), Output: filepath.Join(dir, "received.jsonl")}
	c.program, c.config = filepath.Join(folder, "otelcol"), filepath.Join(dir, "otelcol.yaml")
	content := fmt.Sprintf(collectorConfig, c.GRPC, c.HTTP, c.Output)
	require.NoError(t, os.WriteFile(c.config, []byte(content), 0o600))
	c.Restart(t)
	return c
}

// StartGateway starts a Collector by a configuration of a user's: it takes its
// addresses and the path of its output from GATEWAY_GRPC, GATEWAY_HTTP and
// GATEWAY_OUTPUT.
func StartGateway(t testing.TB, config string) *Collector {
	t.Helper()
	folder := getOrSkip(t, collectorRecipe)
	c := &Collector{GRPC: process.FreeAddress(t), HTTP: process.FreeAddress(t), Output: filepath.Join(t.TempDir(), "received.jsonl")}
	cmd := exec.Command(filepath.Join(folder, "otelcol"), "--config="+config)
	cmd.Env = append(os.Environ(), "GATEWAY_GRPC="+c.GRPC, "GATEWAY_HTTP="+c.HTTP, "GATEWAY_OUTPUT="+c.Output)
	c.Process = process.Start(t, "gateway", cmd)
	c.WaitReady(t, c.connects)
	return c
}

func (c *Collector) connects(ctx context.Context) error {
	return errors.Join(connects(ctx, c.GRPC), connects(ctx, c.HTTP))
}

// Restart starts the Collector again, once it has ended, at the same addresses and
// with the same Output.
func (c *Collector) Restart(t testing.TB) {
	t.Helper()
	c.Process = process.Start(t, "otelcol", exec.Command(c.program, "--config="+c.config))
	c.WaitReady(t, c.connects)
}

func connects(ctx context.Context, address string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Received returns the lines of Output so far, whole ones only.
func (c *Collector) Received() ([]string, error) {
	content, err := os.ReadFile(c.Output)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(content), "\n")
	return lines[:len(lines)-1], nil
}

// Logs returns the log records of Output so far.
func (c *Collector) Logs(t testing.TB) []*logspb.ResourceLogs {
	t.Helper()
	lines, err := c.Received()
	require.NoError(t, err)
	var logs []*logspb.ResourceLogs
	for _, line := range lines {
		batch := &logspb.LogsData{}
		require.NoError(t, protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal([]byte(line), batch), "%s", line)
		logs = append(logs, batch.GetResourceLogs()...)
	}
	return logs
}

// Metrics returns the metrics of Output so far, in the order in which they came.
func (c *Collector) Metrics(t testing.TB) []*metricspb.ResourceMetrics {
	t.Helper()
	lines, err := c.Received()
	require.NoError(t, err)
	var metrics []*metricspb.ResourceMetrics
	for _, line := range lines {
		batch := &metricspb.MetricsData{}
		require.NoError(t, protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal([]byte(line), batch), "%s", line)
		metrics = append(metrics, batch.GetResourceMetrics()...)
	}
	return metrics
}
