package operator

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// Rule is a rule as an operator sees it.
type Rule struct {
	// ID is the rule's id, such as kernel/task-hung.
	ID string `json:"id"`
	// Condition is the type of the condition it sets; empty: it makes events.
	Condition string `json:"condition,omitempty"`
	// Reason it gives.
	Reason string `json:"reason"`
	// Mode is enforce or observe.
	Mode string `json:"mode"`
	// SilencedSince and SilencedUntil are when the silence began and when it will
	// end; zero: the rule is not silenced.
	SilencedSince time.Time `json:"silenced_since,omitzero"`
	SilencedUntil time.Time `json:"silenced_until,omitzero"`
}

// Silenced is the answer to a request to silence a rule.
type Silenced struct {
	// Rule is the rule's id.
	Rule string `json:"rule"`
	// Until is when the silence ends by itself.
	Until time.Time `json:"until"`
	// Note is for the operator: what is not as it should be; or empty.
	Note string `json:"note,omitempty"`
}

// Unsilenced is the answer to a request to end a silence.
type Unsilenced struct {
	// Rule is the rule's id.
	Rule string `json:"rule"`
	// Silenced tells whether it was silenced until now.
	Silenced bool `json:"silenced"`
	// Note is for the operator: what is not as it should be; or empty.
	Note string `json:"note,omitempty"`
}

// The bounds of a silence. A rule that nobody wants to hear of for longer than a
// month is better disabled in the configuration.
const (
	MinSilence = condition.MinSilenceFor
	MaxSilence = condition.MaxSilenceFor
)

// MaxSilences is how many rules may be silenced at a time.
const MaxSilences = condition.MaxSilences

// ParseSilence reads for how long a rule is to be silenced: a Go duration.
func ParseSilence(text string) (time.Duration, error) {
	if len(text) > maxDuration {
		return 0, errors.New("the duration is too long a text: write one such as 2h or 30m")
	}
	silence, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no duration: write one such as 2h or 30m", text)
	case silence < MinSilence || silence > MaxSilence:
		return 0, fmt.Errorf("%s is out of range: write 1s to 744h (31 days); to be rid of a rule, list it under processors.rules.disable", silence)
	default:
		return silence, nil
	}
}

// maxDuration bounds the text of a duration.
const maxDuration = 64

// maxSuggestions is how many rules are offered instead of one that is not known.
const maxSuggestions = 3

// suggestRules says which rules may be meant by an id that is not known.
func suggestRules(written string, rules []Rule) string {
	var ids, parts []string
	for _, rule := range rules {
		ids = append(ids, rule.ID)
		if strings.Contains(strings.ToLower(rule.ID), strings.ToLower(written)) {
			parts = append(parts, rule.ID)
		}
	}
	nearest, ok := strictyaml.Nearest(written, ids)
	if ok && !slices.Contains(parts, nearest) {
		parts = append([]string{nearest}, parts...)
	}
	if len(parts) == 0 {
		return "otelnpd rules list shows all"
	}
	return "did you mean " + strings.Join(parts[:min(len(parts), maxSuggestions)], " or ") + "?"
}
