package nodeevents

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Config is the part of the configuration that is about Events.
type Config struct {
	// Enabled tells whether Events are written at all.
	Enabled bool `yaml:"enabled"`
	// Namespace of the Events; empty: default, where those of Nodes belong.
	Namespace string `yaml:"namespace"`
	// MaxAge is how old an occurrence may be when it is told: an older one has no Event
	// of its own and is only summed up; 1m or more. The end of a condition by a reboot
	// has the time of the boot.
	MaxAge time.Duration `yaml:"max_age"`
	// PerReason bounds the Events of each reason.
	PerReason Budget `yaml:"per_reason"`
	// Total bounds all Events together.
	Total Budget `yaml:"total"`
}

// Budget is a token bucket: a request takes a token.
type Budget struct {
	// Burst is how many requests for Events may go at once; 1 to 10000.
	Burst int `yaml:"burst"`
	// PerMinute is how many more may go a minute; 1 to 10000.
	PerMinute int `yaml:"per_minute"`
}

// The bounds of what can be configured.
const (
	minMaxAge = time.Minute
	maxTokens = 10_000
)

// dnsLabel is a name as RFC 1123 has it and Kubernetes wants it of a namespace.
var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// DefaultConfig writes Events, at most 160 in any minute.
func DefaultConfig() Config {
	return Config{
		Enabled: true, MaxAge: time.Hour,
		PerReason: Budget{Burst: 25, PerMinute: 6},
		Total:     Budget{Burst: 100, PerMinute: 60},
	}
}

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	var errs []error
	if c.Namespace != "" && !dnsLabel.MatchString(c.Namespace) {
		errs = append(errs, pipeline.At("namespace",
			fmt.Errorf("%q is no namespace: write lower-case letters, digits and dashes, for example kube-system, at most 63 characters", c.Namespace)))
	}
	if c.MaxAge < minMaxAge {
		errs = append(errs, pipeline.At("max_age", fmt.Errorf("%s is too short: write at least %s", c.MaxAge, minMaxAge)))
	}
	errs = append(errs, pipeline.At("per_reason", c.PerReason.validate()), pipeline.At("total", c.Total.validate()))
	return errors.Join(errs...)
}

func (b Budget) validate() error {
	return errors.Join(pipeline.At("burst", inBounds(b.Burst)), pipeline.At("per_minute", inBounds(b.PerMinute)))
}

func inBounds(tokens int) error {
	if tokens < 1 || tokens > maxTokens {
		return fmt.Errorf("%d is out of bounds: write 1 to %d", tokens, maxTokens)
	}
	return nil
}
