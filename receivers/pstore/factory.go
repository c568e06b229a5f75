package pstore

import (
	"maps"
	"slices"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/hung"
)

// Type is the receiver's type in the configuration.
const Type = "pstore"

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
	counters, err := newCounters(settings)
	if err != nil {
		return nil, err
	}
	r := &Receiver{
		settings: settings, config: config, next: next, id: settings.ID.String(), counters: counters,
		stop: make(chan struct{}), done: make(chan struct{}),
		skipped: map[string]string{}, told: map[string]uint64{},
	}
	r.answers = hung.NewWatch(silence, r.tellSilent)
	return r, nil
}

// counters are the receiver's own metrics.
type counters struct{ dumps, files, removed, cut pipeline.ReasonCounter }

func newCounters(settings pipeline.Settings) (c counters, err error) {
	for _, one := range []struct {
		to                      *pipeline.ReasonCounter
		name, unit, description string
		reasons                 []string
	}{
		{
			&c.dumps, "otelnpd.pstore.told_dumps", "{dump}", "Dumps of earlier boots that have been told, by the kernel's reason for them.",
			slices.Sorted(maps.Keys(endings)),
		},
		{&c.files, "otelnpd.pstore.skipped_files", "{file}", "Files that the kernel has saved of earlier boots and that were left out.", skipReasons},
		{&c.removed, "otelnpd.pstore.removed_files", "{file}", "Files that were removed from pstore, since what they hold has been told.", nil},
		{&c.cut, "otelnpd.receiver.cut_lines", "{line}", "Lines that were longer than a receiver takes, and cut.", nil},
	} {
		if *one.to, err = pipeline.NewReasonCounter(settings, one.name, one.unit, one.description, one.reasons...); err != nil {
			return c, err
		}
	}
	return c, nil
}
