// Package kubernetes tells a cluster of the node's problems: by the conditions of
// its Node and by Events.
package kubernetes

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/nodeconditions"
	"github.com/otelnpd/otelnpd/pipeline"
)

// Type is the exporter's type in the configuration.
const Type = "kubernetes"

// Conditions are the node's conditions, as a condition store holds them.
type Conditions = nodeconditions.Conditions

// API is what is needed of [apiserver.Client], whose methods say what these do.
type API interface {
	nodeconditions.API
	WriteEvent(ctx context.Context, event *corev1.Event) error
	Close()
}

// Option changes what exporters work with.
type Option func(*options)

type options struct{ api API }

// WithAPI makes all exporters use api, whatever their configuration says of the
// API server; nil: each makes a client of its own. It is for simulations.
func WithAPI(api API) Option { return func(o *options) { o.api = api } }

// NewFactory returns the factory of exporters that tell of conditions. The store
// behind them must expect a seed (ExpectSeed of its options) if an exporter writes
// the Node's conditions.
func NewFactory(conditions Conditions, with ...Option) pipeline.ExporterFactory {
	var chosen options
	for _, option := range with {
		option(&chosen)
	}
	return pipeline.ExporterFactory{
		Type:          Type,
		DefaultConfig: func() pipeline.Config { return DefaultConfig() },
		Create: func(settings pipeline.Settings, config pipeline.Config) (pipeline.Exporter, error) {
			own, err := pipeline.ConfigAs[*Config](config, pipeline.KindExporter, Type)
			if err != nil {
				return nil, err
			}
			if conditions == nil {
				return nil, errors.New("there are no conditions to tell of")
			}
			return newExporter(settings, own, conditions, chosen.api)
		},
	}
}
