package npd

import (
	"os"
	"path/filepath"
	"slices"
)

// hostStats fits the monitors of figures to one another: each metric is told once, and
// by what somebody reads.
func (c *converter) hostStats() {
	served := map[string]*monitor{}
	for _, m := range c.monitors {
		if m.stats == nil {
			continue
		}
		named := len(m.stats.metrics) > 0
		m.stats.metrics = m.untaken(served)
		switch {
		case named && len(m.stats.metrics) == 0:
			m.standStill("all metrics in it are served already")
		case !named:
			m.standStill("no metric in it has a displayName")
		case !c.options.servesMetrics():
			m.standStill("nobody reads its figures with --prometheus-port=0")
		default:
			c.procPath(m.stats)
			m.settings = m.stats.settings()
		}
	}
}

// untaken are the metrics of a monitor whose names are not served yet.
func (m *monitor) untaken(served map[string]*monitor) (metrics []statsMetric) {
	for _, one := range m.stats.metrics {
		name := servedName(one.name)
		if first, taken := served[name]; taken {
			one.at.warn("%s is served already, by %s: that one counts", one.name, shown(first.source.name))
			continue
		}
		served[name] = m
		metrics = append(metrics, one)
	}
	return metrics
}

// procPath takes the host's /proc, of which there is one for the whole agent.
func (c *converter) procPath(s *stats) {
	path := s.procPath.text
	switch {
	case path == "" || filepath.Clean(path) == "/proc" || filepath.Clean(path) == c.proc:
	case c.proc != "":
		s.procPath.warn("another file has %s, which the whole agent reads: this one has no effect", quoted(c.proc))
	case !isProc(path):
		s.procPath.warn("%s is no absolute path of a proc file system: /proc is read", quoted(path))
	default:
		c.proc = filepath.Clean(path)
	}
}

// isProc tells whether the agent finds there what it needs to start.
func isProc(path string) bool {
	_, err := os.Stat(filepath.Join(path, "sys/kernel/random/boot_id"))
	return filepath.IsAbs(path) && err == nil
}

// groups are those groups of receivers/hoststats, that are on. Two metrics
// of the section disk are of a group of their own.
func (s *stats) groups() map[string]bool {
	on := map[string]bool{}
	sections := map[string]string{"cpu": "cpu", "disk": "disk", "host": "uptime", "memory": "memory", "net": "network", "osFeature": "os_features"}
	for section, metrics := range statsMetrics() {
		for _, one := range s.metrics {
			switch {
			case !slices.Contains(metrics, one.metric):
			case one.metric == "disk/bytes_used" || one.metric == "disk/percent_used":
				on["filesystem"] = true
			default:
				on[sections[section]] = true
			}
		}
	}
	return on
}

// settings are those of the receiver.
func (s *stats) settings() *node {
	on := s.groups()
	group := func(name string, more ...entry) entry {
		if !on[name] {
			return entry{key: name, value: flow(entry{key: "enabled", value: boolean(false)})}
		}
		if len(more) == 0 {
			return entry{key: name}
		}
		return entry{key: name, value: flow(more...)}
	}
	exclude := words()
	if s.exclude != "" {
		exclude = words("~" + s.exclude)
	}
	return block(
		entry{key: "interval", value: plain(short(s.interval))},
		group("cpu"), group("memory"), group("paging"),
		group("disk", entry{key: "devices", value: words(s.devices...)}),
		group("filesystem"),
		group("network", entry{key: "exclude", value: exclude}),
		group("processes"), group("uptime"),
		group("os_features", entry{key: "known_modules", value: optional(s.modules)}),
		entry{key: "npd", value: s.names()},
	)
}

// names are the metrics, and the names that are not their own.
func (s *stats) names() *node {
	var metrics []*node
	var names []entry
	for _, one := range s.metrics {
		metrics = append(metrics, text(one.metric))
		if one.name != one.metric {
			names = append(names, entry{key: one.metric, value: text(one.name)})
		}
	}
	if len(names) == 0 {
		return block(entry{key: "metrics", value: list(metrics...)})
	}
	return block(entry{key: "metrics", value: list(metrics...)}, entry{key: "names", value: block(names...)})
}
