package otlp_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/otelnpd/otelnpd/exporters/otlp"
	"github.com/otelnpd/otelnpd/exporters/otlp/otlptest"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// lab is a receiver, and the exporters that follow one another before it.
type lab struct {
	*otlptest.Server
	config   *otlp.Config
	settings pipeline.Settings
	clock    *pipelinetest.Clock
	statuses pipelinetest.Statuses
	log      pipelinetest.Output
	reader   sdkmetric.Reader
	source   *source // of metrics to send
	// patience of exporters when a successor takes over; 0: the usual one.
	patience time.Duration
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{Server: otlptest.Start(t, nil), config: otlp.DefaultConfig(), reader: sdkmetric.NewManualReader()}
	l.config.Endpoint, l.config.ProbeInterval, l.config.Resource.Detectors = "http://"+l.GRPC, 0, nil // the test's machine may be in a cloud
	l.clock = pipelinetest.NewClock(pipeline.Instant{Wall: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Boot: time.Hour})
	l.settings = pipelinetest.Settings(t, "otlp")
	l.settings.Clock, l.settings.Report, l.settings.Logger = l.clock, l.statuses.Report, slog.New(slog.NewTextHandler(&l.log, nil))
	l.settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(l.reader)).Meter("test")
	return l
}

// keeper is the exporter with all that it can.
type keeper interface {
	pipeline.Exporter
	pipeline.Keeper
}

func (l *lab) make(t *testing.T) keeper {
	t.Helper()
	exporter, err := otlp.NewFactory(l.source).Create(l.settings, l.config)
	require.NoError(t, err)
	made, ok := exporter.(keeper)
	require.True(t, ok)
	if l.patience > 0 {
		otlp.SetHandOverPatience(made, l.patience)
	}
	return made
}

func (l *lab) start(t *testing.T) keeper {
	t.Helper()
	exporter := l.make(t)
	require.NoError(t, exporter.Start(t.Context()))
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = exporter.Shutdown(ended)
	})
	return exporter
}

func problem(n int, severity log.Severity, text string) pipeline.Record {
	return pipelinetest.ProblemRecord("kmsg", uint64(n), pipeline.Problem{
		Rule: "kernel/oops", Reason: "KernelOops", Severity: severity, State: pipeline.StateProblem, Message: text,
	})
}

func consume(t *testing.T, exporter pipeline.Exporter, texts ...string) {
	t.Helper()
	var batch []pipeline.Record
	for n, text := range texts {
		batch = append(batch, problem(n, log.SeverityError, text))
	}
	require.NoError(t, exporter.Consume(t.Context(), batch))
}

func numbered(from, to int) (texts []string) {
	for n := from; n < to; n++ {
		texts = append(texts, fmt.Sprintf("problem %d", n))
	}
	return texts
}

// sums are the counters and gauges, by name and reason.
func (l *lab) sums(t *testing.T) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, l.reader.Collect(t.Context(), &all))
	sums := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, one := range scope.Metrics {
			data, ok := one.Data.(metricdata.Sum[int64])
			if !ok {
				continue
			}
			for _, point := range data.DataPoints {
				name := strings.TrimPrefix(one.Name, "otelnpd.")
				for _, key := range []string{"reason", "code"} {
					if value, there := point.Attributes.Value(attribute.Key(key)); there {
						name += " " + value.AsString()
					}
				}
				sums[name] += point.Value
			}
		}
	}
	return sums
}

// soon is a reply that asks to come again at once.
func soon(t *testing.T, code codes.Code) otlptest.Reply {
	t.Helper()
	detailed, err := status.New(code, "later").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(5 * time.Millisecond)})
	require.NoError(t, err)
	return otlptest.Reply{GRPC: detailed}
}

func refusing(code codes.Code) otlptest.Reply {
	return otlptest.Reply{GRPC: status.New(code, "not this")}
}

// holds tells whether a request has a record of a text.
func holds(r *otlptest.Request, text string) bool {
	for _, record := range r.Records() {
		if strings.Contains(record.GetBody().GetStringValue(), text) {
			return true
		}
	}
	return false
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	require.Eventually(t, is, 20*time.Second, 5*time.Millisecond, what)
}

func shutdown(t *testing.T, exporter pipeline.Exporter) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	require.NoError(t, exporter.Shutdown(ctx))
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}
