package condition

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Declaration is a condition as it stands in YAML, under its type as the key.
type Declaration struct {
	// Healthy is what the condition shows while nothing holds it.
	Healthy HealthyDeclaration `yaml:"healthy"`
	// Polarity is problem_is_true (the default), or problem_is_false for names that say
	// what is good (StorageReady): status False is then the problem.
	Polarity Polarity `yaml:"polarity"`
	// OnUnknown says what a check does that cannot tell: hold (the default) what it
	// said before, or unknown.
	OnUnknown OnUnknown `yaml:"on_unknown"`
	// Initial is what a check shows that has never spoken: unknown (the default) or
	// healthy.
	Initial Initial `yaml:"initial"`
	// Clear says what ends the causes of rules that say nothing themselves.
	Clear ClearDeclaration `yaml:"clear"`
	// UpdateMessage lets a repeat of the shown problem change the message.
	UpdateMessage bool `yaml:"update_message"`
}

// Polarity says which status is the problem.
type Polarity string

const (
	problemIsTrue  Polarity = "problem_is_true"
	problemIsFalse Polarity = "problem_is_false"
)

// Words are the polarities that there are; none is the default.
func (Polarity) Words() []string {
	return []string{"", string(problemIsTrue), string(problemIsFalse)}
}

// Initial says what a check shows that has never spoken.
type Initial string

const (
	initialUnknown Initial = "unknown"
	initialHealthy Initial = "healthy"
)

// Words are what it can show; nothing is the default.
func (Initial) Words() []string {
	return []string{"", string(initialUnknown), string(initialHealthy)}
}

// HealthyDeclaration is the healthy reason and message.
type HealthyDeclaration struct {
	// Reason is a CamelCase word, shown while nothing holds the condition. It is
	// needed.
	Reason string `yaml:"reason"`
	// Message is the text for people beside it.
	Message string `yaml:"message"`
}

// ClearDeclaration says in YAML what ends a cause.
type ClearDeclaration struct {
	// By is what ends a problem: boot (the default), latched, ttl, recovery (in rules
	// only) or check.
	By ClearBy `yaml:"by"`
	// TTL is the time after the newest match, for by: ttl; 1s to 8784h.
	TTL time.Duration `yaml:"ttl"`
	// Pattern is a regular expression in RE2 syntax of the line that tells of the
	// recovery, for by: recovery.
	Pattern string `yaml:"pattern"`
	// Check is the id of the check whose ok ends the problem, for by: check.
	Check string `yaml:"check"`
}

// The reserved condition types: they belong to the kubelet and the cloud
// provider, and nobody else may set them.
var reservedTypes = map[string]bool{
	"Ready": true, "MemoryPressure": true, "DiskPressure": true, "PIDPressure": true, "NetworkUnavailable": true,
}

// IsReserved tells whether a condition type belongs to Kubernetes itself.
func IsReserved(conditionType string) bool { return reservedTypes[conditionType] }

// TypePattern is the regular expression of condition types.
const TypePattern = `^[A-Za-z]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`

var (
	typePattern   = regexp.MustCompile(TypePattern)
	reasonPattern = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`)
)

// MaxMessageBytes is the longest message of a condition or problem. Kubernetes
// itself takes far longer ones; people and dashboards do not.
const MaxMessageBytes = 4096

// The bounds of a ttl: the store's timers wake at most once a second, and what
// holds for more than a year is latched.
const (
	minTTL = time.Second
	maxTTL = 366 * 24 * time.Hour
)

// maxReasonLength is the limit that Kubernetes sets on the reason of an Event.
const maxReasonLength = 128

// ValidateReason checks a reason against what the Kubernetes API calls one: a
// CamelCase word of at most 128 characters.
func ValidateReason(reason string) error {
	switch {
	case reason == "":
		return errors.New("is missing: write a CamelCase word, for example DiskIsFailing")
	case len(reason) > maxReasonLength:
		return fmt.Errorf("has %d characters, at most %d are allowed", len(reason), maxReasonLength)
	case !reasonPattern.MatchString(reason):
		return fmt.Errorf("%q is no reason: write a CamelCase word, for example DiskIsFailing", reason)
	}
	return nil
}

// Validate reports all that is wrong with the declaration of a type, but for a
// reserved name ([IsReserved]), which node-problem-detector's files may have.
func (d *Declaration) Validate(conditionType string) error {
	var errs []error
	add := func(path string, err error) { errs = append(errs, pipeline.At(path, err)) }
	if !typePattern.MatchString(conditionType) {
		errs = append(errs, fmt.Errorf("%q is no condition type: write a CamelCase word of at most 63 characters, for example DiskFailing", conditionType))
	}
	add("healthy.reason", ValidateReason(d.Healthy.Reason))
	if len(d.Healthy.Message) > MaxMessageBytes {
		add("healthy.message", fmt.Errorf("has %d bytes, at most %d are allowed", len(d.Healthy.Message), MaxMessageBytes))
	}
	add("polarity", pipeline.CheckWord(d.Polarity))
	add("on_unknown", pipeline.CheckWord(d.OnUnknown))
	add("initial", pipeline.CheckWord(d.Initial))
	if d.Clear.By == ClearByRecovery {
		add("clear.by", errors.New("recovery needs a pattern: write it in the rule's own clear"))
	} else {
		add("clear", d.Clear.Validate())
	}
	return errors.Join(errs...)
}

// Validate reports all that is wrong with the clearing, but for the pattern,
// which its rule compiles.
func (c *ClearDeclaration) Validate() error {
	errs := []error{pipeline.At("by", pipeline.CheckWord(c.By))}
	belongs := func(key string, set bool, by ClearBy) {
		switch {
		case set && c.By != by:
			errs = append(errs, pipeline.At(key, fmt.Errorf("belongs to by: %s alone", by)))
		case !set && c.By == by:
			errs = append(errs, pipeline.At("by", fmt.Errorf("%s needs the key %s beside it", by, key)))
		}
	}
	belongs("ttl", c.TTL != 0, ClearByTTL)
	belongs("pattern", c.Pattern != "", ClearByRecovery)
	belongs("check", c.Check != "", ClearByCheck)
	if c.TTL != 0 && (c.TTL < minTTL || c.TTL > maxTTL) {
		errs = append(errs, pipeline.At("ttl", fmt.Errorf("%s is out of range: write %s to %s", c.TTL, minTTL, maxTTL)))
	}
	return errors.Join(errs...)
}

// Clear returns what the store judges by.
func (c *ClearDeclaration) Clear() Clear {
	return Clear{By: c.By, TTL: c.TTL, Check: c.Check}
}

// Type returns the declared type.
func (d *Declaration) Type(name string) Type {
	onUnknown := d.OnUnknown
	if onUnknown == "" {
		onUnknown = OnUnknownHold
	}
	return Type{
		Name:             name,
		HealthyReason:    d.Healthy.Reason,
		HealthyMessage:   d.Healthy.Message,
		ProblemIsFalse:   d.Polarity == problemIsFalse,
		OnUnknown:        onUnknown,
		InitiallyHealthy: d.Initial == initialHealthy,
		Clear:            d.Clear.Clear(),
		UpdateMessage:    d.UpdateMessage,
	}
}
