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

// Summary is how the configuration differs from the one before it: names, in the
// order to show.
type Summary struct {
	// Rules are named by their ids.
	RulesAdded   []string `json:"rules_added,omitempty"`
	RulesRemoved []string `json:"rules_removed,omitempty"`
	RulesChanged []string `json:"rules_changed,omitempty"`
	// Conditions are named by their types.
	ConditionsAdded   []string `json:"conditions_added,omitempty"`
	ConditionsRemoved []string `json:"conditions_removed,omitempty"`
	ConditionsChanged []string `json:"conditions_changed,omitempty"`
	// Components are named by kind and id, such as "exporter kubernetes": started,
	// ended, and replaced.
	ComponentsAdded   []string `json:"components_added,omitempty"`
	ComponentsRemoved []string `json:"components_removed,omitempty"`
	ComponentsChanged []string `json:"components_changed,omitempty"`
	// Service are the keys below service that differ.
	Service []string `json:"service,omitempty"`
}

// RefuseReload makes ErrReloadRefused of what is wrong with a configuration,
// which has each of its errors on a line.
func RefuseReload(wrong error) error { return fmt.Errorf("%w:\n%w", ErrReloadRefused, wrong) }
