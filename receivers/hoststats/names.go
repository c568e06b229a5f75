package hoststats

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/otlptranslator"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// namePattern is what OpenTelemetry allows as the name of an instrument.
var namePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./-]{0,254}$`)

func (c *NPDConfig) validate() error {
	known := npdNames()
	unknown := func(name string) error {
		if slices.Contains(known, name) {
			return nil
		}
		return fmt.Errorf("%q is no metric of node-problem-detector: %s", name, strictyaml.Suggest(name, known))
	}
	var errs []error
	for i, name := range c.Metrics {
		err := unknown(name)
		if err == nil && slices.Contains(c.Metrics[:i], name) {
			err = fmt.Errorf("%q is listed twice", name)
		}
		errs = append(errs, pipeline.At(fmt.Sprintf("metrics[%d]", i), err))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Names)) {
		errs = append(errs, pipeline.At("names."+name, errors.Join(unknown(name), checkName(c.Names[name]))))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return pipeline.At("names", c.collisions())
}

// checkName checks a name that is to be served.
func checkName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%q is no name of a metric: write a letter, then letters, digits and '_', '.', '/', '-', at most 255", name)
	}
	served := servedName(name)
	for _, prefix := range []string{"otelnpd_", "process_", "go_"} {
		if strings.HasPrefix(served, prefix) {
			return fmt.Errorf("%q is like a metric of the agent itself: write a name that does not begin with %s", name, prefix)
		}
	}
	if slices.Contains([]string{"problem_counter", "problem_gauge", "target_info"}, served) || slices.Contains(semconvNames(), served) {
		return fmt.Errorf("%q is the name of another metric: write a name of its own", name)
	}
	return nil
}

// collisions finds metrics that would be served under one name.
func (c *NPDConfig) collisions() error {
	var errs []error
	first := map[string]string{}
	for _, d := range npdDefinitions() {
		name := c.name(d.name)
		if other, taken := first[servedName(name)]; taken {
			errs = append(errs, fmt.Errorf("%s and %s would both be %q: write another name for one", other, d.name, name))
			continue
		}
		first[servedName(name)] = d.name
	}
	return errors.Join(errs...)
}

// name is the name that a metric has.
func (c *NPDConfig) name(metric string) string {
	if name, renamed := c.Names[metric]; renamed {
		return name
	}
	return metric
}

// servedName is what the name of a metric of node-problem-detector is for Prometheus: two
// of one such name cannot be told apart.
func servedName(name string) string {
	return translated(otlptranslator.UnderscoreEscapingWithoutSuffixes, otlptranslator.Metric{Name: name})
}

// translated is the name that Prometheus knows a metric by.
func translated(strategy otlptranslator.TranslationStrategyOption, metric otlptranslator.Metric) string {
	namer := otlptranslator.NewMetricNamer("", strategy)
	name, err := namer.Build(metric)
	if err != nil { // a name without anything in it
		return metric.Name
	}
	return name
}

// npdNames are the metrics that there are of node-problem-detector.
func npdNames() (names []string) {
	for _, d := range npdDefinitions() {
		names = append(names, d.name)
	}
	return names
}

// semconvNames are those of the semantic conventions, as Prometheus knows them.
func semconvNames() (names []string) {
	kinds := map[kind]otlptranslator.MetricType{
		counter: otlptranslator.MetricTypeMonotonicCounter, upDownCounter: otlptranslator.MetricTypeNonMonotonicCounter, gauge: otlptranslator.MetricTypeGauge,
	}
	for _, d := range semconvDefinitions(false) {
		names = append(names, translated(otlptranslator.UnderscoreEscapingWithSuffixes, otlptranslator.Metric{Name: d.name, Unit: d.unit, Type: kinds[d.kind]}))
	}
	return names
}

// npdMetrics are the definitions of node-problem-detector's that there are, by the names
// that they have.
func (c *Config) npdMetrics() []definition {
	return slices.DeleteFunc(c.renamed(), func(d definition) bool { return !c.enabled(d.group) })
}

// renamed are those that the section npd chooses.
func (c *Config) renamed() (chosen []definition) {
	for _, d := range npdDefinitions() {
		if len(c.NPD.Metrics) == 0 || slices.Contains(c.NPD.Metrics, d.name) {
			d.name = c.NPD.name(d.name)
			chosen = append(chosen, d)
		}
	}
	return chosen
}

// semconvMetrics are the definitions of the semantic conventions that there are.
func (c *Config) semconvMetrics() []definition {
	return slices.DeleteFunc(semconvDefinitions(c.CPU.LogicalNumbers), func(d definition) bool { return !c.enabled(d.group) })
}

// Claims name what only one receiver can tell: each metric once.
func (c *Config) Claims(naming pipeline.Naming) (claims []string) {
	if naming.NPD() {
		for _, d := range c.npdMetrics() {
			claims = append(claims, "the metric "+servedName(d.name))
		}
	}
	if naming.SemConv() {
		for _, d := range c.semconvMetrics() {
			if claim := "the metrics of the group " + string(d.group); !slices.Contains(claims, claim) {
				claims = append(claims, claim)
			}
		}
	}
	return claims
}

// Warnings tells of names for metrics that there are none of.
func (c *Config) Warnings() (odd []error) {
	for _, name := range slices.Sorted(maps.Keys(c.NPD.Names)) {
		if len(c.NPD.Metrics) > 0 && !slices.Contains(c.NPD.Metrics, name) {
			odd = append(odd, pipeline.At("npd.names."+name, errors.New("is not listed under npd.metrics, so that it has no effect: list it there, or take it out")))
		}
	}
	return odd
}
