package health

import (
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
)

// Type is the receiver's type in the configuration.
const Type = "health"

// NewFactory returns the factory of the receiver.
func NewFactory() pipeline.ReceiverFactory {
	return pipeline.ReceiverFactory{
		Type:          Type,
		DefaultConfig: func() pipeline.Config { return DefaultConfig() },
		Create: func(settings pipeline.Settings, config pipeline.Config, next pipeline.Consumer) (pipeline.Component, error) {
			own, err := pipeline.ConfigAs[*Config](config, pipeline.KindReceiver, Type)
			if err != nil {
				return nil, err
			}
			return New(settings, own, next)
		},
	}
}

// New returns a receiver that has not started.
func New(settings pipeline.Settings, config *Config, next pipeline.Consumer) (*Receiver, error) {
	r := &Receiver{settings: settings, config: config}
	var err error
	if r.repairs, err = newRepairs(settings, config); err != nil {
		return nil, err
	}
	var checks []check.Check
	for _, t := range config.targets() {
		checks = append(checks, r.checkOf(t))
	}
	if r.Runner, err = check.NewRunner(settings, next, checks, check.Schedule{Spread: true}); err != nil {
		return nil, err
	}
	return r, nil
}
