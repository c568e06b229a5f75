package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/exporters/otlp/otlptest"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// oneNode is an API with one Node, of which all is taken.
type oneNode struct{}

func (oneNode) Node(context.Context, string) (*apiserver.Node, error) {
	return &apiserver.Node{UID: "uid-of-the-node"}, nil
}

func (oneNode) PatchConditions(context.Context, apiserver.Patch) (string, error) {
	return "uid-of-the-node", nil
}

func (oneNode) WriteEvent(context.Context, *apiserver.Event) error { return nil }

// What one exporter learns of the Node, the other tells of its metrics.
func TestTheNodeUIDOfOTLP(t *testing.T) {
	t.Setenv("NODE_UID", "")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "")
	server := otlptest.Start(t, nil)
	loaded, err := config.Parse([]byte(`
processors: {rules: {packs: [kernel]}}
receivers: {filelog: {include: [`+filepath.Join(t.TempDir(), "no.log")+`]}}
exporters:
  kubernetes: {}
  otlp: {endpoint: 'http://`+server.GRPC+`', resource: {detectors: []}}
service:
  pipelines:
    logs: {receivers: [filelog], exporters: [kubernetes]}
    metrics: {exporters: [otlp]}
`), "test.yaml", configFactories())
	require.NoError(t, err)
	a, err := newAgent(agentOptions{
		config: loaded, logger: slog.New(slog.DiscardHandler), clock: pipeline.SystemClock{}, node: "node-1",
		console: consoleTarget{writer: &pipelinetest.Output{}}, cluster: oneNode{}, boot: pipeline.Boot{ID: pipelinetest.BootID},
	})
	require.NoError(t, err)
	require.NoError(t, a.start(t.Context()))
	server.WaitFor(t, "metrics", func([]*otlptest.Request) bool { return len(server.Readings()) > 0 })
	require.NoError(t, a.shutdown())
	said := map[string]string{}
	for _, one := range server.Readings()[0].Metrics.GetResourceMetrics()[0].GetResource().GetAttributes() {
		said[one.GetKey()] = one.GetValue().GetStringValue()
	}
	require.Equal(t, "uid-of-the-node", said["k8s.node.uid"])
}
