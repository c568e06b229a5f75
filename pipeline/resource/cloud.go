package resource

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelnpd/otelnpd/pipeline"
)

// detector is one cloud: how a machine of it is known, and how it is asked.
type detector struct {
	cloud Cloud
	// isHere tells whether the machine's DMI tables name the cloud.
	isHere func(pipeline.Host) bool
	// endpoint is the variable that says where else the metadata server is. Where it is
	// set, the server is asked whatever the DMI tables say.
	endpoint string
	ask      func(context.Context, *metadata) ([]attribute.KeyValue, error)
}

func detectors() []detector {
	return []detector{
		{CloudGCP, isGCP, "GCE_METADATA_HOST", askGCP},
		{CloudEC2, isEC2, "AWS_EC2_METADATA_SERVICE_ENDPOINT", askEC2},
		{CloudAzure, isAzure, "AZURE_POD_IDENTITY_AUTHORITY_HOST", askAzure},
	}
}

// cloud asks all metadata servers that there are, at once. The answers come in a fixed
// order.
func (o *Origin) cloud(ctx context.Context) []attribute.KeyValue {
	all := detectors()
	answers := make([][]attribute.KeyValue, len(all))
	var asked sync.WaitGroup
	for i, d := range all {
		server, _ := o.lookup(d.endpoint)
		if !o.isAsked(d, server) {
			continue
		}
		asked.Go(func() { answers[i] = o.answer(ctx, d, server) })
	}
	asked.Wait()
	return slices.Concat(answers...)
}

func (o *Origin) isAsked(d detector, server string) bool {
	if slices.Contains(o.config.Detectors, d.cloud) {
		return true
	}
	return slices.Contains(o.config.Detectors, CloudAuto) && !o.isDisabled(d.cloud) && (server != "" || d.isHere(o.settings.Host))
}

// isDisabled heeds the variable by which AWS's own programs are told not to ask.
func (o *Origin) isDisabled(cloud Cloud) bool {
	disabled, _ := o.lookup("AWS_EC2_METADATA_DISABLED")
	return cloud == CloudEC2 && strings.EqualFold(disabled, "true")
}

func (o *Origin) answer(ctx context.Context, d detector, server string) []attribute.KeyValue {
	m := newMetadata(server)
	defer m.client.CloseIdleConnections()
	answer, err := d.ask(ctx, m)
	if err != nil {
		o.logger.Warn("the cloud's metadata server has not answered all: the resource is without what it did not say until the next start",
			"cloud", d.cloud, "error", err,
			"remedy", "let the agent reach 169.254.169.254 (hostNetwork, or the hop limit of EC2's metadata options), name what is missing under resource.attributes, or turn it off by resource.detectors: []")
	}
	return answer
}

// newMetadata returns a client of a server, HOST, HOST:PORT or a URL; empty: the one
// that all clouds have. Proxies and redirects would lead to another machine.
func newMetadata(server string) *metadata {
	if server == "" {
		server = "169.254.169.254"
	}
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	return &metadata{server: strings.TrimRight(server, "/"), client: &http.Client{
		Transport:     &http.Transport{Proxy: nil, MaxResponseHeaderBytes: 16 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}
