package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Scrape is what one scrape has shown: values by series, which are names with labels.
type Scrape struct {
	Values map[string]float64
	// Counters are those of the series that never go down.
	Counters map[string]bool
}

// Scrape reads all metrics. It can be called from any goroutine. A series that is
// there twice is an error.
func (a *Agent) Scrape(ctx context.Context) (Scrape, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.Metrics+"/metrics", http.NoBody)
	if err != nil {
		return Scrape{}, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return Scrape{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return Scrape{}, fmt.Errorf("scrape %s: %s", a.Metrics, response.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return Scrape{}, fmt.Errorf("scrape %s: %w", a.Metrics, err)
	}
	s := Scrape{Values: map[string]float64{}, Counters: map[string]bool{}}
	var errs []error
	for name, family := range families {
		for _, metric := range family.GetMetric() {
			errs = append(errs, s.take(name+labelsOf(metric), family.GetType(), metric))
		}
	}
	return s, errors.Join(errs...)
}

func (s Scrape) take(series string, kind dto.MetricType, metric *dto.Metric) error {
	if _, twice := s.Values[series]; twice {
		return fmt.Errorf("%s is there twice", series)
	}
	switch kind {
	case dto.MetricType_HISTOGRAM:
		s.Values[series] = float64(metric.GetHistogram().GetSampleCount())
	default:
		s.Values[series] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
	}
	s.Counters[series] = kind != dto.MetricType_GAUGE
	return nil
}

// labelsOf are a metric's labels, in the order of the text.
func labelsOf(metric *dto.Metric) string {
	pairs := make([]string, 0, len(metric.GetLabel()))
	for _, pair := range metric.GetLabel() {
		pairs = append(pairs, pair.GetName()+"="+pair.GetValue())
	}
	return "{" + strings.Join(pairs, ",") + "}"
}

// GoesOn returns an error if a scrape lacks a series that the one before it had, or if
// a counter has gone down.
func (s Scrape) GoesOn(before Scrape) error {
	var errs []error
	for series, value := range before.Values {
		now, there := s.Values[series]
		switch {
		case !there:
			errs = append(errs, fmt.Errorf("%s is missing", series))
		case before.Counters[series] && now < value:
			errs = append(errs, fmt.Errorf("%s went from %v down to %v", series, value, now))
		}
	}
	return errors.Join(errs...)
}
