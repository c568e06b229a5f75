package config

import (
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// Layout is how a configuration file is laid out, for what describes it to people
// and to their editors.
type Layout struct {
	// File points to the struct that a file is decoded into, with its defaults.
	File any
	// Components are what can be declared under a section's key (receivers): the
	// default configuration of each type.
	Components map[string]map[string]func() pipeline.Config
	// Names are the regular expressions of the names that people choose, by the
	// path of the key under which they stand (service.pipelines).
	Names map[string]string
}

// LayoutOf returns the layout of a file whose components are built in by f.
func LayoutOf(f pipeline.Factories) Layout {
	shape := file{Service: serviceSection{Service: DefaultService()}}
	layout := Layout{
		File:       &shape,
		Components: map[string]map[string]func() pipeline.Config{},
		Names: map[string]string{
			"conditions":        condition.TypePattern,
			"service.pipelines": pipelinePattern,
		},
	}
	for _, s := range sections(&shape, f) {
		layout.Components[s.key()] = s.defaults
	}
	return layout
}
