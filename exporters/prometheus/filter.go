package prometheus

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/otelnpd/otelnpd/pipeline/metricfilter"
)

// chosen reads the metrics of source that pass the filter. A metric is known by its own
// name and by those of its instruments.
func chosen(source Source, filter metricfilter.Config) prometheus.Gatherer {
	all := source.Gatherer()
	if filter.All() {
		return all
	}
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := all.Gather()
		// Families that could be read come with an error of those that could not.
		return slices.DeleteFunc(families, func(family *dto.MetricFamily) bool {
			name := family.GetName()
			return !filter.Match(append(source.InstrumentsOf(name), name)...)
		}), err
	})
}
