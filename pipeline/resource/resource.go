// Package resource finds out whose records and metrics an exporter sends: the resource
// of OpenTelemetry.
//
// It is made of four layers, each of which goes before the ones below it: the
// configuration, OTEL_RESOURCE_ATTRIBUTES with OTEL_SERVICE_NAME, the metadata server of
// the cloud, and the host's files with what the agent's environment says of its Pod.
package resource

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkresource "go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// SchemaURL is that of the semantic conventions which the attributes' names are of.
const SchemaURL = semconv.SchemaURL

// patience is how long all that must be asked is waited for, once.
const patience = 3 * time.Second

// Origin finds out a resource, once: one that changed later would begin new series. It is
// safe for concurrent use.
type Origin struct {
	settings pipeline.Settings
	config   Config
	lookup   func(string) (string, bool)
	logger   *slog.Logger

	turn  chan struct{} // holds one token: who has it may look at found
	found *sdkresource.Resource
}

// New returns an Origin that has not looked yet. lookup is os.LookupEnv;
// OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME are read by the SDK, from the process's
// environment.
func New(settings pipeline.Settings, config Config, lookup func(string) (string, bool)) *Origin {
	o := &Origin{settings: settings, config: config, lookup: lookup, logger: settings.Logger, turn: make(chan struct{}, 1)}
	o.turn <- struct{}{}
	return o
}

// Resource returns the resource, with the schema URL of the package. The first call
// reads the host's files and may ask a metadata server, and takes up to three seconds; it
// belongs into the goroutine that sends. What does not answer by then is left out, with a
// warning, and stays left out. Later calls return the same at once. The error is ctx's.
func (o *Origin) Resource(ctx context.Context) (*sdkresource.Resource, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-o.turn:
	}
	defer func() { o.turn <- struct{}{} }()
	if o.found != nil {
		return o.found, nil
	}
	found := o.detect(ctx)
	if ctx.Err() != nil { // it may have been cut short
		return nil, ctx.Err()
	}
	o.found = found
	return found, nil
}

func (o *Origin) detect(ctx context.Context) *sdkresource.Resource {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var node []attribute.KeyValue
	var asked sync.WaitGroup
	asked.Go(func() { node = o.node(ctx) })
	cloud := o.cloud(ctx)
	asked.Wait()
	layers := [][]attribute.KeyValue{
		hostAttributes(o.settings), node, podAttributes(o.lookup), cloud, o.environment(ctx), o.configured(),
	}
	var all []attribute.KeyValue
	for _, layer := range layers {
		for _, one := range layer {
			all = append(all, clean(one))
		}
	}
	return sdkresource.NewWithAttributes(SchemaURL, all...) // of two of a name the last counts
}

// nodePatience is how long the Node's UID is waited for: an API server that is there
// tells it within milliseconds, and one that is away must not hold up what is sent.
const nodePatience = time.Second

// node is what the exporter kubernetes learns of the Node, where there is one.
func (o *Origin) node(ctx context.Context) (a texts) {
	if uid, _ := o.lookup(nodeUIDVariable); uid != "" {
		return nil // it is said already
	}
	ctx, cancel := context.WithTimeout(ctx, nodePatience)
	defer cancel()
	uid, wanted := o.settings.NodeUID.Await(ctx)
	if wanted && uid == "" {
		o.logger.Warn("the Node has not been read yet: the resource is without k8s.node.uid until the next start",
			"remedy", "see why the exporter kubernetes does not reach the API server, or set "+nodeUIDVariable)
	}
	a.add(semconv.K8SNodeUIDKey, cut(uid))
	return a
}

// environment is what OpenTelemetry's own variables say.
func (o *Origin) environment(ctx context.Context) []attribute.KeyValue {
	said, err := sdkresource.New(ctx, sdkresource.WithFromEnv())
	if err != nil {
		o.logger.Warn("a part of an environment variable is left out: OTEL_RESOURCE_ATTRIBUTES: " + err.Error())
	}
	return said.Attributes()
}

func (o *Origin) configured() []attribute.KeyValue {
	var all []attribute.KeyValue
	for key, value := range o.config.Attributes {
		all = append(all, attribute.String(key, value))
	}
	return all
}

// clean makes a text harmless: names and values are of the machine, a server or an
// environment.
func clean(one attribute.KeyValue) attribute.KeyValue {
	key := attribute.Key(terminal.Text(string(one.Key)))
	if one.Value.Type() != attribute.STRING {
		return attribute.KeyValue{Key: key, Value: one.Value}
	}
	return key.String(terminal.Text(one.Value.AsString()))
}

// texts gathers attributes and leaves out empty ones.
type texts []attribute.KeyValue

func (t *texts) add(key attribute.Key, value string) {
	if value != "" {
		*t = append(*t, key.String(value))
	}
}
