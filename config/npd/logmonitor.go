package npd

import (
	"cmp"
	"maps"
	"slices"

	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

const (
	defaultLines = 10
	maxLines     = 1000 // of processors/rules
)

// logPlugin makes the receiver of a log monitor, whose rules and conditions are
// read already.
type logPlugin func(m *monitor, file object)

// logPlugins are the values of plugin.
func logPlugins() map[string]logPlugin {
	return map[string]logPlugin{"kmsg": kmsg, "journald": journald, "filelog": filelog}
}

// systemLogMonitor reads a file of --config.system-log-monitor.
func systemLogMonitor(root jsonValue) *monitor {
	file, ok := root.object("plugin", "pluginConfig", "logPath", "lookback", "delay", "bufferSize", "source",
		"skipList", "metricsReporting", "conditions", "rules")
	if !ok {
		return nil
	}
	m := &monitor{source: root.source, component: file.text("source")}
	m.origin = cmp.Or(m.component, fileOrigin(root.source))
	if m.component == "" {
		file.at("source").warn("is missing: Events name otelnpd as their component")
	}
	m.rules = &ruleList{lines: bufferSize(file), metrics: file.boolean("metricsReporting", true)}
	m.conditions = readConditions(file)
	m.rules.rules = readRules(file)
	file.textList("skipList")
	plugin := pluginOf(file)
	if plugin == nil {
		return nil
	}
	if path := file.text("logPath"); isWindows(path) {
		return unavailable(root, m.origin, windowsUnsupported, m.conditions)
	}
	plugin(m, file)
	return m
}

// pluginOf returns the plugin that the file names; nil: there is none.
func pluginOf(file object) logPlugin {
	plugins := logPlugins()
	known := slices.Collect(maps.Keys(plugins))
	v, ok := file.get("plugin", jsonText, `text like "kmsg"`)
	switch {
	case !file.has("plugin"):
		file.at("plugin").fail("is missing: %s", strictyaml.Suggest("", known))
	case ok && plugins[v.text] == nil:
		v.fail("%s is no plugin: %s", quoted(v.text), strictyaml.Suggest(v.text, known))
	}
	return plugins[v.text]
}

// bufferSize is how many lines a pattern may span.
func bufferSize(file object) int {
	lines := file.integer("bufferSize", 0)
	switch {
	case lines == 0:
		return defaultLines
	case lines < 0:
		file.at("bufferSize").fail("%d is negative: write how many lines a pattern may span, for example 10", lines)
	case lines > maxLines:
		file.at("bufferSize").warn("%d is more than %d lines, which is what a pattern can span at most here", lines, maxLines)
		return maxLines
	}
	return lines
}

// unread warns of keys of pluginConfig that a plugin does not read.
func unread(config map[string]jsonValue, plugin string, known ...string) {
	for _, key := range sortedKeys(config) {
		if !slices.Contains(known, key) {
			config[key].warn("a monitor of %s does not read it: %s", plugin, suggestKey(key, known))
		}
	}
}

// unskipped warns of a skipList where it has no effect.
func unskipped(file object, plugin string) {
	if v, ok := file.get("skipList", jsonList, "a list […]"); ok && len(v.items) > 0 {
		v.warn("has no effect on a monitor of %s: node-problem-detector skips lines of filelog alone", plugin)
	}
}

// textList reads a list of texts.
func (o object) textList(key string) []string {
	var list []string
	for _, item := range o.list(key) {
		if item.kind != jsonText && item.kind != jsonNull {
			item.fail(`want text like "…", not %s`, item.show())
		}
		list = append(list, item.text)
	}
	return list
}
