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

// Source is where the metrics are.
type Source interface {
	// Gatherer reads them all.
	Gatherer() prometheus.Gatherer
	// InstrumentsOf returns the names of the OpenTelemetry instruments from which a
	// metric of Prometheus is made; a metric of the process has none.
	InstrumentsOf(metric string) []string
}

// NewFactory returns the factory of exporters that serve what source has.
func NewFactory(source Source) pipeline.ExporterFactory {
	return pipeline.ExporterFactory{
		Type:          Type,
		Signals:       pipeline.Logs | pipeline.Metrics,
		DefaultConfig: func() pipeline.Config { return DefaultConfig() },
		Create: func(settings pipeline.Settings, config pipeline.Config) (pipeline.Exporter, error) {
			own, err := pipeline.ConfigAs[*Config](config, pipeline.KindExporter, Type)
			if err != nil {
				return nil, err
			}
			if source == nil {
				return nil, errors.New("there are no metrics to serve")
			}
			return httpserve.NewExporter(settings, own.listen(), newHandler(chosen(source, own.Config), settings))
		},
	}
}
