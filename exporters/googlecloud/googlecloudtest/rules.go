package googlecloudtest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"cloud.google.com/go/monitoring/apiv3/v2/monitoringpb"
	"google.golang.org/genproto/googleapis/api/metric"
)

// rules are those by which Cloud Monitoring refuses series:
// https://cloud.google.com/monitoring/quotas and
// https://cloud.google.com/monitoring/api/ref_v3/rpc/google.monitoring.v3#timeseries
type rules struct {
	last  map[string]*monitoringpb.Point // by series
	types map[string]string              // kind and value type, by metric type
}

func newRules() rules {
	return rules{last: map[string]*monitoringpb.Point{}, types: map[string]string{}}
}

// interval is the time in which one point of a series is taken.
const interval = 5 * time.Second

// check returns the series that are taken, and what is wrong with the others.
func (r *rules) check(all []*monitoringpb.TimeSeries) (written []*monitoringpb.TimeSeries, refused []string) {
	seen := map[string]bool{}
	for _, one := range all {
		name := NameOf(one)
		fault := ""
		switch {
		case seen[name]:
			fault = "comes twice in one request"
		case len(one.GetPoints()) != 1:
			fault = fmt.Sprintf("has %d points", len(one.GetPoints()))
		default:
			fault = r.fault(name, one)
		}
		seen[name] = true
		if fault != "" {
			refused = append(refused, name+": "+fault)
			continue
		}
		r.last[name] = one.GetPoints()[0]
		written = append(written, one)
	}
	return written, refused
}

// labelsOf are those that each resource has, all of them.
func labelsOf(resource string) []string {
	return map[string][]string{
		"k8s_node":     {"cluster_name", "location", "node_name", "project_id"},
		"gce_instance": {"instance_id", "project_id", "zone"},
		"generic_node": {"location", "namespace", "node_id", "project_id"},
	}[resource]
}

var labelPattern = regexp.MustCompile(`^[A-Za-z0-9_]{1,100}$`)

func (r *rules) fault(name string, one *monitoringpb.TimeSeries) string {
	kind := one.GetMetricKind().String() + " " + one.GetValueType().String()
	known, typed := r.types[one.GetMetric().GetType()]
	if !typed {
		r.types[one.GetMetric().GetType()] = kind
	}
	resource := one.GetResource()
	switch {
	case typed && known != kind:
		return "is " + kind + ", and its type is " + known
	case !slices.Equal(slices.Sorted(maps.Keys(resource.GetLabels())), labelsOf(resource.GetType())):
		return fmt.Sprintf("%s has the labels %v", resource.GetType(), resource.GetLabels())
	case strings.HasPrefix(one.GetMetric().GetType(), "compute.googleapis.com/") && resource.GetType() != "gce_instance":
		return "is no metric of " + resource.GetType()
	case len(one.GetMetric().GetLabels()) > 30:
		return "has more than 30 labels"
	}
	for key, value := range one.GetMetric().GetLabels() {
		if !labelPattern.MatchString(key) || len(value) > 1024 || !utf8.ValidString(value) {
			return fmt.Sprintf("has the label %q with %d bytes", key, len(value))
		}
	}
	return r.timing(one.GetMetricKind(), one.GetPoints()[0], r.last[name])
}

// timing tells what is wrong with when a point is; last is nil for the first.
func (r *rules) timing(kind metric.MetricDescriptor_MetricKind, now, last *monitoringpb.Point) string {
	start, end := now.GetInterval().GetStartTime(), now.GetInterval().GetEndTime().AsTime()
	switch {
	case kind == metric.MetricDescriptor_GAUGE && start != nil && !start.AsTime().Equal(end):
		return "is a gauge over a time"
	case kind == metric.MetricDescriptor_CUMULATIVE && (start == nil || !start.AsTime().Before(end)):
		return "counts over no time"
	case last == nil:
		return ""
	}
	before := last.GetInterval().GetEndTime().AsTime()
	if end.Sub(before) < interval {
		return fmt.Sprintf("comes %s after the point before", end.Sub(before))
	}
	if kind != metric.MetricDescriptor_CUMULATIVE {
		return ""
	}
	same := start.AsTime().Equal(last.GetInterval().GetStartTime().AsTime())
	switch {
	case !same && !start.AsTime().After(before):
		return "starts anew within the stream before"
	case same && Number(now) < Number(last):
		return fmt.Sprintf("falls from %v to %v", Number(last), Number(now))
	}
	return ""
}

// Number is the value of a point; of a distribution its count.
func Number(point *monitoringpb.Point) float64 {
	switch value := point.GetValue().GetValue().(type) {
	case *monitoringpb.TypedValue_Int64Value:
		return float64(value.Int64Value)
	case *monitoringpb.TypedValue_DoubleValue:
		return value.DoubleValue
	default:
		return float64(point.GetValue().GetDistributionValue().GetCount())
	}
}

// NameOf is a series as its type and all of its labels.
func NameOf(one *monitoringpb.TimeSeries) string {
	return one.GetMetric().GetType() + labelText(one.GetMetric().GetLabels()) + " of " +
		one.GetResource().GetType() + labelText(one.GetResource().GetLabels())
}

func labelText(labels map[string]string) string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, key+"="+labels[key])
	}
	return "{" + strings.Join(all, ",") + "}"
}
