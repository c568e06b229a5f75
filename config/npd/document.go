package npd

import (
	"slices"
	"strconv"

	yaml "go.yaml.in/yaml/v4"
)

// document writes the configuration.
func (c *converter) document() ([]byte, error) {
	exporters, wiring := c.exporters()
	root := block(
		entry{key: "conditions", value: c.conditions()},
		entry{key: "receivers", value: c.receivers()},
		entry{key: "processors", value: c.processors()},
		entry{key: "exporters", value: exporters},
		entry{key: "service", value: block(
			entry{key: "node", value: optional(c.options.HostnameOverride)},
			entry{key: "host", value: c.host()},
			entry{key: "capabilities", value: c.capabilities()},
			entry{key: "telemetry", value: flow(entry{key: "naming", value: text("npd")})},
			entry{key: "pipelines", value: c.pipelines(wiring)},
		)},
	)
	document := &node{Kind: yaml.DocumentNode, Content: []*node{root}, HeadComment: c.described()}
	return yaml.Dump(document, yaml.WithIndent(2), yaml.WithLineWidth(-1), yaml.WithUnicode(true))
}

// capabilities are what is left of a privileged container's where no command is run that
// may need them: those to read the kernel's log and files of others, and to listen on
// ports like 80. A kubeconfig may name a command for its credentials. The flags decide, so
// that a reload cannot ask for another answer.
func (c *converter) capabilities() *node {
	if len(c.options.CustomPluginMonitors) > 0 || c.options.apiserver.kubeconfig != "" {
		return nil
	}
	return words("DAC_READ_SEARCH", "NET_BIND_SERVICE", "SYSLOG")
}

func (c *converter) conditions() *node {
	var entries []entry
	from := ""
	for _, one := range c.declared {
		file := one.at.source.name
		onUnknown, initial := c.answers(one.name)
		entries = append(entries, entry{key: one.name, comment: changed(&from, file), value: flow(
			entry{key: "healthy", value: flow(
				entry{key: "reason", value: text(one.reason)},
				entry{key: "message", value: optional(one.message)},
			)},
			entry{key: "on_unknown", value: onUnknown},
			entry{key: "initial", value: initial},
		)})
	}
	if len(entries) == 0 {
		return nil
	}
	return block(entries...)
}

// changed returns a comment that names the file where it is not the one named last.
func changed(last *string, file string) string {
	if *last == file {
		return ""
	}
	*last = file
	return shown(file)
}

func (c *converter) receivers() *node {
	var entries []entry
	for _, m := range c.monitors {
		settings := m.settings
		if m.rules != nil && m.plugins != nil {
			settings = c.pluginReceiver(m)
		}
		entries = append(entries, entry{key: m.receiver + "/" + m.name, comment: shown(m.source.name), value: settings})
	}
	return block(entries...)
}

func (c *converter) processors() *node {
	var entries []entry
	for _, m := range c.running() {
		if m.plugins != nil {
			continue
		}
		entries = append(entries, entry{key: "rules/" + m.name, comment: shown(m.source.name), value: m.processor()})
	}
	if len(entries) == 0 {
		return nil
	}
	return block(entries...)
}

func (m *monitor) processor() *node {
	rules := make([]*node, len(m.rules.rules))
	for i := range rules {
		rules[i] = m.rules.node(&m.rules.rules[i])
	}
	return block(
		entry{key: "source", value: optional(m.component)},
		entry{key: "rules", value: list(rules...)},
	)
}

func (l *ruleList) node(one *rule) *node {
	return block(
		entry{key: "id", value: text(one.id)},
		entry{key: "pattern", value: pattern(one.pattern)},
		entry{key: "condition", value: optional(one.condition)},
		entry{key: "reason", value: text(one.reason)},
		entry{key: "metrics_reporting", value: only(l.metrics, true)},
		entry{key: "window", value: flow(
			entry{key: "lines", value: plain(strconv.Itoa(l.lines))},
			entry{key: "suffix", value: optional(one.suffix)},
			entry{key: "keep_space", value: only(l.keepSpace, false)},
		)},
	)
}

// host says where the host's file systems are, where a file does.
func (c *converter) host() *node {
	if c.proc == "" {
		return nil
	}
	return flow(entry{key: "proc", value: text(c.proc)})
}

func (c *converter) pipelines(wiring wiring) *node {
	var entries []entry
	var stats []string
	for _, m := range c.monitors {
		receiver := m.receiver + "/" + m.name
		if m.stats != nil {
			stats = append(stats, receiver)
			continue
		}
		processors := []string{"conditions"}
		if m.rules != nil && m.plugins == nil {
			processors = []string{"dedupe", "rules/" + m.name, "conditions"}
		}
		entries = append(entries, entry{key: "logs/" + m.name, value: block(
			entry{key: "receivers", value: words(receiver)},
			entry{key: "processors", value: words(processors...)},
			entry{key: "exporters", value: words(wiring.logs...)},
		)})
	}
	if len(wiring.metrics) > 0 {
		entries = append(entries, entry{key: "metrics", value: block(
			entry{key: "receivers", value: words(stats...)},
			entry{key: "exporters", value: words(wiring.metrics...)},
		)})
	}
	return block(entries...)
}

// watchesProblems tells whether there is a monitor beside those of figures.
func (c *converter) watchesProblems() bool {
	return slices.ContainsFunc(c.monitors, func(m *monitor) bool { return m.stats == nil })
}
