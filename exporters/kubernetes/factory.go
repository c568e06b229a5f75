// Package kubernetes tells a cluster of the node's problems: by the conditions of
// its Node and by Events.
package kubernetes

import (
	"context"
	"errors"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/exporters/kubernetes/nodeconditions"
	"github.com/otelnpd/otelnpd/pipeline"
)

// Type is the exporter's type in the configuration.
const Type = "kubernetes"

// Conditions are the node's conditions, as a condition store holds them.
type Conditions = nodeconditions.Conditions

// API is what the exporter asks of kube-apiserver. [apiserver.Client] says what the
// methods do and which errors they return.
type API interface {
	nodeconditions.API
	WriteEvent(ctx context.Context, event *apiserver.Event) error
}

var _ API = (*apiserver.Client)(nil)

// Option changes exporters in what is not for the configuration to say.
type Option func(*exporter)

// WithAPI makes exporters work with api in place of the server that the
// configuration names: for simulations. No request is then sent or counted, and no
// goroutine is there but the two that every exporter has.
func WithAPI(api API) Option { return func(e *exporter) { e.api = api } }

// NewFactory returns the factory of exporters that tell of conditions. The store
// behind them must expect a seed (ExpectSeed of its options) if an exporter writes
// the Node's conditions.
func NewFactory(conditions Conditions, options ...Option) pipeline.ExporterFactory {
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
			return newExporter(settings, own, conditions, options)
		},
	}
}
