package googlecloud_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/monitoring/apiv3/v2/monitoringpb"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otelnpd/otelnpd/exporters/googlecloud/googlecloudtest"
	"github.com/otelnpd/otelnpd/pipeline"
)

func hang(ctx context.Context, _ *monitoringpb.CreateTimeSeriesRequest) error {
	<-ctx.Done()
	return status.FromContextError(ctx.Err()).Err()
}

// Metrics are state: whatever the server answers, the next period brings them.
func TestAnswers(t *testing.T) {
	type request = monitoringpb.CreateTimeSeriesRequest
	answer := func(code codes.Code, message string) func(context.Context, *request) error {
		return func(context.Context, *request) error { return status.Error(code, message) }
	}
	for name, c := range map[string]struct {
		answer         func(context.Context, *request) error
		code           codes.Code
		reason, remedy string
	}{
		"rights":  {answer(codes.PermissionDenied, "Permission monitoring.timeSeries.create denied"), codes.PermissionDenied, "PermissionDenied: Permission monitoring.timeSeries.create denied", "roles/monitoring.metricWriter in the project a-project-1"},
		"quota":   {answer(codes.ResourceExhausted, "Quota exceeded"), codes.ResourceExhausted, "ResourceExhausted: Quota exceeded", "quotas"},
		"away":    {answer(codes.Unavailable, "The service is currently unavailable."), codes.Unavailable, "Unavailable", "the next period"},
		"token":   {answer(codes.Unauthenticated, "Request had invalid authentication credentials."), codes.Unauthenticated, "Unauthenticated", "credentials"},
		"project": {answer(codes.NotFound, "no such project"), codes.NotFound, "NotFound", "a-project-1"},
		"hangs":   {hang, codes.DeadlineExceeded, "DeadlineExceeded", "reached"},
		"odd":     {answer(codes.Code(77), "?"), codes.Code(77), "Code(77)", "the next period"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t)
				l.gauge(t, "cpu/load_1m", 1)
				l.gauge(t, "cpu/load_5m", 1)
				l.Answer(c.answer)
				start := time.Now()
				l.start(t)
				pass(69 * time.Second)
				degraded := l.statuses.Last()
				require.Equal(t, pipeline.ComponentDegraded, degraded.State)
				require.Contains(t, degraded.Reason, c.reason)
				require.Contains(t, degraded.Remedy, c.remedy)
				require.EqualValues(t, 2, l.counted(t, "otelnpd.googlecloud.failed_points", attribute.String("reason", c.code.String())))
				require.EqualValues(t, 1, l.counted(t, "otelnpd.googlecloud.requests", attribute.String("code", c.code.String())))
				require.Zero(t, l.counted(t, "otelnpd.googlecloud.written_points"))

				l.Answer(nil)
				pass(2 * time.Second)
				require.Equal(t, pipeline.ComponentOK, l.statuses.Last().State)
				require.Equal(t, []time.Duration{70 * time.Second}, l.times(start))
				require.EqualValues(t, 2, l.counted(t, "otelnpd.googlecloud.written_points"))
			})
		})
	}
}

// A series that is refused takes nothing of the others with it.
func TestSingleSeriesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.config.Resource.Type, l.config.Resource.Zone, l.config.Resource.InstanceID, l.config.Resource.InstanceName = "generic_node", "", "", ""
		l.config.MetricTypes = map[string]string{"cpu/load_1m": load} // which is for gce_instance alone
		l.config.CustomMetricPrefix = "custom.googleapis.com"
		l.gauge(t, "cpu/load_1m", 1)
		l.gauge(t, "cpu/load_5m", 1)
		l.gauge(t, "cpu/load_15m", 1)
		l.start(t)
		pass(20 * time.Second)
		require.Len(t, l.Series(), 2)
		require.Equal(t, map[string]string{"project_id": "a-project-1", "location": "global", "namespace": "", "node_id": "node-1"}, l.Series()[0].GetResource().GetLabels())
		require.Len(t, l.Refused(), 1)
		degraded := l.statuses.Last()
		require.Equal(t, pipeline.ComponentDegraded, degraded.State)
		require.True(t, strings.HasPrefix(degraded.Reason, "Cloud Monitoring does not write some of the metrics: InvalidArgument: "+load), degraded.Reason)
		require.Contains(t, degraded.Remedy, "metric_types")
		require.EqualValues(t, 2, l.counted(t, "otelnpd.googlecloud.written_points"))
		require.EqualValues(t, 1, l.counted(t, "otelnpd.googlecloud.failed_points", attribute.String("reason", "InvalidArgument")))
	})
}

// What a server says of a request is taken for no more than it can be.
func TestSummariesThatCannotBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.gauge(t, "cpu/load_1m", 1)
		l.Answer(func(context.Context, *monitoringpb.CreateTimeSeriesRequest) error {
			return googlecloudtest.Partial(-1000, -2000, codes.Internal, "nonsense")
		})
		l.start(t)
		pass(20 * time.Second)
		require.EqualValues(t, 1, l.counted(t, "otelnpd.googlecloud.written_points")+l.counted(t, "otelnpd.googlecloud.failed_points"))
	})
}

// An answer that is too large is not read into memory: the write counts as failed.
func TestAnswerThatIsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.gauge(t, "cpu/load_1m", 1)
		l.Pad(1 << 20)
		l.start(t)
		pass(20 * time.Second)
		degraded := l.statuses.Last()
		require.Equal(t, pipeline.ComponentDegraded, degraded.State)
		require.Contains(t, degraded.Reason, "ResourceExhausted: grpc: received message larger than max")
		require.EqualValues(t, 1, l.counted(t, "otelnpd.googlecloud.failed_points", attribute.String("reason", codes.ResourceExhausted.String())))

		l.Pad(1<<20 - 100)
		pass(time.Minute)
		require.Equal(t, pipeline.ComponentOK, l.statuses.Last().State)
	})
}
