package googlecloud

import (
	"context"
	"sync"

	monitoring "cloud.google.com/go/monitoring/apiv3/v2/monitoringpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// outcome is what came of one export.
type outcome struct {
	mu              sync.Mutex
	points, written int64
	// failed counts points by why they were not written.
	failed map[codes.Code]int64
	// worst is the first answer that was no success.
	worst *status.Status
}

// outcomeKey is where a context has its outcome.
type outcomeKey struct{}

func (o *outcome) within(ctx context.Context) context.Context {
	return context.WithValue(ctx, outcomeKey{}, o)
}

// intercept notes the answers to requests: what the library returns says neither how
// many points an answer is about, nor which part of them was written.
//
//nolint:contextcheck // counting needs no context
func (m *metrics) intercept(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn,
	invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	err := invoke(ctx, method, request, reply, conn, options...)
	answer := status.Convert(err)
	m.requested(answer.Code())
	sent, writes := request.(*monitoring.CreateTimeSeriesRequest)
	export, known := ctx.Value(outcomeKey{}).(*outcome)
	if writes && known {
		export.note(len(sent.GetTimeSeries()), answer)
	}
	return err
}

// note takes down the answer to a request of so many series, of one point each.
func (o *outcome) note(series int, answer *status.Status) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.points += int64(series)
	if answer.Code() == codes.OK {
		o.written += int64(series)
		return
	}
	if o.worst == nil {
		o.worst = answer
	}
	if o.failed == nil {
		o.failed = map[codes.Code]int64{}
	}
	left := int64(series)
	if summary := summaryOf(answer); summary != nil {
		written := min(max(int64(summary.GetSuccessPointCount()), 0), left)
		o.written, left = o.written+written, left-written
		for _, one := range summary.GetErrors() {
			points := min(max(int64(one.GetPointCount()), 0), left)
			o.failed[codes.Code(one.GetStatus().GetCode())] += points //nolint:gosec // an odd code is a number in a metric
			left -= points
		}
	}
	if left > 0 {
		o.failed[answer.Code()] += left
	}
}

// summaryOf is how the server tells that it has written a part; nil: it has not.
func summaryOf(answer *status.Status) *monitoring.CreateTimeSeriesSummary {
	for _, detail := range answer.Details() {
		if summary, ok := detail.(*monitoring.CreateTimeSeriesSummary); ok {
			return summary
		}
	}
	return nil
}
