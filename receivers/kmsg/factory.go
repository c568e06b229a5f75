package kmsg

import (
	"github.com/otelnpd/otelnpd/pipeline"
	source "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

// Type is the receiver's type in the configuration.
const Type = "kmsg"

// NewFactory returns the factory of receivers that share the readers of shared.
func NewFactory(shared *source.Shared) pipeline.ReceiverFactory {
	return pipeline.ReceiverFactory{
		Type:          Type,
		DefaultConfig: func() pipeline.Config { return DefaultConfig() },
		Create: func(settings pipeline.Settings, config pipeline.Config, next pipeline.Consumer) (pipeline.Component, error) {
			own, err := pipeline.ConfigAs[*Config](config, pipeline.KindReceiver, Type)
			if err != nil {
				return nil, err
			}
			return New(shared, settings, own, next)
		},
	}
}

// New returns a receiver that has not started.
func New(shared *source.Shared, settings pipeline.Settings, config *Config, next pipeline.Consumer) (*Receiver, error) {
	var reasons []string
	for _, reason := range source.Reasons() {
		reasons = append(reasons, reason.String())
	}
	losses, err := pipeline.NewReasonCounter(settings, "otelnpd.receiver.lost_records", "{record}",
		"Records of a source that a receiver could not pass on.", append(reasons, lostRefused)...)
	if err != nil {
		return nil, err
	}
	skipped, err := pipeline.NewReasonCounter(settings, "otelnpd.receiver.skipped_records", "{record}",
		"Records of a source that a receiver left out, as its configuration says.", skippedDelay, skippedLookback, skippedFilter)
	if err != nil {
		return nil, err
	}
	r := &Receiver{
		shared: shared, settings: settings, config: config, next: next, losses: losses, skipped: skipped,
		id: settings.ID.String(), source: sourceName(config.Path), wanted: newFilter(config),
	}
	r.accepted = r.move
	return r, nil
}

// Why records are not passed on, beside the source's own reasons of loss.
const (
	// lostRefused counts what came while the next stage was shutting down.
	lostRefused = "refused"

	skippedDelay    = "delay"
	skippedLookback = "lookback"
	skippedFilter   = "filter"
)
