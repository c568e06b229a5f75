// Package googlecloud writes the metrics of the node and of the agent to Google Cloud
// Monitoring, as node-problem-detector's Stackdriver exporter does.
package googlecloud

import (
	"errors"
	"os"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/telemetry"
)

// Type is the exporter's type in the configuration.
const Type = "googlecloud"

// NewFactory returns the factory of exporters that write what source has.
func NewFactory(source telemetry.Source) pipeline.ExporterFactory {
	return pipeline.ExporterFactory{
		Type:          Type,
		Signals:       pipeline.Metrics,
		DefaultConfig: func() pipeline.Config { return DefaultConfig() },
		Create: func(settings pipeline.Settings, config pipeline.Config) (pipeline.Exporter, error) {
			own, err := pipeline.ConfigAs[*Config](config, pipeline.KindExporter, Type)
			if err != nil {
				return nil, err
			}
			if source == nil {
				return nil, errors.New("there are no metrics to write")
			}
			return newExporter(settings, own, source.Producer(telemetry.SemConv, telemetry.NPD), os.LookupEnv)
		},
	}
}
