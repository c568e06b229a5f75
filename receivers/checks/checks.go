// Package checks measures how a node stands, by what its kernel shows in /proc and
// /sys: it starts no process and needs no server. What it measures it holds against
// limits, and says problem, ok or unknown; what that leads to, the condition store
// decides.
//
// A check is one file: the struct of its keys, of which [Base] is a part, its defaults, an
// entry for the list in [Config.entries], and a function that measures. That
// function reads below service.host alone, so that a container can watch its node
// and a test a recorded one, and returns a figure for each part of the node (or one
// of the node), the higher the worse. All else is done for it: limits, `for:`,
// warnings, schedule, names in rules and messages.
//
// Where the agent cannot see what it would have to, a measure returns a [*hostview.Blind]:
// the verdict is unknown then and the receiver degraded, with the remedy. A figure
// that may be another's (a namespace's, a container's) is worse than none.
package checks

import (
	"context"
	"fmt"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// Type is the receiver's type in the configuration.
const Type = "checks"

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

// timeout is how long a look may take. What it reads is memory of the kernel.
const timeout = 20 * time.Second

// Receiver runs the checks.
type Receiver struct {
	*check.Runner
	system *system
}

var _ pipeline.Keeper = (*Receiver)(nil)

// New returns a receiver that has not started.
func New(settings pipeline.Settings, config *Config, next pipeline.Consumer) (*Receiver, error) {
	s := newSystem(settings)
	var list []check.Check
	for _, one := range config.entries() {
		if one.base.Enabled {
			list = append(list, one.open(config.Interval, s))
		}
	}
	// All look at one moment: so they share what they read.
	runner, err := check.NewRunner(settings, next, list, check.Schedule{})
	if err != nil {
		return nil, fmt.Errorf("make the checks: %w", err)
	}
	return &Receiver{Runner: runner, system: s}, nil
}

// Keep returns what counters said.
func (r *Receiver) Keep() pipeline.Encode { return r.system.counters.keep() }

// Resume goes on from what they said.
func (r *Receiver) Resume(kept []byte) error { return r.system.counters.resume(kept) }

// open makes the check.
func (e *entry) open(interval time.Duration, s *system) check.Check {
	if e.base.Interval != 0 {
		interval = e.base.Interval
	}
	limits, look := e.limits(), e.measures(s)
	var rules []condition.Rule
	for _, l := range limits {
		rules = append(rules, l.rule)
	}
	return check.Check{
		ID: e.name, Rules: rules, Interval: interval, Timeout: timeout,
		Run: func(ctx context.Context) check.Report {
			found, err := look(ctx)
			return e.judge(limits, found, err)
		},
	}
}
