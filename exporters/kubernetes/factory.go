// Package kubernetes tells a cluster of the node's problems: by the conditions of
// its Node and by Events.
package kubernetes

import (
	"errors"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/nodeconditions"
	"github.com/otelnpd/otelnpd/pipeline"
)

// Type is the exporter's type in the configuration.
const Type = "kubernetes"

// Conditions are the node's conditions, as a condition store holds them.
type Conditions = nodeconditions.Conditions

// NewFactory returns the factory of exporters that tell of conditions. The store
// behind them must expect a seed (ExpectSeed of its options) if an exporter writes
// the Node's conditions.
func NewFactory(conditions Conditions) pipeline.ExporterFactory {
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
			return newExporter(settings, own, conditions)
		},
	}
}
