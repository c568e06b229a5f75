//go:build !nogooglecloud

package main

import (
	"github.com/otelnpd/otelnpd/exporters/googlecloud"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/telemetry"
)

// hasGoogleCloud tells that this build can write to Cloud Monitoring.
const hasGoogleCloud = true

func googleCloudFactories(source telemetry.Source) []pipeline.ExporterFactory {
	return []pipeline.ExporterFactory{googlecloud.NewFactory(source)}
}
