// Package prometheus serves the agent's metrics to Prometheus.
package prometheus

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/httpserve"
)

// Type is the exporter's type in the configuration.
const Type = "prometheus"

// NewFactory returns the factory of exporters that serve what gatherer reads.
func NewFactory(gatherer prometheus.Gatherer) pipeline.ExporterFactory {
	return pipeline.ExporterFactory{
		Type:          Type,
		DefaultConfig: func() pipeline.Config { return DefaultConfig() },
		Create: func(settings pipeline.Settings, config pipeline.Config) (pipeline.Exporter, error) {
			own, err := pipeline.ConfigAs[*Config](config, pipeline.KindExporter, Type)
			if err != nil {
				return nil, err
			}
			if gatherer == nil {
				return nil, errors.New("there are no metrics to serve")
			}
			return httpserve.NewExporter(settings, own.Endpoint, newHandler(gatherer, settings)), nil
		},
	}
}
