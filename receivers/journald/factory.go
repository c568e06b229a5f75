package journald

import (
	"github.com/otelnpd/otelnpd/pipeline"
)

// Type is the receiver's type in the configuration.
const Type = "journald"

// NewFactory returns the factory of receivers that each have a reader of their own.
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
	r := &Receiver{settings: settings, config: config, next: next, id: settings.ID.String(), source: sourceName(config), tuning: defaultTuning}
	r.accepted = r.move
	var err error
	if r.losses, err = pipeline.NewReasonCounter(settings, "otelnpd.receiver.lost_records", "{record}",
		"Records of a source that a receiver could not pass on.", lostRemoved, lostDamaged, lostLate, lostRefused); err != nil {
		return nil, err
	}
	if r.skipped, err = pipeline.NewReasonCounter(settings, "otelnpd.receiver.skipped_records", "{record}",
		"Records of a source that a receiver left out, as its configuration says.", skippedDelay, skippedLookback); err != nil {
		return nil, err
	}
	if r.cut, err = pipeline.NewReasonCounter(settings, "otelnpd.receiver.cut_fields", "{field}",
		"Fields of a source's records that a receiver cut off because of their length.", cutLength); err != nil {
		return nil, err
	}
	return r, nil
}

// Why records are not passed on, or not whole.
const (
	// lostRemoved counts entries that were removed before they were read.
	lostRemoved = "removed"
	// lostDamaged counts entries that are not what was written.
	lostDamaged = "damaged"
	// lostLate counts entries of files that could not be opened in time, since too many
	// are there.
	lostLate = "late"
	// lostRefused counts what came while the next stage was shutting down.
	lostRefused = "refused"

	skippedDelay    = "delay"
	skippedLookback = "lookback"

	cutLength = "length"
)
