package rules

import (
	"io/fs"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Type is the processor's type in the configuration.
const Type = "rules"

// NewFactory returns the factory of the rules processor. builtIn holds the
// built-in rule packs, one file NAME.yaml each.
func NewFactory(builtIn fs.FS) pipeline.ProcessorFactory {
	return pipeline.ProcessorFactory{
		Type:          Type,
		DefaultConfig: func() pipeline.Config { return DefaultConfig(builtIn) },
		Create:        create,
	}
}

func create(settings pipeline.Settings, config pipeline.Config, next pipeline.Consumer) (pipeline.Processor, error) {
	c, err := pipeline.ConfigAs[*Config](config, pipeline.KindProcessor, Type)
	if err != nil {
		return nil, err
	}
	set, err := c.ruleSet()
	if err != nil {
		return nil, err
	}
	metrics, err := newInstruments(settings.Meter, set.rules)
	if err != nil {
		return nil, err
	}
	return &processor{settings: settings, next: next, matcher: newMatcher(set.rules), metrics: metrics}, nil
}
