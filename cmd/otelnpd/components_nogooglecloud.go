//go:build nogooglecloud

package main

import (
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/telemetry"
)

// hasGoogleCloud tells that this build cannot write to Cloud Monitoring.
const hasGoogleCloud = false

func googleCloudFactories(telemetry.Source) []pipeline.ExporterFactory { return nil }
