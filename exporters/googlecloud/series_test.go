package googlecloud_test

import (
	"bufio"
	"context"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/monitoring/apiv3/v2/monitoringpb"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/exporters/googlecloud"
	"github.com/otelnpd/otelnpd/exporters/googlecloud/googlecloudtest"
)

// npdMetric is a line of testdata/npd.txt.
type npdMetric struct {
	name, instrument, values string
	labels                   []string
	wantType, wantKind, want string
}

func npdMetrics(t *testing.T) (all []npdMetric) {
	t.Helper()
	file, err := os.Open("testdata/npd.txt")
	require.NoError(t, err)
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		f := strings.Fields(lines.Text())
		require.Len(t, f, 7, lines.Text())
		one := npdMetric{name: f[0], instrument: f[1], values: f[2], wantType: f[4], wantKind: f[5], want: f[6]}
		if f[3] != "-" {
			one.labels = strings.Split(f[3], ",")
		}
		all = append(all, one)
	}
	require.Len(t, all, 45)
	return all
}

// measure makes an instrument, of either value type, that shows the value.
func (l *lab) measure(t *testing.T, one npdMetric, value *atomic.Int64) {
	t.Helper()
	var about []attribute.KeyValue
	for _, label := range one.labels {
		about = append(about, attribute.String(label, "a "+label))
	}
	with := metric.WithAttributes(about...)
	asWhole := func(_ context.Context, o metric.Int64Observer) error { o.Observe(value.Load(), with); return nil }
	asReal := func(_ context.Context, o metric.Float64Observer) error {
		o.Observe(float64(value.Load()), with)
		return nil
	}
	var err error
	switch one.instrument + " " + one.values {
	case "gauge whole":
		_, err = l.meter.Int64ObservableGauge(one.name, metric.WithUnit("Byte"), metric.WithInt64Callback(asWhole))
	case "gauge real":
		_, err = l.meter.Float64ObservableGauge(one.name, metric.WithUnit("Byte"), metric.WithFloat64Callback(asReal))
	case "counter whole":
		_, err = l.meter.Int64ObservableCounter(one.name, metric.WithInt64Callback(asWhole))
	case "counter real":
		_, err = l.meter.Float64ObservableCounter(one.name, metric.WithFloat64Callback(asReal))
	default:
		t.Fatalf("%s: what is a %s %s?", one.name, one.instrument, one.values)
	}
	require.NoError(t, err)
}

// Every metric of node-problem-detector has there the type, kind, value type, resource
// and labels that its own exporter gives it.
func TestMetricsOfNodeProblemDetector(t *testing.T) {
	all := npdMetrics(t)
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		var value atomic.Int64
		value.Store(1000)
		for _, one := range all {
			l.measure(t, one, &value)
		}
		started := time.Now()
		l.start(t)
		pass(20 * time.Second)
		value.Store(1007)
		pass(time.Minute)

		require.Empty(t, l.Refused())
		require.Empty(t, l.Others(), "no descriptor is asked for or made")
		for _, one := range all {
			series := l.of(one.wantType)
			require.NotEmpty(t, series, one.name)
			last := series[len(series)-1]
			require.Equal(t, one.wantKind, last.GetMetricKind().String(), one.name)
			require.Equal(t, one.want, last.GetValueType().String(), one.name)
			require.Equal(t, "gce_instance", last.GetResource().GetType(), one.name)
			require.Equal(t, map[string]string{"project_id": "a-project-1", "zone": "europe-west1-b", "instance_id": "4711"}, last.GetResource().GetLabels(), one.name)
			want := map[string]string{"instance_name": "gke-a-pool-1"}
			for _, label := range one.labels {
				want[label] = "a " + label
			}
			require.Equal(t, want, last.GetMetric().GetLabels(), one.name)
			require.Empty(t, last.GetUnit(), "Google's own types have theirs")
			requireValue(t, one, last)
			require.WithinRange(t, last.GetPoints()[0].GetInterval().GetEndTime().AsTime(), started, time.Now())
		}
		require.Equal(t, "projects/a-project-1", l.Requests()[0].GetName())
	})
}

// requireValue looks at a point after the reading has gone from 1000 to 1007: what the
// kernel has counted before the exporter's first look is no part of the stream.
func requireValue(t *testing.T, one npdMetric, series *monitoringpb.TimeSeries) {
	t.Helper()
	want := float64(1007)
	if one.instrument == "counter" && one.name != "problem_counter" {
		want = 7
	}
	require.InDelta(t, want, googlecloudtest.Number(series.GetPoints()[0]), 0, one.name)
}

func TestSeriesOfACluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.config.Resource = googlecloud.Resource{Type: googlecloud.K8sNode, Location: "europe-west1", ClusterName: "a-cluster"}
		l.config.CustomMetricPrefix = "custom.googleapis.com/node"
		l.config.MetricTypes = map[string]string{"other": "workload.googleapis.com/another"}
		l.config.Exclude = []string{"un*"}
		l.gauge(t, "cpu/load_1m", 1.5)
		l.gauge(t, "memory/bytes_used", 1024, attribute.String("a.label", strings.Repeat("ä", 600)))
		l.gauge(t, "other", 2)
		l.gauge(t, "unwanted", 3)
		l.gauge(t, strings.Repeat("long", 50), 3)
		l.start(t)
		pass(20 * time.Second)

		require.Empty(t, l.Refused())
		load := l.of("custom.googleapis.com/node/cpu/load_1m")
		require.Len(t, load, 1, "Google's types are for gce_instance alone")
		require.Equal(t, "k8s_node", load[0].GetResource().GetType())
		require.Equal(t, map[string]string{"project_id": "a-project-1", "location": "europe-west1", "cluster_name": "a-cluster", "node_name": "node-1"},
			load[0].GetResource().GetLabels())
		require.Empty(t, load[0].GetMetric().GetLabels())
		memory := l.of("custom.googleapis.com/node/memory/bytes_used")[0]
		require.Equal(t, "By", memory.GetUnit())
		require.Equal(t, "About memory/bytes_used.", memory.GetDescription())
		require.Equal(t, map[string]string{"a_label": strings.Repeat("ä", 512)}, memory.GetMetric().GetLabels())
		require.Len(t, l.of("workload.googleapis.com/another"), 1)
		require.Len(t, l.Series(), 3)
		require.EqualValues(t, 1, l.counted(t, "otelnpd.googlecloud.dropped_metrics", attribute.String("reason", "too_long")))
	})
}

func TestMetricsWithoutATypeAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.gauge(t, "cpu/load_1m", 1)
		l.gauge(t, "node/load", 1)
		l.gauge(t, "a.metric", 2)
		l.start(t)
		pass(5 * time.Minute)

		require.Len(t, l.of("compute.googleapis.com/guest/cpu/load_1m"), 5)
		require.Len(t, l.Series(), 5)
		require.EqualValues(t, 2, l.counted(t, "otelnpd.googlecloud.dropped_metrics", attribute.String("reason", "no_type")))
		require.Equal(t, 1, strings.Count(l.log.String(), "metrics have no type in Cloud Monitoring"), l.log.String())
		require.Contains(t, l.log.String(), `metrics="a.metric node/load"`)
	})
}

// A request has 200 series at most.
func TestManySeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		_, err := l.meter.Int64ObservableGauge("disk/bytes_used", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			for n := range 450 {
				o.Observe(int64(n), metric.WithAttributes(attribute.Int("device_name", n)))
			}
			return nil
		}))
		require.NoError(t, err)
		l.start(t)
		pass(20 * time.Second)
		require.Empty(t, l.Refused())
		require.Len(t, l.Requests(), 3)
		require.Len(t, l.Series(), 450)
		require.EqualValues(t, 450, l.counted(t, "otelnpd.googlecloud.written_points"))
	})
}
