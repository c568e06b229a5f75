package npd

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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

// The bounds of receivers/plugin.
const (
	minPluginInterval = 100 * time.Millisecond
	maxPluginInterval = 366 * 24 * time.Hour
	maxPluginTimeout  = 24 * time.Hour
	maxConcurrency    = 1000
)

// plugins is what holds for all rules of a monitor of commands.
type plugins struct {
	interval, timeout   time.Duration
	concurrency, output int
	updateMessage       bool
	skipInitial         bool
}

// command is what a rule of such a monitor runs.
type command struct {
	path              string
	args              []string
	interval, timeout time.Duration // 0: the monitor's
}

// customPluginMonitor reads a file of --config.custom-plugin-monitor.
func customPluginMonitor(root jsonValue) *monitor {
	file, ok := root.object("plugin", "pluginConfig", "source", "metricsReporting", "conditions", "rules")
	if !ok {
		return nil
	}
	m := &monitor{source: root.source, component: file.text("source"), receiver: "plugin"}
	m.origin = cmp.Or(m.component, fileOrigin(root.source))
	if m.component == "" {
		file.at("source").warn("is missing: Events name otelnpd as their component")
	}
	if name := file.text("plugin"); name != "custom" {
		file.at("plugin").fail(`%s is no plugin: write "custom"`, quoted(name))
		return nil
	}
	m.plugins = pluginConfig(file)
	m.conditions = readConditions(file)
	m.rules = &ruleList{metrics: file.boolean("metricsReporting", true)}
	windows := false
	for _, item := range file.list("rules") {
		one, ok := pluginRule(item, m)
		if ok {
			m.rules.rules = append(m.rules.rules, one)
			windows = windows || isWindows(one.command.path)
		}
	}
	switch {
	case windows:
		return unavailable(root, m.origin, windowsUnsupported, m.conditions)
	case m.plugins.concurrency == 0:
		return unavailable(root, m.origin, "concurrency 0 lets no command run", m.conditions)
	}
	return m
}

// pluginConfig reads what holds for all rules.
func pluginConfig(file object) *plugins {
	p := &plugins{interval: defaultPluginInterval, timeout: defaultPluginTimeout, concurrency: defaultConcurrency, output: defaultOutput}
	config := file.at("pluginConfig")
	if !file.has("pluginConfig") {
		return p
	}
	o, ok := config.object("invoke_interval", "timeout", "max_output_length", "concurrency",
		"enable_message_change_based_condition_update", "skip_initial_status")
	if !ok {
		return p
	}
	if p.interval = o.duration("invoke_interval", p.interval, false); p.interval <= 0 {
		o.at("invoke_interval").fail(`%s is no interval: write a time above 0, for example "30s"`, p.interval)
	}
	p.interval = bounded(o.at("invoke_interval"), p.interval, minPluginInterval, maxPluginInterval)
	p.timeout = bounded(o.at("timeout"), o.duration("timeout", p.timeout, false), time.Millisecond, maxPluginTimeout)
	p.concurrency, p.output = concurrency(o), maxOutput(o)
	p.updateMessage = o.boolean("enable_message_change_based_condition_update", false)
	p.skipInitial = o.boolean("skip_initial_status", false)
	return p
}

// bounded returns a time as receivers/plugin takes it.
func bounded(at jsonValue, d, least, most time.Duration) time.Duration {
	taken := max(least, min(d, most))
	if taken != d {
		at.warn("%s is out of range: %s is taken", short(d), short(taken))
	}
	return taken
}

func concurrency(o object) int {
	n := o.integer("concurrency", defaultConcurrency)
	switch {
	case n < 0:
		o.at("concurrency").fail("%d is negative: write how many commands may run at once, for example 3", n)
	case n == 0:
		o.at("concurrency").warn("0 lets no command run: write how many may run at once, for example 3")
	case n > maxConcurrency:
		o.at("concurrency").warn("%d is out of range: %d is taken", n, maxConcurrency)
	}
	return min(n, maxConcurrency)
}

func maxOutput(o object) int {
	n := o.integer("max_output_length", defaultOutput)
	if n < 0 {
		o.at("max_output_length").fail("%d is negative: write how many bytes of the output are kept, for example 80", n)
	}
	if n > maxMessage {
		o.at("max_output_length").warn("%d is more than %d, which is what a message has at most", n, maxMessage)
	}
	return min(n, maxMessage)
}

// pluginRule reads a rule. ok is false where it would act on nothing.
func pluginRule(v jsonValue, m *monitor) (one rule, ok bool) {
	if v.kind == jsonNull {
		v.fail("is null: write a rule {…}, or take it out")
		return rule{}, false
	}
	o, ok := v.object("type", "condition", "reason", "path", "args", "timeout", "invoke_interval")
	if !ok {
		return rule{}, false
	}
	one = rule{at: v, named: o.at("condition"), command: pluginCommand(o, m.plugins)}
	if condition := o.text("condition"); o.text("type") == typePermanent && !lists(m.conditions, typeWord(condition)) {
		o.at("condition").fail("the condition %s is not listed: list it under conditions", quoted(condition))
		return rule{}, false
	}
	if !ruleCondition(o, &one) {
		return rule{}, false
	}
	one.reason = ruleReason(o, o.text("reason"))
	return one, true
}

// pluginCommand reads what a rule runs.
func pluginCommand(o object, p *plugins) *command {
	c := &command{path: o.text("path"), args: o.textList("args")}
	if interval := o.duration("invoke_interval", p.interval, true); interval != p.interval {
		c.interval = bounded(o.at("invoke_interval"), interval, minPluginInterval, maxPluginInterval)
	}
	if timeout := o.duration("timeout", p.timeout, false); timeout > p.timeout {
		o.at("timeout").fail("%s is longer than the %s of pluginConfig.timeout: write at most that, or more there", short(timeout), short(p.timeout))
	} else if timeout != p.timeout {
		c.timeout = bounded(o.at("timeout"), timeout, time.Millisecond, maxPluginTimeout)
	}
	switch {
	case c.path == "":
		o.at("path").fail("is missing: write the path of the command")
	case isWindows(c.path):
	case isMissing(c.path):
		o.at("path").warn("%s does not exist: node-problem-detector does not start without it; here it is unknown what it would find, until it can be run; write the path of the command",
			quoted(c.path))
	}
	return c
}

// isMissing tells whether a path, from / on, is that of nothing.
func isMissing(path string) bool {
	_, err := os.Stat(filepath.Join("/", path))
	return errors.Is(err, fs.ErrNotExist)
}

// lists tells whether a condition is among those of a file.
func lists(conditions []healthy, name string) bool {
	return slices.ContainsFunc(conditions, func(one healthy) bool { return one.name == name })
}
