package plugin

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// Config is the configuration of a plugin receiver.
type Config struct {
	// Interval is the time between the starts of two runs of a check, 100ms to 8784h.
	Interval time.Duration `yaml:"interval"`
	// Timeout is how long a run may take, 1ms to 24h.
	Timeout time.Duration `yaml:"timeout"`
	// KillGrace is the time between SIGTERM and SIGKILL, at most 1m; 0s: SIGKILL at once.
	KillGrace time.Duration `yaml:"kill_grace"`
	// Concurrency is how many commands run at once, 1 to 1000.
	Concurrency int `yaml:"concurrency"`
	// Spread spreads the first runs over two seconds, and lets later ones begin up to a
	// tenth of the interval late, so that they do not fall together.
	Spread bool `yaml:"spread"`
	// MaxMessage is how many bytes of a command's output a message holds, 0 to 4096.
	MaxMessage int `yaml:"max_message"`
	// Compatibility is empty, or `npd`: commands inherit the agent's environment, their
	// paths may be relative, to /, checks without a condition make an Event at each run
	// that finds a problem, and messages of runs that time out or do not start are those of
	// node-problem-detector.
	Compatibility Compatibility `yaml:"compatibility"`
	// Checks are the commands, and how their verdicts are judged.
	Checks []Check `yaml:"checks"`
}

// Compatibility names an agent whose ways to follow.
type Compatibility string

const compatibleNPD Compatibility = "npd"

// Words are the agents that there are; none is the default.
func (Compatibility) Words() []string { return []string{"", string(compatibleNPD)} }

// Check is a command that is run again and again.
type Check struct {
	// ID is unique among all rules and checks.
	ID string `yaml:"id"`
	// Path of the executable, absolute. No shell is involved.
	Path string `yaml:"path"`
	// Args are the command's arguments.
	Args []string `yaml:"args"`
	// Environment are variables beside PATH, LANG=C and NODE_NAME.
	Environment map[string]string `yaml:"environment"`
	// Interval between the starts of two runs; left out: the receiver's.
	Interval time.Duration `yaml:"interval"`
	// Timeout is how long a run may take; left out: the receiver's.
	Timeout time.Duration `yaml:"timeout"`
	// ExitCodes is `npd` (0 ok, 1 problem, else unknown; the default), or `nagios` (0 ok, 1
	// a problem of severity warn, 2 a problem, else unknown; text behind | is left out).
	ExitCodes ExitCodes `yaml:"exit_codes"`
	// Output is `text` (the default): standard output is the message; or `json`: each
	// line is an object {status, reason, message, instance, metrics}.
	Output Output `yaml:"output"`
	// User is the number of the user to run as; left out: the agent's. It needs root.
	User *int `yaml:"user"`
	// Group is the number of the group to run as, and the only one; left out: the
	// agent's, also with user (of root that is 0).
	Group *int `yaml:"group"`
	// Nice is added to the agent's niceness, 0 to 19.
	Nice int `yaml:"nice"`
	// Limits of all processes of a run together. They need writable cgroups.
	Limits Limits `yaml:"limits"`
	// UnknownIsProblem takes a run that cannot tell for one that tells of a problem.
	UnknownIsProblem bool `yaml:"unknown_is_problem"`
	// UnknownReason is told with an unknown verdict; left out: the reason.
	UnknownReason string `yaml:"unknown_reason"`

	check.Declaration `yaml:",inline"`
}

// ExitCodes says what exit codes mean.
type ExitCodes string

// The meanings that there are.
const (
	exitCodesNPD    ExitCodes = "npd"
	exitCodesNagios ExitCodes = "nagios"
)

// Words are the meanings that there are; none is the default.
func (ExitCodes) Words() []string { return []string{"", string(exitCodesNPD), string(exitCodesNagios)} }

// Output says what standard output is.
type Output string

// The forms of output that there are.
const (
	outputText Output = "text"
	outputJSON Output = "json"
)

// Words are the forms that there are; none is the default.
func (Output) Words() []string { return []string{"", string(outputText), string(outputJSON)} }

// Limits of what the processes of a run may use together; 0: no limit.
type Limits struct {
	// MemoryMiB is how much memory, in MiB. Over it the kernel kills a process of the run.
	MemoryMiB int `yaml:"memory_mib"`
	// CPU is how many processors' time, for example 0.5; at least 0.01.
	CPU float64 `yaml:"cpu"`
	// PIDs is how many processes and threads.
	PIDs int `yaml:"pids"`
}

// The bounds of a configuration.
const (
	minInterval    = 100 * time.Millisecond
	maxInterval    = 366 * 24 * time.Hour
	minTimeout     = time.Millisecond
	maxTimeout     = 24 * time.Hour
	maxKillGrace   = time.Minute
	maxConcurrency = 1000
	maxNice        = 19
	maxMemoryMiB   = 1 << 30
	maxCPU         = 1024
	minCPU         = 0.01
	maxPIDs        = 1 << 22
)

var (
	idPattern       = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/#-]{0,199}$`)
	variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// DefaultConfig has no checks.
func DefaultConfig() *Config {
	return &Config{
		Interval: 30 * time.Second, Timeout: 5 * time.Second, KillGrace: 2 * time.Second,
		Concurrency: 3, Spread: true, MaxMessage: condition.MaxMessageBytes,
	}
}

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	errs := []error{
		pipeline.At("interval", within(c.Interval, minInterval, maxInterval)),
		pipeline.At("timeout", within(c.Timeout, minTimeout, maxTimeout)),
		pipeline.At("kill_grace", within(c.KillGrace, 0, maxKillGrace)),
		pipeline.At("concurrency", within(c.Concurrency, 1, maxConcurrency)),
		pipeline.At("max_message", within(c.MaxMessage, 0, condition.MaxMessageBytes)),
		pipeline.At("compatibility", pipeline.CheckWord(c.Compatibility)),
	}
	seen := map[string]int{}
	for i := range c.Checks {
		one, key := &c.Checks[i], fmt.Sprintf("checks[%d]", i)
		errs = append(errs, pipeline.At(key, one.validate(c)))
		if first, twice := seen[one.ID]; twice && one.ID != "" {
			errs = append(errs, pipeline.At(key+".id", fmt.Errorf("%q is that of checks[%d] too: each check has an id of its own", one.ID, first)))
		}
		seen[one.ID] = i
	}
	return errors.Join(errs...)
}

// within checks a number or time.
func within[T int | float64 | time.Duration](value, least, most T) error {
	if value < least || value > most {
		return fmt.Errorf("%v is out of range: write %v to %v", value, least, most)
	}
	return nil
}

// unless is within for values of which the zero means something else.
func unless[T int | float64 | time.Duration](value, least, most T) error {
	if value == 0 {
		return nil
	}
	return within(value, least, most)
}

func (c *Check) validate(of *Config) error {
	errs := []error{
		c.Declaration.Validate(),
		pipeline.At("id", validateID(c.ID)),
		pipeline.At("path", of.validatePath(c.Path)),
		pipeline.At("interval", unless(c.Interval, minInterval, maxInterval)),
		pipeline.At("timeout", unless(c.Timeout, minTimeout, maxTimeout)),
		pipeline.At("exit_codes", pipeline.CheckWord(c.ExitCodes)),
		pipeline.At("output", pipeline.CheckWord(c.Output)),
		pipeline.At("nice", within(c.Nice, 0, maxNice)),
		pipeline.At("limits", c.Limits.validate()),
		pipeline.At("user", validateNumber(c.User)),
		pipeline.At("group", validateNumber(c.Group)),
	}
	for name := range c.Environment {
		if !variablePattern.MatchString(name) {
			errs = append(errs, pipeline.At("environment", fmt.Errorf("%.200q is no name of a variable: write letters, digits and _", name)))
		}
	}
	if c.UnknownReason != "" {
		errs = append(errs, pipeline.At("unknown_reason", condition.ValidateReason(c.UnknownReason)))
	}
	return errors.Join(errs...)
}

func validateID(id string) error {
	switch {
	case id == "":
		return errors.New("is missing: write a name, for example clock-offset")
	case !idPattern.MatchString(id):
		return fmt.Errorf("%.200q is no id: write letters, digits and any of . _ / # -, at most 200", id)
	}
	return nil
}

func (c *Config) validatePath(path string) error {
	switch {
	case path == "":
		return errors.New("is missing: write the path of an executable, for example /usr/local/bin/check-clock")
	case path[0] != '/' && c.Compatibility != compatibleNPD:
		return fmt.Errorf("%.200q is no absolute path: write for example /usr/local/bin/check-clock", path)
	}
	return nil
}

func validateNumber(id *int) error {
	if id != nil && (*id < 0 || *id >= math.MaxUint32) {
		return fmt.Errorf("%d is out of range: write the number of a user or group, for example 65534", *id)
	}
	return nil
}

func (l *Limits) validate() error {
	return errors.Join(
		pipeline.At("memory_mib", unless(l.MemoryMiB, 1, maxMemoryMiB)),
		pipeline.At("cpu", unless(l.CPU, minCPU, maxCPU)),
		pipeline.At("pids", unless(l.PIDs, 1, maxPIDs)),
	)
}
