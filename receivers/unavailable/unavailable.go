// Package unavailable stands in for a receiver that this version cannot run: it
// reads nothing, and says so for as long as the agent runs. A configuration that
// was converted from another agent keeps its gaps visible by it.
package unavailable

import (
	"context"
	"errors"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Type is the receiver's type in the configuration.
const Type = "unavailable"

// Config says what is missing.
type Config struct {
	// Reason is what cannot be read, and why.
	Reason string `yaml:"reason"`
	// Remedy is what to do about it.
	Remedy string `yaml:"remedy"`
}

// DefaultConfig says no more than that something is missing.
func DefaultConfig() *Config {
	return &Config{Reason: "what it stands for is not built into this version"}
}

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	if c.Reason == "" {
		return pipeline.At("reason", errors.New("is missing: write what cannot be read, and why"))
	}
	return nil
}

// NewFactory returns the factory of receivers that are always degraded.
func NewFactory() pipeline.ReceiverFactory {
	return pipeline.ReceiverFactory{
		Type:          Type,
		DefaultConfig: func() pipeline.Config { return DefaultConfig() },
		Create: func(settings pipeline.Settings, config pipeline.Config, _ pipeline.Consumer) (pipeline.Component, error) {
			own, err := pipeline.ConfigAs[*Config](config, pipeline.KindReceiver, Type)
			if err != nil {
				return nil, err
			}
			return &receiver{report: settings.Report, status: pipeline.Status{
				State: pipeline.ComponentDegraded, Reason: own.Reason, Remedy: own.Remedy,
			}}, nil
		},
	}
}

type receiver struct {
	report func(pipeline.Status)
	status pipeline.Status
}

// Start tells what is missing. Nothing will follow: nobody is to wait for a
// backlog of it.
func (r *receiver) Start(context.Context) error {
	r.report(r.status)
	return nil
}

// Shutdown has nothing to end.
func (*receiver) Shutdown(context.Context) error { return nil }
