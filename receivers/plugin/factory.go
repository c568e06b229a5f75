package plugin

import (
	"errors"
	"fmt"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/receivers/plugin/command"
)

// Type is the receiver's type in the configuration.
const Type = "plugin"

// NewFactory returns the factory of the receivers, whose commands one launcher runs.
func NewFactory(launcher *command.Launcher) pipeline.ReceiverFactory {
	return pipeline.ReceiverFactory{
		Type:          Type,
		DefaultConfig: func() pipeline.Config { return DefaultConfig() },
		Create: func(settings pipeline.Settings, config pipeline.Config, next pipeline.Consumer) (pipeline.Component, error) {
			own, err := pipeline.ConfigAs[*Config](config, pipeline.KindReceiver, Type)
			if err != nil {
				return nil, err
			}
			return New(settings, own, launcher, next)
		},
	}
}

// New returns a receiver that has not started.
func New(settings pipeline.Settings, config *Config, launcher *command.Launcher, next pipeline.Consumer) (*Receiver, error) {
	if launcher == nil {
		return nil, errors.New("nobody runs its commands")
	}
	metrics, err := newMetrics(settings)
	if err != nil {
		return nil, err
	}
	r := &Receiver{settings: settings, launcher: launcher, metrics: metrics, atOnce: make(chan struct{})}
	checks := make([]check.Check, len(config.Checks))
	for i := range config.Checks {
		one := newAsker(r, config, &config.Checks[i])
		r.keys = append(r.keys, one.command.Key)
		checks[i] = one.check()
	}
	r.runner, err = check.NewRunner(settings, next, checks, check.Schedule{Concurrency: config.Concurrency, Spread: config.Spread})
	if err != nil {
		return nil, fmt.Errorf("make the schedule: %w", err)
	}
	return r, nil
}
