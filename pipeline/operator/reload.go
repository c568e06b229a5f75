package operator

import "fmt"

// Reloaded is the answer to a request to read the configuration again.
type Reloaded struct {
	// Changed is false when the configuration is the one that runs already.
	Changed bool `json:"changed"`
	// Summary is what is different now.
	Summary Summary `json:"summary,omitzero"`
	// Warnings are what is odd about the configuration, each in words.
	Warnings []string `json:"warnings,omitempty"`
	// Note is for the operator: what is not as it should be, such as a setting that
	// only a restart can change; or empty.
	Note string `json:"note,omitempty"`
}

// Summary is the difference between two configurations. All lists are in the
// order to show.
type Summary struct {
	// RulesAdded, RulesRemoved and RulesChanged are ids of rules.
	RulesAdded   []string `json:"rules_added,omitempty"`
	RulesRemoved []string `json:"rules_removed,omitempty"`
	RulesChanged []string `json:"rules_changed,omitempty"`
	// TypesAdded and TypesDropped are types of conditions.
	TypesAdded   []string `json:"types_added,omitempty"`
	TypesDropped []string `json:"types_dropped,omitempty"`
	// ComponentsStarted, ComponentsReplaced and ComponentsEnded are components by
	// kind and id, such as "exporter kubernetes".
	ComponentsStarted  []string `json:"components_started,omitempty"`
	ComponentsReplaced []string `json:"components_replaced,omitempty"`
	ComponentsEnded    []string `json:"components_ended,omitempty"`
}

// RefuseReload makes ErrReloadRefused of what is wrong with a configuration,
// which has each of its errors on a line.
func RefuseReload(wrong error) error { return fmt.Errorf("%w:\n%w", ErrReloadRefused, wrong) }
