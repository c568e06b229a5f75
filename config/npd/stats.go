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

// systemStatsMonitor checks a file of --config.system-stats-monitor. This version
// measures nothing.
func systemStatsMonitor(root jsonValue) *monitor {
	file, ok := root.object("cpu", "disk", "host", "memory", "net", "osFeature", "invokeInterval", "procPath")
	if !ok {
		return nil
	}
	file.text("procPath")
	interval := file.duration("invokeInterval", defaultStatsInterval, true)
	if interval <= 0 {
		file.at("invokeInterval").fail(`%s is no interval: write a time above 0, for example "60s"`, interval)
	}
	statsSection(file, "cpu")
	statsSection(file, "host")
	statsSection(file, "memory")
	diskSection(statsSection(file, "disk", "includeRootBlk", "includeAllAttachedBlk", "lsblkTimeout"), interval)
	netSection(statsSection(file, "net", "excludeInterfaceRegexp"))
	osFeatureSection(statsSection(file, "osFeature", "knownModulesConfigPath"))
	return unavailable(root, fileOrigin(root.source), "figures of the node cannot be measured by this version", nil)
}

// statsSection reads a section and checks its metrics.
func statsSection(file object, name string, keys ...string) object {
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
		if !slices.Contains(known, member.key) {
			member.value.warn("is no metric of %s: %s", name, suggestKey(member.key, known))
		}
		if metric, ok := member.value.object("displayName"); ok && metric.text("displayName") == "" {
			member.value.warn("has no displayName and is not measured: write {\"displayName\": %s}", quoted(member.key))
		}
	}
	return section
}

func diskSection(disk object, interval time.Duration) {
	disk.boolean("includeRootBlk", false)
	disk.boolean("includeAllAttachedBlk", false)
	timeout := disk.duration("lsblkTimeout", defaultLsblkTimeout, true)
	switch {
	case timeout <= 0:
		disk.at("lsblkTimeout").fail(`%s is no timeout: write a time above 0, for example "5s"`, timeout)
	case timeout > interval && interval > 0:
		disk.at("lsblkTimeout").fail("%s is longer than the invokeInterval of %s: write at most that", short(timeout), short(interval))
	}
}

func netSection(net object) {
	exclude := net.text("excludeInterfaceRegexp")
	if _, err := regexp.Compile(exclude); err != nil {
		net.at("excludeInterfaceRegexp").fail("%s", patternFault(exclude, err))
	}
}

func osFeatureSection(section object) {
	path := section.text("knownModulesConfigPath")
	if path == "" {
		return
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(section.source.name), path)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		section.at("knownModulesConfigPath").warn("%s does not exist: write the path of a list of modules, from the folder of this file on", quoted(path))
	}
}
