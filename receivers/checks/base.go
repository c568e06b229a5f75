package checks

import (
	"errors"
	"fmt"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// Base is what can be set for every check. A check measures one figure, or one for
// each part of the node, and holds it against two limits.
type Base struct {
	// Enabled turns the check on.
	Enabled bool `yaml:"enabled"`
	// Interval is the time between two looks, 1s to 24h; 0s: that of the receiver.
	Interval time.Duration `yaml:"interval"`
	// Condition is the condition type that `fail` acts on; empty: it makes an event, once an
	// episode.
	Condition string `yaml:"condition"`
	// Mode is `enforce` (the default), or `observe`: no condition, no Event, no problem on
	// the console, only the agent's own metrics.
	Mode condition.Mode `yaml:"mode"`
	// Warn makes an event, once an episode.
	Warn Limit `yaml:"warn"`
	// Fail turns the condition.
	Fail Limit `yaml:"fail"`
}

// entry is a check in the list of all: its name, what it brings, and how to make
// it. The list is [Config.entries].
type entry struct {
	// name is its key in the configuration; the ids of its rules are made of it.
	name string
	// class of its problems.
	class string
	// unit of its limits.
	unit unit
	// base is what is configured of it, and asks all of it: where that differs, the
	// check has changed.
	base *Base
	asks any
	// brings is the condition type that it has by default; its zero value: none.
	brings condition.Type
	// instances tells that it measures a figure for each of several parts of the node.
	instances bool
	// validate checks the keys that only this check has; nil: it has none.
	validate func() error
	// measures makes what measures, without side effects.
	measures func(*system) measure
}

// healthyType declares the condition that a check brings.
func healthyType(name, reason, message string) condition.Type {
	return condition.Type{Name: name, HealthyReason: reason, HealthyMessage: message, OnUnknown: condition.OnUnknownHold}
}

func (e *entry) check() error {
	b := e.base
	var errs []error
	at := func(key string, err error) { errs = append(errs, pipeline.At(key, err)) }
	if b.Interval != 0 {
		at("interval", validateInterval(b.Interval))
	}
	at("mode", pipeline.CheckWord(b.Mode))
	at("warn", b.Warn.validate(e.unit))
	at("fail", b.Fail.validate(e.unit))
	if b.Warn.set() && b.Fail.set() && b.Warn.Enter > b.Fail.Enter {
		at("warn.enter", fmt.Errorf("%s is more than fail.enter, %s: write less, or 0 for none; left out it has its default", e.unit.text(b.Warn.Enter), e.unit.text(b.Fail.Enter)))
	}
	if b.Enabled && !b.Warn.set() && !b.Fail.set() {
		at("enabled", errors.New("there is no limit to judge by: write warn.enter or fail.enter, or enabled: false"))
	}
	if e.validate != nil {
		errs = append(errs, e.validate())
	}
	return pipeline.At(e.name, errors.Join(errs...))
}

const (
	minInterval = time.Second
	maxInterval = 24 * time.Hour
)

func validateInterval(d time.Duration) error {
	if d < minInterval || d > maxInterval {
		return fmt.Errorf("%s is out of range: write %s to %s", d, minInterval, maxInterval)
	}
	return nil
}

// judged is a limit and the rule that tells of it.
type judged struct {
	limit Limit
	key   string // of the limit in the check's configuration
	rule  condition.Rule
}

// The ids of a check's rules: checks/NAME for fail, checks/NAME/warn for warn. They
// are part of what is kept over a restart.
const (
	rulePrefix = "checks/"
	warnSuffix = "/warn"
)

// limits are those that are set, each with its rule.
func (e *entry) limits() (list []judged) {
	if e.base.Warn.set() {
		rule := check.Declaration{Reason: e.base.Warn.Reason, Severity: "warn", For: e.base.Warn.For}
		list = append(list, e.judged("warn", e.base.Warn, rule, warnSuffix))
	}
	if e.base.Fail.set() {
		rule := check.Declaration{Condition: e.base.Condition, Reason: e.base.Fail.Reason, Severity: "error", For: e.base.Fail.For}
		list = append(list, e.judged("fail", e.base.Fail, rule, ""))
	}
	return list
}

func (e *entry) judged(key string, limit Limit, declared check.Declaration, suffix string) judged {
	declared.Class, declared.Mode = e.class, e.base.Mode
	rule := declared.Rule(rulePrefix+e.name+suffix, e.asks)
	rule.HasInstances = e.instances
	return judged{limit: limit, key: key, rule: rule}
}

// declare returns what the check brings.
func (e *entry) declare() (types []condition.Type, rules []condition.DeclaredRule) {
	for _, one := range e.limits() {
		rules = append(rules, condition.DeclaredRule{Rule: one.rule, Path: e.name})
		if one.rule.Condition != "" && one.rule.Condition == e.brings.Name {
			types = append(types, e.brings)
		}
	}
	return types, rules
}
