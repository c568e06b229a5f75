package filelog

import "github.com/otelnpd/otelnpd/pipeline"

// Type is the receiver's type in the configuration.
const Type = "filelog"

// NewFactory returns the factory of filelog receivers.
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

// Why lines are not passed on.
const (
	// lostRefused counts what came while the next stage was shutting down.
	lostRefused = "refused"

	skippedDelay    = "delay"
	skippedLookback = "lookback"
	skippedFilter   = "filter"
	skippedUnparsed = "unparsed"
)

// counters are the receiver's own metrics.
type counters struct {
	lost, skipped, cut, files pipeline.ReasonCounter
}

// What became of files.
const (
	fileTruncated = "truncated"
	fileLost      = "lost"
)

func newCounters(settings *pipeline.Settings) (c counters, err error) {
	for _, one := range []struct {
		to                      *pipeline.ReasonCounter
		name, unit, description string
		reasons                 []string
	}{
		{&c.lost, "otelnpd.receiver.lost_records", "{record}", "Records of a source that a receiver could not pass on.", []string{lostRefused}},
		{
			&c.skipped, "otelnpd.receiver.skipped_records", "{record}", "Records of a source that a receiver left out, as its configuration says.",
			[]string{skippedDelay, skippedLookback, skippedFilter, skippedUnparsed},
		},
		{&c.cut, "otelnpd.receiver.cut_lines", "{line}", "Lines that were longer than a receiver takes, and cut.", nil},
		{
			&c.files, "otelnpd.receiver.broken_files", "{file}", "Files that were truncated while they were followed, or were gone before they were read to their ends.",
			[]string{fileTruncated, fileLost},
		},
	} {
		if *one.to, err = pipeline.NewReasonCounter(*settings, one.name, one.unit, one.description, one.reasons...); err != nil {
			return c, err
		}
	}
	return c, nil
}
