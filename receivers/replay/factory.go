package replay

import (
	"fmt"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Type is the receiver's type.
const Type = "replay"

// Options say what to read and who is told.
type Options struct {
	// Path of the saved log; "-" reads Stdin.
	Path string
	// Stdin is read where Path is "-".
	Stdin *os.File
	// Clock is set to the time of the newest record before it is passed on; nil:
	// none.
	Clock *Clock
	// Ended, if set, is called once, from the receiver's goroutine, when all has
	// been passed on, or the input has failed, or Shutdown ended it.
	Ended func(Result)
}

// Result says what was read.
type Result struct {
	// Lines that were passed on.
	Lines uint64
	// Cut lines were longer than MaxLine.
	Cut uint64
	// Refused lines came while the next stage was shutting down.
	Refused uint64
	// Err is why the input was not read to its end; nil: it was.
	Err error
}

// NewFactory returns the factory of receivers that read what options say.
func NewFactory(options Options) pipeline.ReceiverFactory {
	return pipeline.ReceiverFactory{
		Type:          Type,
		DefaultConfig: func() pipeline.Config { return &Config{} },
		Create: func(settings pipeline.Settings, _ pipeline.Config, next pipeline.Consumer) (pipeline.Component, error) {
			return New(settings, options, next)
		},
	}
}

// New returns a receiver that has not started.
func New(settings pipeline.Settings, options Options, next pipeline.Consumer) (*Receiver, error) {
	cut, err := settings.Meter.Int64Counter("otelnpd.receiver.cut_lines",
		metric.WithUnit("{line}"),
		metric.WithDescription("Lines that were longer than a receiver takes, and cut."))
	if err != nil {
		return nil, fmt.Errorf("make the counter of cut lines: %w", err)
	}
	if options.Clock == nil {
		options.Clock = NewClock(pipeline.Instant{Wall: settings.Boot.Start})
	}
	if options.Ended == nil {
		options.Ended = func(Result) {}
	}
	return &Receiver{
		settings: settings, options: options, next: next, id: settings.ID.String(), cut: cut,
		receiver: metric.WithAttributeSet(attribute.NewSet(attribute.String("receiver", settings.ID.String()))),
		parser:   parser{boot: settings.Boot.Start, now: time.Now},
	}, nil
}
