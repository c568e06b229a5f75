package npd

import (
	"strconv"

	yaml "go.yaml.in/yaml/v4"
)

// document writes the configuration.
func (c *converter) document() ([]byte, error) {
	exporters, ids := c.exporters()
	root := block(
		entry{key: "conditions", value: c.conditions()},
		entry{key: "receivers", value: c.receivers()},
		entry{key: "processors", value: c.processors()},
		entry{key: "exporters", value: exporters},
		entry{key: "service", value: block(
			entry{key: "node", value: optional(c.options.HostnameOverride)},
			entry{key: "pipelines", value: c.pipelines(ids)},
		)},
	)
	document := &node{Kind: yaml.DocumentNode, Content: []*node{root}, HeadComment: c.described()}
	return yaml.Dump(document, yaml.WithIndent(2), yaml.WithLineWidth(-1), yaml.WithUnicode(true))
}

func (c *converter) conditions() *node {
	var entries []entry
	from := ""
	for _, one := range c.declared {
		file := one.at.source.name
		entries = append(entries, entry{key: one.name, comment: changed(&from, file), value: flow(
			entry{key: "healthy", value: flow(
				entry{key: "reason", value: text(one.reason)},
				entry{key: "message", value: optional(one.message)},
			)},
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
		entries = append(entries, entry{key: m.receiver + "/" + m.name, comment: shown(m.source.name), value: m.settings})
	}
	return block(entries...)
}

func (c *converter) processors() *node {
	var entries []entry
	for _, m := range c.running() {
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

func (c *converter) pipelines(exporters []string) *node {
	var entries []entry
	for _, m := range c.monitors {
		processors := []string{"conditions"}
		if m.rules != nil {
			processors = []string{"dedupe", "rules/" + m.name, "conditions"}
		}
		entries = append(entries, entry{key: "logs/" + m.name, value: block(
			entry{key: "receivers", value: words(m.receiver + "/" + m.name)},
			entry{key: "processors", value: words(processors...)},
			entry{key: "exporters", value: words(exporters...)},
		)})
	}
	return block(entries...)
}
