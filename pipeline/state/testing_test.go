package state_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/state"
	"github.com/otelnpd/otelnpd/pipeline/state/statetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// file makes a file of schema 1 of a payload, which may be anything.
func file(payload string) string {
	return fmt.Sprintf("{\"otelnpd_state\":1,\"sha256\":\"%x\",\"payload\":%s}\n", sha256.Sum256([]byte(payload)), payload)
}

func errorsIsOne(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// agent is what surrounds a writer.
type agent struct {
	disk   *statetest.Disk
	reader *sdkmetric.ManualReader
	meters *sdkmetric.MeterProvider
	log    bytes.Buffer // read once the writer has ended

	mu       sync.Mutex
	value    int
	capture  func() error // what a capture does and returns first
	captures int
	statuses []pipeline.Status
	writes   []time.Time // when files were renamed
}

func newAgent() *agent {
	a := &agent{disk: statetest.NewDisk(), reader: sdkmetric.NewManualReader()}
	a.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(a.reader))
	a.disk.Before(func(operation statetest.Operation) error {
		if operation == statetest.Rename {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.writes = append(a.writes, time.Now())
		}
		return nil
	})
	return a
}

func (a *agent) options() state.Options {
	return state.Options{
		Dir:     "/var/lib/otelnpd",
		Clock:   pipeline.SystemClock{},
		Logger:  slog.New(slog.NewTextHandler(&a.log, nil)),
		Meter:   a.meters.Meter("test"),
		Version: "v1", Node: "node-1", BootID: "boot-1",
		Capture: a.take,
		Report: func(status pipeline.Status) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.statuses = append(a.statuses, status)
		},
		Disk: a.disk,
	}
}

func (a *agent) take() (map[string]pipeline.Encode, error) {
	a.mu.Lock()
	a.captures++
	value, capture := a.value, a.capture
	a.mu.Unlock()
	if capture != nil {
		if err := capture(); err != nil {
			return nil, err
		}
	}
	return map[string]pipeline.Encode{
		"value": func() ([]byte, error) { return fmt.Appendf(nil, "%d", value), nil },
	}, nil
}

func (a *agent) onCapture(f func() error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.capture = f
}

// set changes what is kept.
func (a *agent) set(value int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.value = value
}

// start makes a writer that runs; the test ends it.
func (a *agent) start(t *testing.T) *state.Writer {
	t.Helper()
	w, err := state.NewWriter(a.options())
	require.NoError(t, err)
	require.NoError(t, w.Start(t.Context()))
	t.Cleanup(func() { // of a test that has failed
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = w.Shutdown(ctx)
	})
	return w
}

// on returns what is on a disk; 0: nothing yet.
func on(t *testing.T, disk *statetest.Disk) int {
	t.Helper()
	data := disk.File("state.json")
	if data == nil {
		return 0
	}
	document, err := state.Decode(data)
	require.NoError(t, err)
	var value int
	_, err = fmt.Sscan(string(document.Sections["value"]), &value)
	require.NoError(t, err)
	return value
}

// seconds returns when writes happened since begun, rounded to hundredths.
func (a *agent) seconds(begun time.Time) []float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	var at []float64
	for _, write := range a.writes {
		at = append(at, write.Sub(begun).Round(10*time.Millisecond).Seconds())
	}
	return at
}

func (a *agent) status() pipeline.Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.statuses) == 0 {
		return pipeline.Status{}
	}
	return a.statuses[len(a.statuses)-1]
}

func (a *agent) requireOK(t *testing.T) {
	t.Helper()
	require.Equal(t, pipeline.Status{State: pipeline.ComponentOK}, a.status())
	require.Equal(t, 0, a.figure(t, "otelnpd.state.degraded"))
}

func (a *agent) requireDegraded(t *testing.T, reason, remedy string) {
	t.Helper()
	status := a.status()
	require.Equal(t, pipeline.ComponentDegraded, status.State)
	require.Contains(t, status.Reason, reason)
	require.Contains(t, status.Remedy, remedy)
	require.Error(t, status.Err)
	require.Equal(t, 1, a.figure(t, "otelnpd.state.degraded"))
}

func (a *agent) takes() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.captures
}

// figure reads a metric, by NAME or NAME/VALUE of its attribute; of a histogram
// the count.
func (a *agent) figure(t *testing.T, name string) int {
	t.Helper()
	figures := a.figures(t)
	require.Contains(t, figures, name)
	return int(figures[name])
}

func (a *agent) figures(t *testing.T) map[string]float64 {
	t.Helper()
	var read metricdata.ResourceMetrics
	require.NoError(t, a.reader.Collect(context.Background(), &read))
	figures := map[string]float64{}
	for _, scope := range read.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					figures[m.Name+"/"+point.Attributes.ToSlice()[0].Value.AsString()] = float64(point.Value)
				}
			case metricdata.Gauge[int64]:
				figures[m.Name] = float64(data.DataPoints[0].Value)
			case metricdata.Gauge[float64]:
				figures[m.Name] = data.DataPoints[0].Value
			case metricdata.Histogram[float64]:
				figures[m.Name] = float64(data.DataPoints[0].Count)
			default:
				t.Fatalf("%s is %T", m.Name, data)
			}
		}
	}
	return figures
}

func shutdown(t *testing.T, w *state.Writer) {
	t.Helper()
	require.NoError(t, w.Shutdown(context.Background()))
}
