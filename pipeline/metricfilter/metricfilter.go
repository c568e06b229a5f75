// Package metricfilter chooses metrics by their names, for exporters that send or
// serve not all of them.
package metricfilter

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Config is embedded in an exporter's configuration. The zero value lets all metrics
// pass.
type Config struct {
	// Include names the metrics to take, as patterns in which `*` stands for any text:
	// `k8s.node.*`, `problem_counter`. None: all of them.
	Include []string `yaml:"include"`
	// Exclude names the metrics to leave out, likewise. It goes before include.
	Exclude []string `yaml:"exclude"`
}

// maxPattern is the length of the longest name that OpenTelemetry allows.
const maxPattern = 255

// Validate reports all that is wrong.
func (c Config) Validate() error {
	return errors.Join(validate("include", c.Include), validate("exclude", c.Exclude))
}

func validate(key string, patterns []string) error {
	var errs []error
	for i, pattern := range patterns {
		errs = append(errs, pipeline.At(fmt.Sprintf("%s[%d]", key, i), checkPattern(pattern)))
	}
	return errors.Join(errs...)
}

func checkPattern(pattern string) error {
	switch {
	case pattern == "":
		return errors.New("is empty: write the name of a metric, in which * stands for any text")
	case len(pattern) > maxPattern:
		return fmt.Errorf("has %d characters, more than the %d of the longest name of a metric: shorten it by *", len(pattern), maxPattern)
	case strings.ContainsFunc(pattern, isOdd):
		return fmt.Errorf("%q has characters that no name of a metric has: write letters, digits, '_', '.', '-', '/' and ':', and * for any text", pattern)
	}
	return nil
}

// isOdd tells whether a character is in no name of OpenTelemetry's or Prometheus', nor
// has a meaning in patterns.
func isOdd(r rune) bool {
	letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	digit := '0' <= r && r <= '9'
	return !letter && !digit && !strings.ContainsRune("_.-/:*", r)
}

// All tells whether all metrics pass.
func (c Config) All() bool { return len(c.Include) == 0 && len(c.Exclude) == 0 }

// Match tells whether a metric passes. One that is known by several names, such as
// those of its instrument and of Prometheus, may be meant by each of them.
func (c Config) Match(names ...string) bool {
	return (len(c.Include) == 0 || anyOf(c.Include, names)) && !anyOf(c.Exclude, names)
}

func anyOf(patterns, names []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return match(pattern, name) })
	})
}

// match tells whether a pattern is of a whole name. The earliest place for each part
// between two asterisks leaves the most to those behind it.
func match(pattern, name string) bool {
	head, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == name
	}
	name, found := strings.CutPrefix(name, head)
	for found {
		part, behind, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, part)
		}
		_, name, found = strings.Cut(name, part)
		rest = behind
	}
	return false
}
