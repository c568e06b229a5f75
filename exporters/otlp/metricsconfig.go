package otlp

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/metricfilter"
)

// Temporality says from when on counters and histograms count.
type Temporality string

// The temporalities, as in OpenTelemetry's specification.
const (
	// Cumulative: from the start of the agent.
	Cumulative Temporality = "cumulative"
	// Delta: from what was sent before.
	Delta Temporality = "delta"
	// LowMemory: what the agent counts itself from what was sent before, what it reads
	// from the start.
	LowMemory Temporality = "lowmemory"
)

// Words are the temporalities that there are.
func (Temporality) Words() []string {
	return []string{"", string(Cumulative), string(Delta), string(LowMemory)}
}

// Metrics is the part of the configuration that is about metrics.
type Metrics struct {
	// Interval is how often metrics are sent, from 1s to 1h. Not set:
	// OTEL_METRIC_EXPORT_INTERVAL, in milliseconds, else 60s.
	Interval time.Duration `yaml:"interval"`
	// Temporality of counters and histograms: `cumulative`, from the agent's start;
	// `delta`, since they were last taken; `lowmemory`, delta for what the agent counts
	// itself alone. Not set: OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE, else
	// cumulative.
	Temporality Temporality `yaml:"temporality"`

	metricfilter.Config `yaml:",inline"`
}

const (
	minInterval     = time.Second
	maxInterval     = time.Hour
	defaultInterval = time.Minute
	// defaultExport bounds the sending of one reading, as the specification has it.
	defaultExport = 30 * time.Second
)

// Validate reports all that is wrong.
func (m *Metrics) Validate() error {
	var interval error
	if m.Interval != 0 && (m.Interval < minInterval || m.Interval > maxInterval) {
		interval = fmt.Errorf("%s is out of bounds: write a duration from %s to %s", m.Interval, minInterval, maxInterval)
	}
	return errors.Join(
		pipeline.At("interval", interval),
		pipeline.At("temporality", pipeline.CheckWord(m.Temporality)),
		m.Config.Validate(),
	)
}

// schedule is how metrics are read and sent.
type schedule struct {
	interval    time.Duration
	export      time.Duration // bounds the sending of one reading
	temporality Temporality
}

// resolveSchedule fills up what the configuration leaves to the environment.
func resolveSchedule(m *Metrics, lookup func(string) (string, bool)) (made schedule, warnings []string) {
	e := &environment{signal: collector.Metrics, lookup: lookup}
	made = schedule{
		interval:    cmp.Or(m.Interval, e.milliseconds("OTEL_METRIC_EXPORT_INTERVAL", minInterval, maxInterval), defaultInterval),
		export:      cmp.Or(e.milliseconds("OTEL_METRIC_EXPORT_TIMEOUT", minTimeout, maxTimeout), defaultExport),
		temporality: cmp.Or(m.Temporality, e.temporality(), Cumulative),
	}
	return made, e.odd
}

// milliseconds reads a variable; 0: there is none that could be read.
func (e *environment) milliseconds(name string, least, most time.Duration) time.Duration {
	value, _ := e.lookup(name)
	if value = strings.TrimSpace(value); value == "" {
		return 0
	}
	number, err := strconv.ParseUint(value, 10, 31)
	duration := time.Duration(number) * time.Millisecond
	if err != nil || duration < least || duration > most {
		e.odd = append(e.odd, fmt.Sprintf("%s: %q is no number of milliseconds from %d to %d", name, value, least.Milliseconds(), most.Milliseconds()))
		return 0
	}
	return duration
}

// temporality is not case-sensitive in the specification.
func (e *environment) temporality() Temporality {
	name := e.own("TEMPORALITY_PREFERENCE")
	value, _ := e.lookup(name)
	chosen := Temporality(strings.ToLower(strings.TrimSpace(value)))
	if err := pipeline.CheckWord(chosen); err != nil {
		e.odd = append(e.odd, fmt.Sprintf("%s: %s", name, err))
		return ""
	}
	return chosen
}
