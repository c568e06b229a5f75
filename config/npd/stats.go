package npd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The defaults of a system-stats-monitor.
const (
	defaultStatsInterval = time.Minute
	defaultLsblkTimeout  = 5 * time.Second
)

// The bounds of receivers/hoststats.
const (
	minStatsInterval = time.Second
	maxStatsInterval = 24 * time.Hour
)

const receiverHostStats = "hoststats"

// statsMetrics are the metrics that node-problem-detector knows, by section.
func statsMetrics() map[string][]string {
	prefixed := func(prefix, names string) []string {
		var list []string
		for name := range strings.FieldsSeq(names) {
			list = append(list, prefix+name)
		}
		return list
	}
	return map[string][]string{
		"cpu": append(prefixed("cpu/", "load_1m load_5m load_15m runnable_task_count usage_time"),
			prefixed("system/", "processes_total interrupts_total procs_running procs_blocked cpu_stat")...),
		"disk":   prefixed("disk/", "io_time weighted_io avg_queue_len operation_count merged_operation_count operation_bytes_count operation_time bytes_used percent_used"),
		"host":   {"host/uptime"},
		"memory": prefixed("memory/", "bytes_used percent_used anonymous_used page_cache_used dirty_used unevictable_used"),
		"net": prefixed("net/", "rx_bytes rx_packets rx_errors rx_dropped rx_fifo rx_compressed rx_frame rx_multicast "+
			"tx_bytes tx_packets tx_errors tx_dropped tx_fifo tx_compressed tx_collisions tx_carrier"),
		"osFeature": {"system/os_feature"},
	}
}

// stats are the figures that a file asks for.
type stats struct {
	interval time.Duration
	procPath jsonValue // empty text: it is not set
	// metrics are those that have a displayName, section by section.
	metrics []statsMetric
	devices []string
	exclude string
	modules string
}

// statsMetric is a metric and the name under which it is served.
type statsMetric struct {
	at     jsonValue
	metric string
	name   string
}

// systemStatsMonitor reads a file of --config.system-stats-monitor.
func systemStatsMonitor(root jsonValue) *monitor {
	file, ok := root.object("cpu", "disk", "host", "memory", "net", "osFeature", "invokeInterval", "procPath")
	if !ok {
		return nil
	}
	s := &stats{procPath: file.at("procPath")}
	s.procPath.text = file.text("procPath")
	interval := file.duration("invokeInterval", defaultStatsInterval, true)
	if interval <= 0 {
		file.at("invokeInterval").fail(`%s is no interval: write a time above 0, for example "60s"`, interval)
	}
	s.interval = min(max(interval, minStatsInterval), maxStatsInterval)
	if interval > 0 && s.interval != interval {
		file.at("invokeInterval").warn("%s is out of bounds: figures are read every %s", interval, short(s.interval))
	}
	s.section(file, "cpu")
	s.section(file, "host")
	s.section(file, "memory")
	s.disk(s.section(file, "disk", "includeRootBlk", "includeAllAttachedBlk", "lsblkTimeout"), interval)
	s.net(s.section(file, "net", "excludeInterfaceRegexp"))
	s.osFeature(s.section(file, "osFeature", "knownModulesConfigPath"))
	return &monitor{source: root.source, origin: fileOrigin(root.source), receiver: receiverHostStats, stats: s}
}

// section reads a section and its metrics.
func (s *stats) section(file object, name string, keys ...string) object {
	absent := object{jsonValue: file.at(name)}
	if !file.has(name) {
		return absent
	}
	section, ok := file.at(name).object(append(keys, "metricsConfigs")...)
	if !ok {
		return absent
	}
	metrics, _ := section.get("metricsConfigs", jsonObject, "an object {…}")
	known := statsMetrics()[name]
	for _, member := range metrics.members {
		metric, ok := member.value.object("displayName")
		if !ok {
			continue
		}
		display := metric.text("displayName")
		switch {
		case !slices.Contains(known, member.key):
			member.value.warn("is no metric of %s: %s", name, suggestKey(member.key, known))
		case display == "":
			member.value.warn("has no displayName and is not measured: write {\"displayName\": %s}", quoted(member.key))
		default:
			s.metrics = append(s.metrics, statsMetric{at: member.value, metric: member.key, name: metricWord(member.value, display)})
		}
	}
	return section
}

// metricWording is what OpenTelemetry allows as the name of an instrument.
var metricWording = wording{regexp.MustCompile(`[^A-Za-z0-9_./-]+`), "_", "", "metric_", 255}

// metricWord returns a displayName as it is served, and warns where that is not what is
// written.
func metricWord(at jsonValue, written string) string {
	word := metricWording.word(written)
	if served := servedName(word); slices.Contains([]string{"problem_counter", "problem_gauge", "target_info"}, served) ||
		strings.HasPrefix(served, "otelnpd_") || strings.HasPrefix(served, "process_") || strings.HasPrefix(served, "go_") {
		word = "node_" + word // it is another's
	}
	if word != written {
		at.warn("%s is served as %s: a name is letters, digits and any of _ . / -, at most %d, and no other metric's", quoted(written), word, metricWording.limit)
	}
	return word
}

// servedName is what Prometheus knows a metric by.
func servedName(name string) string {
	return regexp.MustCompile(`[^A-Za-z0-9_:]`).ReplaceAllString(name, "_")
}

func (s *stats) disk(disk object, interval time.Duration) {
	if disk.boolean("includeRootBlk", false) {
		s.devices = append(s.devices, "whole")
	}
	if disk.boolean("includeAllAttachedBlk", false) {
		s.devices = append(s.devices, "mounted")
	}
	timeout := disk.duration("lsblkTimeout", defaultLsblkTimeout, true)
	switch {
	case timeout <= 0:
		disk.at("lsblkTimeout").fail(`%s is no timeout: write a time above 0, for example "5s"`, timeout)
	case timeout > interval && interval > 0:
		disk.at("lsblkTimeout").fail("%s is longer than the invokeInterval of %s: write at most that", short(timeout), short(interval))
	}
}

func (s *stats) net(net object) {
	s.exclude = net.text("excludeInterfaceRegexp")
	if _, err := regexp.Compile(s.exclude); err != nil {
		net.at("excludeInterfaceRegexp").fail("%s", patternFault(s.exclude, err))
	}
}

func (s *stats) osFeature(section object) {
	path := section.text("knownModulesConfigPath")
	if path == "" {
		return
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(section.source.name), path)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		section.at("knownModulesConfigPath").warn("%s does not exist: write the path of a list of modules, from the folder of this file on", quoted(path))
		return
	}
	s.modules = path
}
