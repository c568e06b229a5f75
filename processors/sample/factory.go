package sample

import (
	"regexp"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Type is the processor's type in the configuration.
const Type = "sample"

// NewFactory returns the factory of the sample processor.
func NewFactory() pipeline.ProcessorFactory {
	return pipeline.ProcessorFactory{
		Type:          Type,
		DefaultConfig: func() pipeline.Config { return DefaultConfig() },
		Create:        create,
	}
}

func create(settings pipeline.Settings, config pipeline.Config, next pipeline.Consumer) (pipeline.Processor, error) {
	c, err := pipeline.ConfigAs[*Config](config, pipeline.KindProcessor, Type)
	if err != nil {
		return nil, err
	}
	made := &processor{node: settings.Node, clock: settings.Clock, next: next, ratio: newRatio(c.Ratio)}
	if c.MinSeverity != "" {
		made.minSeverity = c.MinSeverity.Severity()
	}
	if c.Include != "" {
		if made.include, err = regexp.Compile(c.Include); err != nil {
			return nil, pipeline.At("include", err)
		}
	}
	if c.Rate > 0 {
		made.limits = newLimits(c.Rate, c.burst())
	}
	if made.dropped, err = newDropped(settings); err != nil {
		return nil, err
	}
	return made, nil
}
