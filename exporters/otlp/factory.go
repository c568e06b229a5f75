// Package otlp sends problems and condition transitions, as OTLP log records, and metrics
// to an OpenTelemetry Collector.
package otlp

import (
	"errors"
	"os"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/telemetry"
)

// Type is the exporter's type in the configuration.
const Type = "otlp"

// NewFactory returns the factory of exporters that send records, and what source reads.
func NewFactory(source telemetry.Source) pipeline.ExporterFactory {
	return pipeline.ExporterFactory{
		Type:          Type,
		Signals:       pipeline.Logs | pipeline.Metrics,
		SendsLines:    true,
		DefaultConfig: func() pipeline.Config { return DefaultConfig() },
		Create: func(settings pipeline.Settings, config pipeline.Config) (pipeline.Exporter, error) {
			own, err := pipeline.ConfigAs[*Config](config, pipeline.KindExporter, Type)
			if err != nil {
				return nil, err
			}
			if settings.ExportsMetrics && source == nil {
				return nil, errors.New("there are no metrics to send")
			}
			return newExporter(settings, own, source, os.LookupEnv)
		},
	}
}
