package npd

import "time"

// The defaults of the Stackdriver exporter.
const (
	defaultExportPeriod     = time.Minute
	defaultMetadataTimeout  = 10 * time.Minute
	defaultMetadataInterval = 10 * time.Second
)

// stackdriverExporter checks the file of --exporter.stackdriver. This version does
// not write to Cloud Monitoring.
func stackdriverExporter(root jsonValue) *monitor {
	file, ok := root.object("exportPeriod", "apiEndpoint", "gceMetadata", "metadataFetchTimeout",
		"metadataFetchInterval", "panicOnMetadataFetchFailure", "customMetricPrefix")
	if !ok {
		return nil
	}
	file.text("apiEndpoint")
	file.text("customMetricPrefix")
	file.boolean("panicOnMetadataFetchFailure", false)
	file.duration("exportPeriod", defaultExportPeriod, true)
	file.duration("metadataFetchTimeout", defaultMetadataTimeout, true)
	file.duration("metadataFetchInterval", defaultMetadataInterval, true)
	if file.has("gceMetadata") {
		if machine, ok := file.at("gceMetadata").object("projectID", "zone", "instanceID", "instanceName"); ok {
			for _, key := range []string{"projectID", "zone", "instanceID", "instanceName"} {
				machine.text(key)
			}
		}
	}
	return unavailable(root, fileOrigin(root.source), "metrics cannot be written to Cloud Monitoring by this version", nil)
}
