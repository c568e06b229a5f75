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

	"github.com/otelnpd/otelnpd/integration/process"
)

// collectorBuilder builds the Collector; its version is that of the Collector.
const collectorBuilder = "go.opentelemetry.io/collector/cmd/builder@v0.161.0"

// Collector is a running OpenTelemetry Collector that takes logs and metrics over
// OTLP and writes them to a file.
type Collector struct {
	// GRPC and HTTP are the addresses of its OTLP receiver.
	GRPC, HTTP string
	// Output holds what it received, a JSON object (TracesData, LogsData,
	// MetricsData) a line, each batch within a tenth of a second.
	Output string
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
  file: {path: '%s', flush_interval: 100ms}
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
	config := filepath.Join(dir, "otelcol.yaml")
	content := fmt.Sprintf(collectorConfig, c.GRPC, c.HTTP, c.Output)
	require.NoError(t, os.WriteFile(config, []byte(content), 0o600))
	p := process.Start(t, "otelcol", exec.Command(filepath.Join(folder, "otelcol"), "--config="+config))
	p.WaitReady(t, func(ctx context.Context) error {
		return errors.Join(connects(ctx, c.GRPC), connects(ctx, c.HTTP))
	})
	return c
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
