// Package agentlog makes the logger of the agent itself: readable text or JSON
// lines, in which the same message again and again is cut to a few a minute and
// a count of the rest.
package agentlog

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// Format is how log lines are written.
type Format string

// The formats.
const (
	FormatText Format = "text"
	FormatJSON Format = "json"
)

// DefaultRepeats is how often the same message is written in a minute.
const DefaultRepeats = 10

// Config says how the agent logs.
type Config struct {
	// Output takes whole lines, one a Write, from one goroutine at a time. A
	// Write that blocks blocks whoever logs.
	Output io.Writer
	// Format is text or JSON; empty is text.
	Format Format
	// Color marks levels with ANSI colours in text.
	Color bool
	// Level below which nothing is written; nil is Info. A slog.LevelVar can be
	// changed at run time.
	Level slog.Leveler
	// Repeats is how often the same message (level, text, and the component's
	// attributes) is written in a minute; 0 is DefaultRepeats.
	Repeats int
	// Clock tells when a minute is over; nil is the system's.
	Clock pipeline.Clock
}

// Log is a logger and what must be told at its end. It is safe for concurrent
// use.
type Log struct {
	*slog.Logger

	limiter *limiter
}

// New returns a logger. Its end is [Log.Close].
func New(config Config) (*Log, error) {
	if config.Output == nil {
		return nil, errors.New("the agent's log needs an output")
	}
	if config.Clock == nil {
		config.Clock = pipeline.SystemClock{}
	}
	if config.Repeats <= 0 {
		config.Repeats = DefaultRepeats
	}
	var level slog.Leveler = slog.LevelInfo
	if config.Level != nil {
		level = config.Level
	}
	writer, err := newWriter(config, level)
	if err != nil {
		return nil, err
	}
	limiter := newLimiter(config.Clock, config.Repeats, writer)
	return &Log{Logger: slog.New(&handler{next: writer, limiter: limiter}), limiter: limiter}, nil
}

// Close writes the counts of messages that were held back and have not been
// told. The logger can be used after it, and closed again.
func (l *Log) Close() { l.limiter.flush() }

func newWriter(config Config, level slog.Leveler) (slog.Handler, error) {
	switch config.Format {
	case FormatJSON:
		return slog.NewJSONHandler(harmlessJSON{config.Output}, &slog.HandlerOptions{Level: level}), nil
	case FormatText, "":
		return newTextHandler(config.Output, level, config.Color), nil
	default:
		return nil, fmt.Errorf("log format %q is unknown: write text or json", config.Format)
	}
}

// harmlessJSON escapes what a terminal would obey, line by line.
type harmlessJSON struct{ to io.Writer }

// Write writes one line of JSON.
func (w harmlessJSON) Write(line []byte) (int, error) {
	if _, err := w.to.Write(terminal.AppendJSON(nil, line)); err != nil {
		return 0, err
	}
	return len(line), nil
}
