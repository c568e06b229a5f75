package npd

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"
)

// The defaults of node-problem-detector's pluginConfig.
const (
	defaultPluginTimeout  = 5 * time.Second
	defaultPluginInterval = 30 * time.Second
	defaultConcurrency    = 3
	defaultOutput         = 80
)

// customPluginMonitor checks a file of --config.custom-plugin-monitor. This
// version runs no commands.
func customPluginMonitor(root jsonValue) *monitor {
	file, ok := root.object("plugin", "pluginConfig", "source", "metricsReporting", "conditions", "rules")
	if !ok {
		return nil
	}
	origin := cmp.Or(file.text("source"), fileOrigin(root.source))
	if name := file.text("plugin"); name != "custom" {
		file.at("plugin").fail(`%s is no plugin: write "custom"`, quoted(name))
	}
	file.boolean("metricsReporting", true)
	timeout := pluginConfig(file)
	conditions := readConditions(file)
	windows := false
	for _, item := range file.list("rules") {
		windows = pluginRule(item, conditions, timeout) || windows
	}
	if windows {
		return unavailable(root, origin, windowsUnsupported, conditions)
	}
	return unavailable(root, origin, "commands cannot be run by this version", conditions)
}

// pluginConfig checks what holds for all rules, and returns their longest timeout.
func pluginConfig(file object) time.Duration {
	config := file.at("pluginConfig")
	if !file.has("pluginConfig") {
		return defaultPluginTimeout
	}
	o, ok := config.object("invoke_interval", "timeout", "max_output_length", "concurrency",
		"enable_message_change_based_condition_update", "skip_initial_status")
	if !ok {
		return defaultPluginTimeout
	}
	if interval := o.duration("invoke_interval", defaultPluginInterval, false); interval <= 0 {
		o.at("invoke_interval").fail(`%s is no interval: write a time above 0, for example "30s"`, interval)
	}
	switch n := o.integer("concurrency", defaultConcurrency); {
	case n < 0:
		o.at("concurrency").fail("%d is negative: write how many commands may run at once, for example 3", n)
	case n == 0:
		o.at("concurrency").warn("0 lets no command run: write how many may run at once, for example 3")
	}
	if n := o.integer("max_output_length", defaultOutput); n < 0 {
		o.at("max_output_length").fail("%d is negative: write how many bytes of the output are kept, for example 80", n)
	}
	o.boolean("enable_message_change_based_condition_update", false)
	o.boolean("skip_initial_status", false)
	return o.duration("timeout", defaultPluginTimeout, false)
}

// pluginRule checks a rule; windows tells whether its command is one of Windows.
func pluginRule(v jsonValue, conditions []healthy, limit time.Duration) (windows bool) {
	if v.kind == jsonNull {
		v.fail("is null: write a rule {…}, or take it out")
		return false
	}
	o, ok := v.object("type", "condition", "reason", "path", "args", "timeout", "invoke_interval")
	if !ok {
		return false
	}
	o.text("reason")
	o.textList("args")
	o.duration("invoke_interval", defaultPluginInterval, true)
	if timeout := o.duration("timeout", 0, false); timeout > limit {
		o.at("timeout").fail("%s is longer than the %s of pluginConfig.timeout: write at most that, or more there", short(timeout), short(limit))
	}
	condition := o.text("condition")
	switch kind := o.text("type"); {
	case kind == typePermanent && !lists(conditions, typeWord(condition)):
		o.at("condition").fail("the condition %s is not listed: list it under conditions", quoted(condition))
	case kind != typePermanent && kind != typeTemporary:
		o.at("type").warn("%s is read as permanent, as node-problem-detector does: write temporary or permanent", quoted(kind))
	}
	path := o.text("path")
	if isWindows(path) {
		return true
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		o.at("path").warn("%s does not exist: node-problem-detector does not start without it; write the path of the command", quoted(path))
	}
	return false
}

// lists tells whether a condition is among those of a file.
func lists(conditions []healthy, name string) bool {
	return slices.ContainsFunc(conditions, func(one healthy) bool { return one.name == name })
}
