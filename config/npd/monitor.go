package npd

import (
	"path/filepath"
	"regexp"
	"strings"
)

// monitor is what one JSON file becomes: a receiver, with rules behind it where it
// reads lines.
type monitor struct {
	source *source
	// name is that of its components and pipeline; origin is what it is made of.
	name   string
	origin string
	// component is what Events name as their component, which is NPD's source.
	component string
	// receiver is the receiver's type, settings its keys.
	receiver string
	settings *node
	// rules are those of a monitor that runs; nil: it does not.
	rules *ruleList
	// plugins are set for a monitor whose rules are commands; nil: they match lines.
	plugins *plugins
	// conditions are those of the file, which are told only where it has rules.
	conditions []healthy
	// stats are set for a monitor of figures, which has no rules and stands in the metrics
	// pipeline.
	stats *stats
	// missing says why the monitor does not run; empty: it does.
	missing string
	// exporter is set for a file that is no monitor: the keys of an exporter.
	exporter []entry
}

// ruleList are the rules of a monitor: the configuration of a rules processor, or
// the checks of a plugin receiver.
type ruleList struct {
	lines     int
	keepSpace bool
	metrics   bool
	rules     []rule
}

// rule is a rule of a monitor.
type rule struct {
	at        jsonValue
	id        string
	pattern   string
	condition string // empty: an event
	named     jsonValue
	reason    string
	suffix    string
	command   *command // nil: it matches lines
}

// healthy is a condition as a file lists it: what it says while all is well.
type healthy struct {
	at      jsonValue
	name    string
	reason  string
	message string
}

// reader makes a monitor of a kind of file. What is wrong or odd is told to the
// value's source; the monitor is used only where nothing is wrong.
type reader func(root jsonValue) *monitor

const (
	receiverUnavailable = "unavailable"
	remedyUnavailable   = "take the file off the command line, or leave it to node-problem-detector"
	windowsUnsupported  = "Windows is not supported"
)

// unavailable is a monitor that this version cannot run. Its conditions are left
// out: nobody watches them, and a condition that nobody watches is not healthy.
func unavailable(at jsonValue, origin, reason string, conditions []healthy) *monitor {
	m := &monitor{source: at.source, origin: origin, conditions: conditions}
	m.standStill(reason)
	return m
}

// standStill puts a receiver in place of the monitor's own that reads nothing and
// says why.
func (m *monitor) standStill(reason string) {
	m.missing, m.rules, m.stats, m.receiver = reason, nil, nil, receiverUnavailable
	m.settings = block(
		entry{key: "reason", value: text(shown(m.source.name) + ": " + reason)},
		entry{key: "remedy", value: text(remedyUnavailable)},
	)
}

// fileOrigin names a monitor by its file.
func fileOrigin(s *source) string {
	base := filepath.Base(s.name)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

var windowsPath = regexp.MustCompile(`(?i)^[a-z]:[\\/]|^\\\\|\.(exe|ps1|bat|cmd)$`)

// isWindows tells whether a path is one of Windows.
func isWindows(path string) bool { return windowsPath.MatchString(path) }
