package npd

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// Form is what a conversion is for.
type Form int

const (
	// ForRunning is for the agent itself, which then allows reserved conditions
	// (config.AllowReserved): what node-problem-detector does, it does.
	ForRunning Form = iota
	// ForPrinting is for a file that people go on with: it is without what YAML
	// refuses where node-problem-detector does not.
	ForPrinting
)

// maxYAML is what the configuration takes.
const maxYAML = 1 << 20

// Conversion is a command line of node-problem-detector as YAML.
type Conversion struct {
	// YAML is a configuration file of otelnpd. The same input makes the same bytes.
	YAML []byte
	// Warnings tell what is odd in the files, and what does not run, in the order
	// of the command line.
	Warnings []Warning
	// NotCarried tells what ForPrinting left out that ForRunning has.
	NotCarried []string
}

// Convert reads the files that the command line names. An error of type
// [strictyaml.Errors] tells all that is wrong in all of them.
func (o *Options) Convert(form Form) (*Conversion, error) {
	c := converter{options: o, form: form}
	c.flags()
	errs := c.read()
	if len(errs) > 0 {
		return nil, errs.Sorted()
	}
	return c.finish()
}

// finish makes the configuration of all that was read.
func (c *converter) finish() (*Conversion, error) {
	c.name()
	c.hostStats()
	c.declare()
	yaml, err := c.document()
	if err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	if len(yaml) > maxYAML {
		return nil, fmt.Errorf("the monitors come to %d bytes of YAML, at most %d are taken: spread them over two agents", len(yaml), maxYAML)
	}
	for _, m := range c.files() {
		c.result.Warnings = append(c.result.Warnings, inOrder(m.source.warnings)...)
	}
	c.result.YAML = yaml
	return &c.result, nil
}

// files are all that have been read.
func (c *converter) files() []*monitor {
	if c.cloud == nil {
		return c.monitors
	}
	return append(slices.Clone(c.monitors), c.cloud)
}

// inOrder returns a file's warnings in its order; those of the file as a whole
// come last.
func inOrder(warnings []Warning) []Warning {
	sorted := slices.Clone(warnings)
	slices.SortStableFunc(sorted, func(a, b Warning) int {
		if (a.Line == 0) != (b.Line == 0) {
			return cmp.Compare(b.Line, a.Line)
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(sorted)
}

// converter makes one conversion.
type converter struct {
	options  *Options
	form     Form
	monitors []*monitor
	cloud    *monitor // the file of the Stackdriver exporter; nil: there is none
	declared []healthy
	proc     string // of the host; empty: /proc
	result   Conversion
}

func (c *converter) warn(format string, args ...any) {
	c.result.Warnings = append(c.result.Warnings, Warning{Message: fmt.Sprintf(format, args...)})
}

// flags warns of flags that are odd or have no effect.
func (c *converter) flags() {
	o := c.options
	if len(o.oldSystemLogMonitors) > 0 {
		c.warn("--system-log-monitors: is an old spelling: write --config.system-log-monitor")
	}
	if len(o.oldCustomPluginMonitors) > 0 {
		c.warn("--custom-plugin-monitors: is an old spelling: write --config.custom-plugin-monitor")
	}
	for _, argument := range o.Arguments {
		c.warn("%s: is no flag and has no effect: leave it out", quoted(argument))
	}
	if o.EnableK8sExporter && !o.tellsKubernetes() {
		c.warn("--enable-k8s-exporter: writes nothing with --k8s-exporter-write-events=false and --k8s-exporter-update-node-conditions=false: it is off")
	}
	if o.tellsKubernetes() {
		c.kubernetesFlags()
	}
}

// read reads all files, and returns all that is wrong in them.
func (c *converter) read() strictyaml.Errors {
	o := c.options
	var stackdriver []string
	if o.StackdriverExporter != "" {
		stackdriver = []string{o.StackdriverExporter}
	}
	cloud := stackdriverExporter
	if o.WithoutGoogleCloud {
		cloud = stackdriverLeftOut
	}
	var errs strictyaml.Errors
	for _, kind := range []struct {
		paths []string
		read  reader
	}{
		{o.SystemLogMonitors, systemLogMonitor},
		{o.CustomPluginMonitors, customPluginMonitor},
		{o.SystemStatsMonitors, systemStatsMonitor},
		{stackdriver, cloud},
	} {
		for i, path := range kind.paths {
			if slices.Contains(kind.paths[:i], path) {
				c.warn("%s: is listed twice: what it finds is told twice", shown(path))
			}
			errs = append(errs, c.file(path, kind.read)...)
		}
	}
	return errs
}

// file reads one file.
func (c *converter) file(path string, read reader) strictyaml.Errors {
	s := readSource(path)
	if len(s.errs) > 0 {
		return s.errs
	}
	return c.content(s, read)
}

// content takes the content of a file.
func (c *converter) content(s *source, read reader) strictyaml.Errors {
	root, ok := s.parse()
	if !ok {
		return s.errs
	}
	m := read(root)
	switch {
	case len(s.errs) > 0:
	case m.exporter != nil:
		c.cloud = m
	default:
		c.monitors = append(c.monitors, m)
	}
	return s.errs
}

// name gives every monitor and every rule a name of its own.
func (c *converter) name() {
	monitors, rules := names{}, names{}
	for _, m := range c.monitors {
		m.name = monitors.unique(nameWording.word(m.origin), "-")
		if m.rules == nil {
			continue
		}
		component := nameWording.word(m.origin)
		for i := range m.rules.rules {
			one := &m.rules.rules[i]
			one.id = rules.unique(ruleID(component, one.reason), "#")
		}
	}
}

// described is the text above all.
func (c *converter) described() string {
	lines := []string{
		"# Made of a command line of node-problem-detector and the files that it names.",
		"# Check a change with: otelnpd validate --config FILE",
	}
	return strings.Join(lines, "\n")
}
