package filelog

import (
	"fmt"
	"math"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
	"github.com/otelnpd/otelnpd/receivers/filelog/format"
)

// Format is the name of a form of lines.
type Format string

// Words are the forms that there are.
func (Format) Words() []string { return format.Names() }

// Unparsed says what becomes of lines that have not the form.
type Unparsed string

// What may become of them.
const (
	UnparsedTake Unparsed = "take"
	UnparsedSkip Unparsed = "skip"
)

// Words are what may become of them.
func (Unparsed) Words() []string { return []string{string(UnparsedTake), string(UnparsedSkip)} }

// StartAt says where in a file to begin.
type StartAt string

// Where to begin.
const (
	StartAtLookback  StartAt = "lookback"
	StartAtBeginning StartAt = "beginning"
	StartAtEnd       StartAt = "end"
)

// Words are the places where one may begin.
func (StartAt) Words() []string {
	return []string{string(StartAtLookback), string(StartAtBeginning), string(StartAtEnd)}
}

// Lookback says how far to read back at start: a time, 0 for from now on, or
// LookbackBoot.
type Lookback time.Duration

// LookbackBoot reads all of this boot.
const LookbackBoot Lookback = math.MinInt64

// String returns boot, now or the time.
func (l Lookback) String() string {
	switch l {
	case LookbackBoot:
		return "boot"
	case 0:
		return "now"
	default:
		return time.Duration(l).String()
	}
}

// Words are those that stand beside times.
func (Lookback) Words() []string { return []string{"boot", "now"} }

// Pattern is the regular expression of times.
func (Lookback) Pattern() string { return "^(0|" + strictyaml.DurationPattern + ")$" }

// MarshalText implements encoding.TextMarshaler.
func (l Lookback) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Lookback) UnmarshalText(text []byte) error {
	switch string(text) {
	case "boot":
		*l = LookbackBoot
		return nil
	case "now":
		*l = 0
		return nil
	}
	duration, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is no lookback: write boot, now or a time like 10m", text)
	}
	*l = Lookback(duration)
	return nil
}
