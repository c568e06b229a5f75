package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// Difference tells how a configuration differs from the one before it: names, in
// order. The zero value: it does not.
type Difference struct {
	// Rules are named by their ids.
	RulesAdded, RulesRemoved, RulesChanged []string
	// Conditions are named by their types.
	ConditionsAdded, ConditionsRemoved, ConditionsChanged []string
	// Components are named by kind and id (receiver kmsg), pipelines likewise
	// (pipeline logs).
	ComponentsAdded, ComponentsRemoved, ComponentsChanged []string
	// Service are the keys below service that differ.
	Service []string
}

// Compare tells how after differs from before.
func Compare(before, after *Config) Difference {
	var d Difference
	d.RulesAdded, d.RulesRemoved, d.RulesChanged = compare(rulesOf(before), rulesOf(after))
	d.ConditionsAdded, d.ConditionsRemoved, d.ConditionsChanged = compare(typesOf(before), typesOf(after))
	d.ComponentsAdded, d.ComponentsRemoved, d.ComponentsChanged = compare(before.parts(), after.parts())
	_, _, d.Service = compare(before.Service.keys(), after.Service.keys())
	return d
}

// Empty tells whether nothing differs.
func (d *Difference) Empty() bool { return reflect.ValueOf(*d).IsZero() }

// compare tells which names only the second has, only the first has, and for which
// they have something else.
func compare[V any](before, after map[string]V) (added, removed, changed []string) {
	for _, name := range slices.Sorted(maps.Keys(after)) {
		old, known := before[name]
		switch {
		case !known:
			added = append(added, name)
		case !reflect.DeepEqual(old, after[name]):
			changed = append(changed, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, kept := after[name]; !kept {
			removed = append(removed, name)
		}
	}
	return added, removed, changed
}

func rulesOf(c *Config) map[string]condition.Rule {
	rules := map[string]condition.Rule{}
	for _, rule := range c.Conditions.Rules {
		rule.InstanceOf = nil // follows from its definition
		rules[rule.ID] = rule
	}
	return rules
}

func typesOf(c *Config) map[string]condition.Type {
	types := map[string]condition.Type{}
	for _, one := range c.Conditions.Types {
		types[one.Name] = one
	}
	return types
}

// parts are the components and pipelines by their names. A component whose
// difference is that of its rules or conditions alone does not count: those are
// told by themselves.
func (c *Config) parts() map[string]any {
	parts := map[string]any{}
	add := func(kind string, configs map[pipeline.ID]pipeline.Config) {
		for id, config := range configs {
			if _, brings := config.(condition.Declarer); brings && kind == pipeline.KindProcessor {
				config = nil
			}
			parts[kind+" "+id.String()] = config
		}
	}
	add(pipeline.KindReceiver, c.Graph.Receivers)
	add(pipeline.KindProcessor, c.Graph.Processors)
	add(pipeline.KindExporter, c.Graph.Exporters)
	for _, wired := range c.Graph.Pipelines {
		parts["pipeline "+wired.ID.String()] = wired
	}
	return parts
}

// keys are the values by their keys in the file.
func (s *Service) keys() map[string]any {
	return map[string]any{
		"host": s.Host, "node": s.Node, "socket": s.Socket, "state_dir": s.StateDir,
		"telemetry.logs.level": s.Telemetry.Logs.Level, "telemetry.logs.format": s.Telemetry.Logs.Format,
		"telemetry.naming": s.Telemetry.Naming,
		"shutdown_timeout": s.ShutdownTimeout, "capabilities": s.Capabilities,
	}
}

// Unchangeable returns an error if a difference is one that a running agent cannot
// take on: it needs a restart.
func (d *Difference) Unchangeable() error {
	var fixed []string
	for _, key := range d.Service {
		if key != "telemetry.logs.level" && key != "shutdown_timeout" {
			fixed = append(fixed, "service."+key)
		}
	}
	if len(fixed) == 0 {
		return nil
	}
	return fmt.Errorf("%s cannot change while the agent runs: restart it", strings.Join(fixed, ", "))
}

// Part is one kind of difference, and the names of what differs so.
type Part struct {
	Title string
	Names []string
}

// Parts are the kinds of differences there are, in the order to show.
func (d *Difference) Parts() []Part {
	return slices.DeleteFunc([]Part{
		{"rules added", d.RulesAdded},
		{"rules removed", d.RulesRemoved},
		{"rules changed", d.RulesChanged},
		{"conditions added", d.ConditionsAdded},
		{"conditions removed", d.ConditionsRemoved},
		{"conditions changed", d.ConditionsChanged},
		{"added", d.ComponentsAdded},
		{"removed", d.ComponentsRemoved},
		{"changed", d.ComponentsChanged},
		{"service", d.Service},
	}, func(part Part) bool { return len(part.Names) == 0 })
}

// String tells what differs, in one line.
func (d *Difference) String() string {
	var parts []string
	for _, part := range d.Parts() {
		parts = append(parts, part.Title+": "+strings.Join(part.Names, ", "))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}
