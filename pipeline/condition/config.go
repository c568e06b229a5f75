package condition

import (
	"time"

	"go.opentelemetry.io/otel/log"
)

// Config is what the store judges by: the declared condition types and every
// rule and check that acts on a condition or makes an event. It is read-only
// once given to a store.
type Config struct {
	// Types are the declared conditions.
	Types []Type
	// Rules are all rules and checks, in file order: the order decides between
	// rules that explain a restored cause equally well.
	Rules []Rule
	// Hash identifies the configuration; transitions that a reload makes take
	// their UID from it.
	Hash string
}

// Declarer is a component's configuration that brings conditions or rules.
type Declarer interface {
	// Declare returns what the component brings. It is called after Validate
	// has found nothing wrong.
	Declare() Declarations
}

// Declarations are the condition types and rules that one component brings.
type Declarations struct {
	Types []Type
	Rules []DeclaredRule
}

// DeclaredRule is a rule and the key of the component's configuration that holds
// it (rules[3]; packs[0] for the rules of a pack), for messages.
type DeclaredRule struct {
	Rule
	Path string
	// Shared marks a rule that every component of a type brings, always the same:
	// it counts once.
	Shared bool
}

// Type declares a node condition.
type Type struct {
	// Name is the condition type, CamelCase.
	Name string
	// HealthyReason and HealthyMessage are shown while no cause holds.
	HealthyReason  string
	HealthyMessage string
	// ProblemIsFalse turns the polarity: status False is the problem (…Ready).
	ProblemIsFalse bool
	// OnUnknown says what an unknown verdict does.
	OnUnknown OnUnknown
	// InitiallyHealthy shows a level that has never spoken as healthy, as NPD
	// does; otherwise it is Unknown.
	InitiallyHealthy bool
	// Clear is the clearing of its rules that set none of their own.
	Clear Clear
	// UpdateMessage lets a repeat of the shown cause change the message.
	UpdateMessage bool
	// Reserved marks a type that belongs to Kubernetes and is never patched.
	Reserved bool
}

// OnUnknown says what an unknown verdict does to a level.
type OnUnknown string

// The answers to an unknown verdict.
const (
	// OnUnknownHold leaves the previous verdict (the default).
	OnUnknownHold OnUnknown = "hold"
	// OnUnknownUnknown replaces it.
	OnUnknownUnknown OnUnknown = "unknown"
)

// Words are the answers that there are; none is the default.
func (OnUnknown) Words() []string {
	return []string{"", string(OnUnknownHold), string(OnUnknownUnknown)}
}

// ClearBy names what ends a cause. The operator always can.
type ClearBy string

// The ways of clearing. The zero value means: as the condition says, and boot
// where that says nothing either.
const (
	ClearByBoot     ClearBy = "boot"
	ClearByLatched  ClearBy = "latched"
	ClearByTTL      ClearBy = "ttl"
	ClearByRecovery ClearBy = "recovery"
	ClearByCheck    ClearBy = "check"
)

// Words are the ways that there are; none is the default.
func (ClearBy) Words() []string {
	return []string{
		"", string(ClearByBoot), string(ClearByLatched), string(ClearByTTL), string(ClearByRecovery), string(ClearByCheck),
	}
}

// Clear says what ends a cause.
type Clear struct {
	By ClearBy
	// TTL is the time on the boot clock from the newest match (ttl).
	TTL time.Duration
	// Check is the id of the check whose ok clears (check).
	Check string
}

// Threshold gathers matches: only the MinOccurrences-th within Window fires.
type Threshold struct {
	// MinOccurrences of 0 or 1 means: every match fires.
	MinOccurrences int
	Window         time.Duration
}

// Rule is what the store needs to know of a rule or check.
type Rule struct {
	// ID is unique over all rules and checks.
	ID string
	// Definition identifies all that the rule's component judges by (a pattern, a
	// schedule): where it differs, the rule has changed.
	Definition string
	// Class of problem, or empty.
	Class string
	// Condition is the type it acts on; empty: it makes events.
	Condition string
	// Reason as shown and counted.
	Reason string
	// Source is the component that Events name.
	Source string
	// Severity of the Events it makes.
	Severity log.Severity
	// Level is set for checks, whose cause holds the last verdict.
	Level bool
	// HasInstances tells whether the rule tells instances apart.
	HasInstances bool
	// InstanceOf finds the instance whose rendered message this is, to explain
	// a condition read back from the Node; nil: the message tells nothing.
	InstanceOf func(message string) (instance string, ok bool)
	// Clear is the rule's own clearing; its zero value: as the condition says.
	Clear Clear
	// Threshold on matches.
	Threshold Threshold
	// For and Until are how long a level must have been bad or good before it
	// turns; FailureThreshold and SuccessThreshold how many verdicts in a row.
	For, Until                         time.Duration
	FailureThreshold, SuccessThreshold int
	// Once lets a level without a condition fire once for each time that it is a
	// problem, not at each verdict that says so.
	Once bool
	// Observe keeps the rule from conditions and Events.
	Observe bool
	// UpdateMessage lets a repeat change the message, as the type's does.
	UpdateMessage bool
	// Unreported leaves the rule out of problem_counter and problem_gauge (NPD's
	// metricsReporting: false).
	Unreported bool
	// Formerly names what the rule was called before.
	Formerly []Former
	// Receivers are the ids of the receivers whose lines reach the rule; empty:
	// all. The timers of its causes stand still while one of them is degraded.
	Receivers []string
}

// Former is an earlier name of a rule or check.
type Former struct {
	// ID is what it had; left out: the same.
	ID string `yaml:"id"`
	// Reason is what it had; left out: the same.
	Reason string `yaml:"reason"`
}
