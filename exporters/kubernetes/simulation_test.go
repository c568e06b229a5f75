package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/exporters/kubernetes"
	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// simulated is an API without a network.
type simulated struct {
	mu       sync.Mutex
	hangs    bool
	node     apiserver.Node
	events   map[string]apiserver.Event
	requests []string
}

func (s *simulated) begin(ctx context.Context, request string) error {
	s.mu.Lock()
	s.requests = append(s.requests, request)
	hangs := s.hangs
	s.mu.Unlock()
	if !hangs {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	<-ctx.Done()
	return &apiserver.Error{Kind: apiserver.Unreachable, Err: ctx.Err()}
}

func (s *simulated) Node(ctx context.Context, _ string) (*apiserver.Node, error) {
	if err := s.begin(ctx, "GET"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	node := s.node
	node.Conditions = slices.Clone(node.Conditions)
	return &node, nil
}

func (s *simulated) PatchConditions(ctx context.Context, patch apiserver.Patch) (string, error) {
	words := []string{"PATCH"}
	for _, c := range patch.Conditions {
		words = append(words, c.Type+"="+string(c.Status))
	}
	for _, name := range patch.Delete {
		words = append(words, "-"+name)
	}
	if err := s.begin(ctx, strings.Join(words, " ")); err != nil {
		return "", err
	}
	return s.node.UID, nil
}

func (s *simulated) WriteEvent(ctx context.Context, event *apiserver.Event) error {
	if err := s.begin(ctx, fmt.Sprintf("PUT %s x%d", event.Message, event.Count)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events[event.Name] = *event
	return nil
}

// hang lets requests hang from now on, or no longer.
func (s *simulated) hang(hangs bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangs = hangs
}

// since returns the requests since the last call.
func (s *simulated) since() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests := s.requests
	s.requests = nil
	return requests
}

// counts are those of the Events, as MESSAGE xCOUNT; there is one of each message.
func (s *simulated) counts(t *testing.T) map[string]int32 {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[string]int32{}
	for _, event := range s.events {
		require.Zero(t, counts[event.Message], "two Events of %q", event.Message)
		counts[event.Message] = event.Count
	}
	return counts
}

type bubbleClock struct{ began time.Time }

func (c bubbleClock) Now() pipeline.Instant {
	return pipeline.Instant{Wall: time.Now(), Boot: time.Hour + time.Since(c.began), Raw: time.Hour + time.Since(c.began)}
}

// keeper is the exporter with all that it can.
type keeper interface {
	pipeline.Exporter
	pipeline.Keeper
	pipeline.Heir
	ConditionsChanged()
}

// simulation is an agent in a bubble: a store, the exporter, and what may follow it.
type simulation struct {
	*simulated
	keeper

	t        *testing.T
	config   kubernetes.Config
	settings pipeline.Settings
	store    *condition.Store
	reader   sdkmetric.Reader
	statuses *pipelinetest.Statuses
	line     uint64
}

func simulate(t *testing.T, f func(s *simulation)) {
	t.Helper()
	run := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &simulation{t: t, config: *kubernetes.DefaultConfig(), settings: pipelinetest.Settings(t, "kubernetes"), statuses: &pipelinetest.Statuses{}}
		s.simulated = &simulated{node: apiserver.Node{UID: "uid-1", BootID: pipelinetest.BootID}, events: map[string]apiserver.Event{}}
		s.settings.Clock, s.settings.Host.Run, s.settings.Report = bubbleClock{time.Now()}, run, s.statuses.Report
		s.settings.Boot.Start = time.Now().Add(-time.Hour)
		s.newProcess()
		defer func() {
			require.NoError(t, errors.Join(s.Shutdown(context.Background()), s.store.Shutdown(context.Background())))
		}()
		s.start()
		f(s)
	})
}

// newProcess makes an agent that knows nothing: a store, counters of zero and an
// exporter that has not started.
func (s *simulation) newProcess() {
	s.t.Helper()
	if s.store != nil {
		require.NoError(s.t, s.store.Shutdown(s.t.Context()))
	}
	s.reader = sdkmetric.NewManualReader()
	s.settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader)).Meter("test")
	s.store = condition.NewStore(condition.Options{
		Clock: s.settings.Clock, Boot: s.settings.Boot, Node: "node-1", Logger: s.settings.Logger, ExpectSeed: true,
	})
	require.NoError(s.t, s.store.Configure(conditionConfig()))
	s.store.ExpectBacklogs(nil)
	require.NoError(s.t, s.store.Start(s.t.Context()))
	s.keeper = s.create()
	s.store.Publish(s.t.Context(), []pipeline.Consumer{s.keeper})
}

func conditionConfig() *condition.Config {
	return &condition.Config{
		Hash:  "one",
		Types: []condition.Type{{Name: "Deadlock", HealthyReason: "NoDeadlock"}, {Name: "Slow", HealthyReason: "Fast"}},
		Rules: []condition.Rule{{ID: "hung", Condition: "Deadlock", Reason: "TaskHung"}, {ID: "slow", Condition: "Slow", Reason: "SlowIO"}},
	}
}

func (s *simulation) create() keeper {
	s.t.Helper()
	config := s.config
	exporter, err := kubernetes.NewFactory(s.store, kubernetes.WithAPI(s.simulated)).Create(s.settings, &config)
	require.NoError(s.t, err)
	made, ok := exporter.(keeper)
	require.True(s.t, ok)
	return made
}

func (s *simulation) start() {
	s.t.Helper()
	require.NoError(s.t, s.Start(s.t.Context()))
	synctest.Wait()
}

func (s *simulation) kept() []byte {
	s.t.Helper()
	encode := s.Keep()
	if encode == nil {
		return nil
	}
	text, err := encode()
	require.NoError(s.t, err)
	return text
}

// end ends the exporter at once, as a reload does.
func (s *simulation) end() {
	s.t.Helper()
	now, cancel := context.WithCancel(s.t.Context())
	cancel()
	begun := time.Now()
	require.NoError(s.t, s.Shutdown(now))
	require.Equal(s.t, begun, time.Now(), "promptly")
}

// handOver replaces the exporter; between is called before the new one starts.
func (s *simulation) handOver(change func(*kubernetes.Config), between func()) {
	s.t.Helper()
	old, next := s.keeper, keeper(nil)
	change(&s.config)
	next = s.create()
	s.end()
	next.Inherit(old)
	if text := s.kept(); text != nil {
		require.NoError(s.t, next.Resume(text))
	}
	s.keeper = next
	s.store.Publish(s.t.Context(), []pipeline.Consumer{s.keeper})
	between()
	s.start()
	require.NoError(s.t, old.Shutdown(s.t.Context()))
}

// problem tells of something without a condition.
func (s *simulation) problem(message string) {
	s.t.Helper()
	s.consume(s.record(message))
}

func (s *simulation) record(message string) pipeline.Record {
	s.line++
	record := pipelinetest.ProblemRecord("kmsg", s.line, pipeline.Problem{
		Rule: "oops", Reason: "KernelOops", Message: message, Severity: log.SeverityWarn, State: pipeline.StateProblem,
	})
	record.Time = time.Now()
	return record
}

func (s *simulation) consume(records ...pipeline.Record) {
	s.t.Helper()
	require.NoError(s.t, s.Consume(s.t.Context(), records))
	synctest.Wait()
}

// match turns a condition.
func (s *simulation) match(rule, reason string) {
	s.t.Helper()
	record := s.record("message of " + rule)
	record.Problem.Rule, record.Problem.Reason = rule, reason
	now := s.settings.Clock.Now()
	record.Boot = pipeline.BootTime{ID: s.settings.Boot.ID, At: now.Boot}
	_, err := s.store.Apply(s.t.Context(), &record)
	require.NoError(s.t, err)
	synctest.Wait()
}

func (s *simulation) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// figures are sums and gauges, by NAME or NAME/OUTCOME, without zeros.
func (s *simulation) figures() map[string]float64 {
	s.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(s.t, s.reader.Collect(s.t.Context(), &all))
	figures := map[string]float64{}
	note := func(name, outcome string, value float64) {
		if outcome != "" {
			name += "/" + outcome
		}
		if value != 0 {
			figures[name] = value
		}
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
		name := strings.TrimPrefix(m.Name, "otelnpd.")
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			for _, point := range data.DataPoints {
				outcome, _ := point.Attributes.Value("outcome")
				note(name, outcome.AsString(), float64(point.Value))
			}
		case metricdata.Gauge[int64]:
			note(name, "", float64(data.DataPoints[0].Value))
		case metricdata.Gauge[float64]:
			note(name, "", data.DataPoints[0].Value)
		}
	}
	return figures
}

// series reads which series there are, sorted.
func (s *simulation) series() []string {
	s.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(s.t, s.reader.Collect(s.t.Context(), &all))
	var series []string
	for _, m := range all.ScopeMetrics[0].Metrics {
		for _, attributes := range attributesOf(s.t, m) {
			series = append(series, m.Name+" "+attributes.Encoded(attribute.DefaultEncoder()))
		}
	}
	slices.Sort(series)
	return series
}

func attributesOf(t *testing.T, m metricdata.Metrics) (sets []attribute.Set) {
	t.Helper()
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, point := range data.DataPoints {
			sets = append(sets, point.Attributes)
		}
	case metricdata.Gauge[int64]:
		for _, point := range data.DataPoints {
			sets = append(sets, point.Attributes)
		}
	case metricdata.Gauge[float64]:
		for _, point := range data.DataPoints {
			sets = append(sets, point.Attributes)
		}
	default:
		require.Fail(t, "a metric of another kind", "%s: %T", m.Name, data)
	}
	return sets
}

func TestSimulatedAPI(t *testing.T) {
	simulate(t, func(s *simulation) {
		t := s.t
		require.Equal(t, []string{"GET", "PATCH Deadlock=False Slow=False"}, s.since())
		s.problem("a")
		s.match("hung", "TaskHung")
		s.pass(24 * time.Hour)
		requests := s.since()
		require.Equal(t, "PUT a x1", requests[0])
		require.Len(t, s.events, 2)
		require.InDelta(t, 3+24*12, len(requests), 15, "a day of heartbeats")
		require.Equal(t, pipeline.ComponentOK, s.statuses.Last().State)
		require.Empty(t, requestsCounted(s), "no request was sent")
	})
}

func requestsCounted(s *simulation) (names []string) {
	for name := range s.figures() {
		if strings.HasPrefix(name, "kubernetes.request") {
			names = append(names, name)
		}
	}
	return names
}

var errNobodyRead = errors.New("the Node was read once more")

// mustNotRead fails where the Node is read.
func mustNotRead(requests []string) error {
	if slices.Contains(requests, "GET") {
		return errNobodyRead
	}
	return nil
}
