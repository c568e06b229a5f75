package rules

import (
	"io/fs"
	"path/filepath"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// Config is the configuration of the rules processor: which rules look at each
// line. Packs come first, then Rules; this is the order in which several rules
// that match one line act.
type Config struct {
	// Packs are rule packs: the name of a built-in one (kernel, systemd …), or the path of a file
	// (with a slash, or ending in .yaml), which if it is relative begins at the
	// directory of the configuration file. No pack is taken unasked.
	Packs []string `yaml:"packs"`
	// Disable leaves out rules by id (kernel/ext4-warning) or glob (kernel/gpu-*); *
	// does not go over /.
	Disable []string `yaml:"disable"`
	// Rules are the rules beside those of packs.
	Rules []Rule `yaml:"rules"`
	// Source is the component that Kubernetes Events name, for rules that set none of
	// their own.
	Source string `yaml:"source"`

	dir     string // where relative paths of packs begin; empty: in the working directory
	builtIn fs.FS
	loaded  *ruleSet
}

// Rule says what a line that tells of a problem looks like, and what follows.
type Rule struct {
	// ID is needed and unique over all rules: letters, digits and any of `. _ / # -`. A
	// rule of a pack has the id PACK/ID.
	ID string `yaml:"id"`
	// Class of problem, for example hung-task.
	Class string `yaml:"class"`
	// Pattern is a regular expression in RE2 syntax, found anywhere in one line. It is
	// needed, and may not match the empty text.
	Pattern string `yaml:"pattern"`
	// Where are attributes that the line must have: equal to the value, or matched by
	// it (RE2) where it begins with ~.
	Where map[string]string `yaml:"where"`
	// Condition is the condition type that the rule acts on; empty: it makes events
	// only.
	Condition string `yaml:"condition"`
	// Reason is a CamelCase word for machines. It is needed.
	Reason string `yaml:"reason"`
	// Message is for people. `{group}` stands for a named group of the pattern, `{{`
	// for a brace; at most 4 KiB. Empty: the line itself.
	Message string `yaml:"message"`
	// Instance is the part of the node that the problem is about, with `{group}` as in
	// the message; at most 253 bytes. Empty: the rule tells no instances apart.
	Instance string `yaml:"instance"`
	// Severity of the problem; empty: warn. Kubernetes Events are of type Warning from
	// warn up.
	Severity condition.SeverityWord `yaml:"severity"`
	// Source is the component that Kubernetes Events name; empty: the processor's.
	Source string `yaml:"source"`
	// Threshold makes only several matches within a time count.
	Threshold Threshold `yaml:"threshold"`
	// Clear says what ends the problem; left out: as the condition says. It belongs to
	// rules with a condition.
	Clear condition.ClearDeclaration `yaml:"clear"`
	// UpdateMessage lets a repeat change the condition's message.
	UpdateMessage bool `yaml:"update_message"`
	// Mode is `enforce` (the default), or `observe`: no condition, no Event, no problem on
	// the console, only the agent's own metrics.
	Mode condition.Mode `yaml:"mode"`
	// MetricsReporting is false for a rule that problem_counter and problem_gauge
	// do not count; left out: true.
	MetricsReporting *bool `yaml:"metrics_reporting"`
	// Formerly names what the rule was called before, so that problems it holds
	// are not forgotten.
	Formerly []condition.Former `yaml:"formerly"`
	// Window lets the pattern span lines, as node-problem-detector does.
	Window *Window `yaml:"window"`
	// Tests are lines that prove the pattern; one that refutes it is an error.
	Tests Tests `yaml:"tests"`
}

// Threshold is how many matches within what time fire.
type Threshold struct {
	// MinOccurrences is how many matches it takes, 2 to 1000; 0 or 1: every match
	// counts.
	MinOccurrences int `yaml:"min_occurrences"`
	// Window is the time within which they must come, at most 720h.
	Window time.Duration `yaml:"window"`
}

// Window makes a pattern look at the last lines together, joined by newlines.
// It must then match up to the end of the newest line.
type Window struct {
	// Lines is how many lines are joined, 1 to 1000.
	Lines int `yaml:"lines"`
	// Suffix is added to the message after "; ".
	Suffix string `yaml:"suffix"`
	// KeepSpace leaves white space at both ends of each line in place; it is
	// taken off otherwise.
	KeepSpace bool `yaml:"keep_space"`
}

// Tests are sample lines of a rule. With window, a sample may hold several lines.
type Tests struct {
	// Match are lines that the rule must match.
	Match []string `yaml:"match"`
	// NoMatch are lines that it must not match.
	NoMatch []string `yaml:"no_match"`
}

// DefaultConfig returns a configuration without rules. builtIn holds the
// built-in packs, one file NAME.yaml each; nil: there are none.
func DefaultConfig(builtIn fs.FS) *Config {
	return &Config{Source: condition.DefaultSource, builtIn: builtIn}
}

var (
	_ pipeline.Config    = (*Config)(nil)
	_ condition.Declarer = (*Config)(nil)
)

// Validate reads the packs and reports all that is wrong with them and with the
// rules, each error at its key.
func (c *Config) Validate() error {
	loaded, err := c.load()
	c.loaded = loaded
	return err
}

// ruleSet returns the rules as Validate found them, so that all who ask see the
// same even if a pack's file changes meanwhile.
func (c *Config) ruleSet() (*ruleSet, error) {
	if c.loaded == nil {
		if err := c.Validate(); err != nil {
			return nil, err
		}
	}
	return c.loaded, nil
}

// Declare returns the condition types of the packs and all rules, in file order.
// It returns nothing where Validate reports errors.
func (c *Config) Declare() condition.Declarations {
	set, err := c.ruleSet()
	if err != nil {
		return condition.Declarations{}
	}
	declared := condition.Declarations{Types: set.types}
	for _, rule := range set.rules {
		declared.Rules = append(declared.Rules, condition.DeclaredRule{Rule: rule.declared(), Path: rule.path})
	}
	return declared
}

// RelativeTo makes the relative paths of packs begin at a directory.
func (c *Config) RelativeTo(dir string) { c.dir = dir }

// path is where the pack of a name is that is a path.
func (c *Config) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.dir, name)
}

// Files returns the paths of the packs that are files.
func (c *Config) Files() []string {
	var files []string
	for _, name := range c.Packs {
		if isPath(name) {
			files = append(files, c.path(name))
		}
	}
	return files
}

// Warnings returns what is odd but allowed, once Validate has found no error.
func (c *Config) Warnings() []error {
	set, err := c.ruleSet()
	if err != nil {
		return nil
	}
	return set.warnings()
}
