package npd

import (
	"net"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/npd/guestmetrics"
	"github.com/otelnpd/otelnpd/pipeline/redact"
)

// The defaults of the Stackdriver exporter.
const (
	defaultExportPeriod     = time.Minute
	defaultMetadataTimeout  = 10 * time.Minute
	defaultMetadataInterval = 10 * time.Second
	defaultAPIPort          = "443"
)

// The bounds of exporters/googlecloud.
const (
	minExportPeriod     = 5 * time.Second
	minMetadataInterval = time.Second
)

// exporterGoogleCloud is the exporter that takes the Stackdriver exporter's place.
const exporterGoogleCloud = "googlecloud"

// stackdriverExporter makes an exporter of the file of --exporter.stackdriver.
func stackdriverExporter(root jsonValue) *monitor {
	file, ok := root.object("exportPeriod", "apiEndpoint", "gceMetadata", "metadataFetchTimeout",
		"metadataFetchInterval", "panicOnMetadataFetchFailure", "customMetricPrefix")
	if !ok {
		return nil
	}
	machine := object{jsonValue: file.at("gceMetadata")}
	if file.has("gceMetadata") {
		machine, _ = file.at("gceMetadata").object("projectID", "zone", "instanceID", "instanceName")
	}
	return &monitor{source: root.source, origin: fileOrigin(root.source), exporter: []entry{
		{key: "endpoint", value: optional(apiEndpoint(file))},
		{key: "project", value: optional(machinePart(machine, "projectID", projectPattern))},
		{key: "period", value: plain(short(atLeast(file, "exportPeriod", defaultExportPeriod, minExportPeriod)))},
		{key: "resource", value: flow(
			entry{key: "type", value: text("gce_instance")},
			entry{key: "zone", value: optional(machinePart(machine, "zone", namePattern))},
			entry{key: "instance_id", value: optional(machinePart(machine, "instanceID", numberPattern))},
			entry{key: "instance_name", value: optional(machinePart(machine, "instanceName", namePattern))},
		)},
		{key: "custom_metric_prefix", value: text(metricPrefix(file))},
		// What node-problem-detector does not have it does not write, and some of it
		// would be paid for.
		{key: "exclude", value: words("otelnpd.*", "k8s.*")},
		{key: "metadata", value: flow(
			entry{key: "timeout", value: plain(short(max(file.duration("metadataFetchTimeout", defaultMetadataTimeout, true), 0)))},
			entry{key: "interval", value: plain(short(atLeast(file, "metadataFetchInterval", defaultMetadataInterval, minMetadataInterval)))},
			entry{key: "panic_on_failure", value: only(file.boolean("panicOnMetadataFetchFailure", false), false)},
		)},
	}}
}

// stackdriverLeftOut is for a build without that exporter.
func stackdriverLeftOut(root jsonValue) *monitor {
	m := stackdriverExporter(root)
	if m == nil {
		return nil
	}
	return unavailable(root, m.origin, "metrics cannot be written to Cloud Monitoring by this build", nil)
}

func atLeast(file object, key string, initial, least time.Duration) time.Duration {
	value := file.duration(key, initial, true)
	if value < least {
		file.at(key).warn("%s is too short: %s is taken", value, least)
	}
	return max(value, least)
}

// apiEndpoint is where the API is; empty: where it always is. A port can be left out.
func apiEndpoint(file object) string {
	endpoint := file.text("apiEndpoint")
	if endpoint == "" || endpoint == "monitoring.googleapis.com:"+defaultAPIPort {
		return ""
	}
	host, port, err := net.SplitHostPort(endpoint)
	if err != nil && !strings.ContainsAny(endpoint, ":/ ") {
		return net.JoinHostPort(endpoint, defaultAPIPort)
	}
	if err != nil || !namePattern.MatchString(host) || !numberPattern.MatchString(port) {
		file.at("apiEndpoint").fail("%s is no endpoint: write HOST:PORT, for example \"monitoring.googleapis.com:443\"", quoted(redact.URL(endpoint)))
	}
	return endpoint
}

var (
	projectPattern = regexp.MustCompile(`^([a-z0-9.-]{1,63}:)?[a-z0-9][a-z0-9-]{4,28}[a-z0-9]$`)
	namePattern    = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,253}$`)
	numberPattern  = regexp.MustCompile(`^[0-9]{1,20}$`)
	prefixPattern  = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9_.-]+)*$`)
)

// machinePart is a part of gceMetadata. What cannot be right is left to the metadata
// server: node-problem-detector would write with it, and be refused.
func machinePart(machine object, key string, form *regexp.Regexp) string {
	if !machine.has(key) {
		return ""
	}
	value := machine.text(key)
	if value != "" && !form.MatchString(value) {
		machine.at(key).warn("%s cannot be right: the metadata server is asked", quoted(value))
		return ""
	}
	return value
}

// maxMetricPrefix leaves room for names of metrics.
const maxMetricPrefix = 100

func metricPrefix(file object) string {
	prefix := file.text("customMetricPrefix")
	if prefix == "" {
		return ""
	}
	cleaned := path.Clean(prefix)
	if !prefixPattern.MatchString(cleaned) || len(cleaned) > maxMetricPrefix {
		file.at("customMetricPrefix").warn("%s is no beginning of a metric type: metrics without a type of Google's are not written", quoted(prefix))
		return ""
	}
	return cleaned
}

// googleCloud is the exporter's section. Metrics that were given another name keep the
// types that Google has for them.
func (c *converter) googleCloud() *node {
	entries := slices.Clone(c.cloud.exporter)
	if renamed := c.renamed(); len(renamed) > 0 {
		entries = append(entries, entry{key: "metric_types", value: block(renamed...)})
	}
	return block(entries...)
}

// renamed are the types of metrics that have another name than node-problem-detector's.
// A type is of one metric: the first.
func (c *converter) renamed() (entries []entry) {
	types, taken := guestmetrics.Types(), map[string]bool{}
	for _, one := range c.statsMetrics() {
		kind, known := types[one.metric]
		if !known || taken[kind.Name] || taken[one.name] {
			continue
		}
		taken[kind.Name], taken[one.name] = true, true
		if one.name != one.metric {
			entries = append(entries, entry{key: one.name, value: text(kind.Name)})
		}
	}
	return entries
}

// statsMetrics are the metrics of all files.
func (c *converter) statsMetrics() (all []statsMetric) {
	for _, m := range c.monitors {
		if m.stats != nil {
			all = append(all, m.stats.metrics...)
		}
	}
	return all
}
