package pipeline

import (
	"fmt"
	"math"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// Lookback says how far a receiver reads back at its first start: a time, 0 for from now on, or
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

// Check refuses times that are negative.
func (l Lookback) Check() error {
	if l < 0 && l != LookbackBoot {
		return fmt.Errorf("%s is negative: write boot, now or a time like 10m", l)
	}
	return nil
}

// Reaches tells whether a line of the backlog that is so old is wanted.
func (l Lookback) Reaches(age time.Duration) bool {
	return l == LookbackBoot || l > 0 && age <= time.Duration(l)
}
