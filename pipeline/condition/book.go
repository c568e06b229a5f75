package condition

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Book is a [Config] made ready to be judged by. It is read-only.
type Book struct {
	types  []*bookType
	byType map[string]*bookType
	rules  []*bookRule
	byRule map[string]*bookRule
	// clearedBy are the rules that each check's ok clears.
	clearedBy map[string][]*bookRule
	hash      string
}

type bookType struct {
	Type
	index int
	// rules act on the condition, in file order; levels are the checks of them.
	rules, levels []*bookRule
	// checks are the ids of all whose ok counts for the type: its levels and the
	// checks that clear its rules.
	checks []string
	// latched tells whether a rule on the type outlives a boot; hasTTL whether
	// one is cleared by a timer.
	latched, hasTTL bool
}

type bookRule struct {
	Rule
	index int
	// on is the type that the rule acts on; nil: it makes events, because it
	// names none or only observes.
	on *bookType
	// clear is the rule's clearing or its condition's, never the zero value.
	clear Clear
}

// NewBook checks what the store relies on and makes the book. The YAML and JSON
// loaders have told the user more precisely before.
func NewBook(config *Config) (*Book, error) {
	b := &Book{
		byType: map[string]*bookType{}, byRule: map[string]*bookRule{},
		clearedBy: map[string][]*bookRule{}, hash: config.Hash,
	}
	var errs []error
	for i := range config.Types {
		errs = append(errs, b.addType(config.Types[i]))
	}
	for i := range config.Rules {
		errs = append(errs, b.addRule(config.Rules[i]))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *Book) addType(declared Type) error {
	if declared.Name == "" {
		return errors.New("a condition type has no name")
	}
	if _, twice := b.byType[declared.Name]; twice {
		return fmt.Errorf("condition type %s is declared twice", declared.Name)
	}
	t := &bookType{Type: declared, index: len(b.types)}
	b.types = append(b.types, t)
	b.byType[t.Name] = t
	return nil
}

func (b *Book) addRule(declared Rule) error {
	if declared.ID == "" {
		return errors.New("a rule has no id")
	}
	if _, twice := b.byRule[declared.ID]; twice {
		return fmt.Errorf("rule %s is declared twice", declared.ID)
	}
	r := &bookRule{Rule: declared, index: len(b.rules), clear: declared.Clear}
	t, known := b.byType[declared.Condition]
	if declared.Condition != "" && !known {
		return fmt.Errorf("rule %s: condition %s is not declared", declared.ID, declared.Condition)
	}
	if r.clear.By == "" && known {
		r.clear = t.Clear
	}
	if r.clear.By == "" {
		r.clear.By = ClearByBoot
	}
	b.rules = append(b.rules, r)
	b.byRule[r.ID] = r
	if known && !declared.Observe {
		b.attach(r, t)
	}
	return nil
}

// attach ties a rule to the type that it acts on.
func (b *Book) attach(r *bookRule, t *bookType) {
	r.on = t
	t.rules = append(t.rules, r)
	if r.Level {
		t.levels = append(t.levels, r)
		t.addCheck(r.ID)
		return
	}
	switch r.clear.By {
	case ClearByLatched:
		t.latched = true
	case ClearByTTL:
		t.hasTTL = true
	case ClearByCheck:
		b.clearedBy[r.clear.Check] = append(b.clearedBy[r.clear.Check], r)
		t.addCheck(r.clear.Check)
	default:
	}
}

func (t *bookType) levelIDs() []string {
	var ids []string
	for _, level := range t.levels {
		ids = append(ids, level.ID)
	}
	return ids
}

func (t *bookType) addCheck(id string) {
	if !slices.Contains(t.checks, id) {
		t.checks = append(t.checks, id)
	}
}

// latched tells whether the rule's causes outlive a boot.
func (r *bookRule) latched() bool { return !r.Level && r.clear.By == ClearByLatched }

// ttl returns how long the rule's causes hold after their newest match; 0 means
// that no timer ends them.
func (r *bookRule) ttl() time.Duration {
	if r.Level || r.clear.By != ClearByTTL {
		return 0
	}
	return r.clear.TTL
}

// updatesMessage tells whether a repeat changes the shown message.
func (r *bookRule) updatesMessage() bool {
	return r.UpdateMessage || (r.on != nil && r.on.UpdateMessage)
}

// hears tells whether a receiver's lines reach the rule: those that it names,
// else those of all that feed the conditions.
func (r *bookRule) hears(receiver string, state *ReceiverState) bool {
	if len(r.Receivers) == 0 {
		return state.Backlog != ""
	}
	return slices.Contains(r.Receivers, receiver)
}
