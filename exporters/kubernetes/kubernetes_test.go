package kubernetes_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/exporters/kubernetes"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is an agent: a real condition store and the exporter behind it.
type lab struct {
	t        *testing.T
	server   *server
	config   *kubernetes.Config
	settings pipeline.Settings
	store    *condition.Store
	exporter pipeline.Exporter
	statuses pipelinetest.Statuses
	states   chan pipeline.Status
	line     uint64
}

func newLab(t *testing.T, s *server, change ...func(*lab)) *lab {
	t.Helper()
	l := &lab{t: t, server: s, config: kubernetes.DefaultConfig(), settings: pipelinetest.Settings(t, "kubernetes"), states: make(chan pipeline.Status, 1000)}
	l.config.APIServer.Credentials, l.config.APIServer.Server = "none", s.URL
	l.config.Wait.Interval = 100 * time.Millisecond
	l.settings.Host.Run = t.TempDir()
	l.settings.Report = func(status pipeline.Status) {
		l.statuses.Report(status)
		l.states <- status
	}
	for _, f := range change {
		f(l)
	}
	require.NoError(t, l.config.Validate())
	l.store = condition.NewStore(condition.Options{
		Clock: l.settings.Clock, Boot: l.settings.Boot, Node: l.settings.Node, Logger: l.settings.Logger, ExpectSeed: l.config.NodeConditions,
	})
	require.NoError(t, l.store.Configure(&condition.Config{
		Types: []condition.Type{
			{Name: "Deadlock", HealthyReason: "NoDeadlock"}, {Name: "Ready", HealthyReason: "Fine", Reserved: true},
		},
		Rules: []condition.Rule{
			{ID: "hung", Condition: "Deadlock", Reason: "TaskHung"},
			{ID: "kubelet", Condition: "Ready", Reason: "KubeletDown"},
			{ID: "oops", Reason: "KernelOops"},
		},
	}))
	var err error
	l.exporter, err = kubernetes.NewFactory(l.store).Create(l.settings, l.config)
	require.NoError(t, err)
	return l
}

// start starts the agent; the backlog of one receiver is to come.
func (l *lab) start() {
	l.t.Helper()
	l.store.ExpectBacklogs([]string{"kmsg"})
	require.NoError(l.t, l.exporter.Start(l.t.Context()))
	l.t.Cleanup(func() { _ = l.exporter.Shutdown(l.t.Context()) }) // it has ended by then
	l.store.Publish(l.t.Context(), []pipeline.Consumer{l.exporter})
}

func (l *lab) endBacklog() {
	l.t.Helper()
	_, err := l.store.Apply(l.t.Context(), &pipeline.Record{EventName: pipeline.EventBacklogEnd, Receiver: "kmsg"})
	require.NoError(l.t, err)
}

func (l *lab) stop() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	require.NoError(l.t, l.exporter.Shutdown(ctx))
}

// match tells of a rule's match, as the conditions processor does.
func (l *lab) match(rule, reason string) {
	l.t.Helper()
	record := l.record(rule, reason)
	result, err := l.store.Apply(l.t.Context(), &record)
	require.NoError(l.t, err)
	if result.Fired != nil {
		record.Problem = result.Fired
		require.NoError(l.t, l.exporter.Consume(l.t.Context(), []pipeline.Record{record}))
	}
}

func (l *lab) record(rule, reason string) pipeline.Record {
	l.line++
	now := l.settings.Clock.Now()
	record := pipelinetest.ProblemRecord("kmsg", l.line, pipeline.Problem{
		Rule: rule, Reason: reason, Message: "message of " + rule, Severity: log.SeverityWarn, State: pipeline.StateProblem,
	})
	record.Time, record.ObservedTime, record.Boot.At = now.Wall, now.Wall, now.Boot
	return record
}

// await returns the first status in a state from now on.
func (l *lab) await(state pipeline.ComponentState) pipeline.Status {
	l.t.Helper()
	over := time.After(20 * time.Second)
	for {
		select {
		case status := <-l.states:
			if status.State == state {
				return status
			}
		case <-over:
			l.t.Fatalf("waited in vain to be %s; it is %+v", state, l.statuses.Last())
		}
	}
}

func TestTellsTheCluster(t *testing.T) {
	l := newLab(t, newServer(t))
	l.start()
	require.Equal(t, "the Node has not been read yet", l.await(pipeline.ComponentStarting).Reason)
	require.Equal(t, "the backlog and the checks' first verdicts are waited for", l.await(pipeline.ComponentStarting).Reason)
	l.match("hung", "TaskHung")
	l.match("kubelet", "KubeletDown")
	l.match("oops", "KernelOops")
	l.endBacklog()
	l.await(pipeline.ComponentOK)
	l.server.awaitMore(t, http.MethodPut, 3)
	l.stop()
	require.Equal(t, []string{"Deadlock=True TaskHung", "Ready=True KubeletReady"}, l.server.conditions())
	require.Equal(t, []string{"KernelOops of uid-1", "KubeletDown of uid-1", "TaskHung of uid-1"}, l.server.told(t))
	require.Equal(t, 1, count(l.server.all(), http.MethodGet))
	require.Equal(t, 1, count(l.server.all(), http.MethodPatch))
	require.FileExists(t, filepath.Join(l.settings.Host.Run, "otelnpd/reported-boot"))
	require.ErrorContains(t, l.exporter.Consume(t.Context(), nil), "exporter kubernetes is shut down")
}

func TestRestartTakesOverWhatTheNodeSays(t *testing.T) {
	server, run := newServer(t), t.TempDir()
	for range 2 {
		l := newLab(t, server, func(l *lab) { l.settings.Host.Run = run })
		l.start()
		if len(server.told(t)) == 0 {
			l.match("hung", "TaskHung")
		}
		l.endBacklog()
		l.await(pipeline.ComponentOK)
		require.Equal(t, []string{"Deadlock=True TaskHung", "Ready=True KubeletReady"}, server.conditions())
		l.stop()
	}
	require.Equal(t, []string{"TaskHung of uid-1"}, server.told(t))
}

func TestOneHalfAlone(t *testing.T) {
	for name, tt := range map[string]struct {
		change  func(*lab)
		told    []string
		patches int
	}{
		"Events":     {func(l *lab) { l.config.NodeConditions = false }, []string{"TaskHung of uid-1"}, 0},
		"conditions": {func(l *lab) { l.config.Events.Enabled = false }, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, newServer(t), tt.change)
			l.start()
			l.match("hung", "TaskHung")
			l.endBacklog()
			l.await(pipeline.ComponentOK)
			l.stop()
			require.Equal(t, 1, count(l.server.all(), http.MethodGet))
			require.Equal(t, tt.told, l.server.told(t))
			require.Equal(t, tt.told != nil, count(l.server.all(), http.MethodPut) > 0)
			require.Equal(t, tt.patches, count(l.server.all(), http.MethodPatch))
			require.ErrorContains(t, l.exporter.Consume(t.Context(), nil), "exporter kubernetes is shut down")
		})
	}
}

func TestDegradedIsToldWithItsRemedy(t *testing.T) {
	for name, tt := range map[string]struct {
		change         func(*lab)
		reason, remedy string
	}{
		"no credentials": {func(l *lab) {
			l.config.APIServer.Credentials, l.config.APIServer.Kubeconfig = "kubeconfig", filepath.Join(l.settings.Host.Run, "none")
		}, "no such file or directory", "kubeconfig"},
		"no such Node": {func(l *lab) { l.server.setNode(nil) }, `"node-1"`, "service.node"},
		"no right to read": {func(l *lab) { l.server.refuseAll(http.MethodGet, 403) },
			"the test wants it so", "bind the ClusterRole system:node-problem-detector"},
		"no right to patch": {func(l *lab) { l.server.refuseAll(http.MethodPatch, 403) },
			"the test wants it so", "bind the ClusterRole system:node-problem-detector"},
		"no right to tell Events": {func(l *lab) { l.server.refuseAll(http.MethodPut, 403) },
			"the test wants it so", "bind the ClusterRole system:node-problem-detector"},
		"a patch that is refused": {func(l *lab) { l.server.refuseAll(http.MethodPatch, 422) }, "the test wants it so", "read what the server says"},
		"the server is away":      {func(l *lab) { l.server.Close() }, "connection refused", "check that kube-apiserver runs"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, newServer(t), tt.change)
			l.start()
			l.match("oops", "KernelOops")
			l.endBacklog()
			status := l.await(pipeline.ComponentDegraded)
			require.Contains(t, status.Reason, tt.reason)
			require.Contains(t, status.Remedy, tt.remedy)
			require.Error(t, status.Err)
			require.NotContains(t, status.Reason, "\n")
			soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_ = l.exporter.Shutdown(soon) // Events may be left
		})
	}
}

func TestWorksAgain(t *testing.T) {
	server := newServer(t)
	server.setNode(nil)
	l := newLab(t, server)
	l.start()
	l.endBacklog()
	l.await(pipeline.ComponentDegraded)
	server.setNode(newNode("uid-7"))
	l.await(pipeline.ComponentOK)
	server.refuseAll(http.MethodPut, 500)
	l.match("oops", "KernelOops")
	l.await(pipeline.ComponentDegraded)
	l.match("hung", "TaskHung")
	server.awaitMore(t, http.MethodPatch, 2)
	require.Equal(t, pipeline.ComponentDegraded, l.statuses.Last().State, "a half that works does not hide the other")
	server.refuseAll(http.MethodPut, 0)
	l.await(pipeline.ComponentOK)
	l.stop()
	require.Equal(t, []string{"KernelOops of uid-7", "TaskHung of uid-7"}, server.told(t))
}

func TestShutdownTellsWhatIsLeft(t *testing.T) {
	l := newLab(t, newServer(t))
	l.start()
	l.endBacklog()
	l.await(pipeline.ComponentOK)
	l.match("hung", "TaskHung") // within the second after the first patch
	l.match("oops", "KernelOops")
	l.stop()
	require.Equal(t, "Deadlock=True TaskHung", l.server.conditions()[0])
	require.Equal(t, []string{"KernelOops of uid-1", "TaskHung of uid-1"}, l.server.told(t))
}

func TestShutdownInTheMiddleOfAPatch(t *testing.T) {
	l := newLab(t, newServer(t))
	l.start()
	l.await(pipeline.ComponentStarting) // by the report of Start
	l.await(pipeline.ComponentStarting) // by that of the Node
	l.match("hung", "TaskHung")
	release := l.server.hold()
	l.endBacklog()
	l.server.awaitMore(t, http.MethodPatch, 1)
	stopped := make(chan error)
	go func() { stopped <- l.exporter.Shutdown(context.Background()) }()
	l.server.awaitMore(t, http.MethodPatch, 2)
	release()
	require.NoError(t, <-stopped)
	require.Equal(t, "Deadlock=True TaskHung", l.server.conditions()[0])
	require.Equal(t, []string{"TaskHung of uid-1"}, l.server.told(t))
}

func TestShutdownKeepsToItsTime(t *testing.T) {
	l := newLab(t, newServer(t))
	l.start()
	l.endBacklog()
	l.await(pipeline.ComponentOK)
	release := l.server.hold()
	defer release()
	l.match("hung", "TaskHung")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := l.exporter.Shutdown(ctx)
	require.ErrorContains(t, err, "the Node was not told how the conditions stand at the end")
	require.ErrorContains(t, err, "could not be told by Kubernetes Events before the end")
	require.Equal(t, err, l.exporter.Shutdown(t.Context()))
	require.GreaterOrEqual(t, count(l.server.all(), http.MethodPut), 1, "a patch that hangs leaves time for Events")
}

func TestTwoShutdownsAtOnce(t *testing.T) {
	l := newLab(t, newServer(t))
	l.start()
	l.endBacklog()
	done := make(chan error)
	for range 2 {
		go func() { done <- l.exporter.Shutdown(context.Background()) }()
	}
	require.NoError(t, <-done)
	require.NoError(t, <-done)
}

func TestProvisionalTransitionsAreNotToldOf(t *testing.T) {
	server := newServer(t)
	server.setNode(nil)
	l := newLab(t, server)
	l.start()
	l.match("hung", "TaskHung")
	l.endBacklog()
	l.await(pipeline.ComponentDegraded)
	server.setNode(newNode("uid-1"))
	l.await(pipeline.ComponentOK)
	l.stop()
	require.Equal(t, []string{"TaskHung of uid-1"}, server.told(t), "once, when the Node is known")
	require.Equal(t, 1, count(server.all(), http.MethodPatch))
}

func TestContracts(t *testing.T) {
	server := newServer(t)
	oops := pipelinetest.ProblemRecord("kmsg", 2, pipeline.Problem{Rule: "oops", Reason: "KernelOops", Message: "m", Severity: log.SeverityWarn, State: pipeline.StateProblem})
	oops.Time = time.Now()
	pipelinetest.CheckExporter(t, pipelinetest.ExporterUnderTest{
		New: func(t *testing.T) pipeline.Exporter {
			t.Helper()
			return newLab(t, server).exporter
		},
		Batches: [][]pipeline.Record{
			pipelinetest.Lines("kmsg", 1, "a line"),
			{oops},
			{pipelinetest.TransitionRecord(pipeline.Transition{
				Kind: pipeline.TransitionActivation, MakesEvent: true, Severity: log.SeverityWarn, EventMessage: "Node condition Deadlock is now: True",
				Condition: pipeline.Condition{Type: "Deadlock", Status: "True", Reason: "TaskHung"}, Cause: pipeline.Cause{Rule: "hung", Reason: "TaskHung"},
			})},
		},
		Check: func(t *testing.T) {
			t.Helper()
			require.Contains(t, server.told(t), "KernelOops of uid-1")
		},
		Block: func(t *testing.T) func() { t.Helper(); return server.hold() },
	})
}

func TestMetrics(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	l := newLab(t, newServer(t), func(l *lab) {
		l.settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
	})
	l.server.refuseAll(http.MethodPatch, 403)
	l.start()
	l.endBacklog()
	l.await(pipeline.ComponentDegraded)
	l.server.refuseAll(http.MethodPatch, 0)
	l.match("oops", "KernelOops")
	l.await(pipeline.ComponentOK)
	l.server.awaitMore(t, http.MethodPut, 1)
	_, _, others := read(t, reader)
	require.Subset(t, others, []string{"otelnpd.kubernetes.seeded", "otelnpd.kubernetes.last_patch.time", "otelnpd.kubernetes.events"})
	l.stop()
	want := map[string]int64{"GET nodes 200": 1, "PATCH nodes/status 403": 1, "PATCH nodes/status 200": 1, "PUT events 200": 1}
	requests, durations, _ := read(t, reader)
	require.Equal(t, want, requests)
	require.Equal(t, want, durations)
}

// read returns the counts of requests and of their durations, by verb, resource
// and code, and the names of the other metrics.
func read(t *testing.T, reader sdkmetric.Reader) (requests, durations map[string]int64, others []string) {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	requests, durations = map[string]int64{}, map[string]int64{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		switch m.Name {
		case "otelnpd.kubernetes.requests":
			for _, point := range m.Data.(metricdata.Sum[int64]).DataPoints { //nolint:forcetypeassert // a panic fails the test too
				requests[series(point.Attributes.Value)] = point.Value
			}
		case "otelnpd.kubernetes.request.duration":
			require.Equal(t, "s", m.Unit)
			for _, point := range m.Data.(metricdata.Histogram[float64]).DataPoints { //nolint:forcetypeassert // as above
				durations[series(point.Attributes.Value)] = int64(point.Count)
				require.Less(t, point.Sum, 10.0)
			}
		default:
			others = append(others, m.Name)
		}
	}
	return requests, durations, others
}

func series(value func(attribute.Key) (attribute.Value, bool)) string {
	words := make([]string, 0, 3)
	for _, key := range []attribute.Key{"verb", "resource", "code"} {
		word, _ := value(key)
		words = append(words, word.AsString())
	}
	return strings.Join(words, " ")
}

func TestCodesAreFew(t *testing.T) {
	names := map[string]bool{}
	for code := range 100_000 {
		names[kubernetes.CodeName(code)] = true
	}
	require.Len(t, names, 1+13+10)
	require.Equal(t, "none", kubernetes.CodeName(0))
	require.Equal(t, "429", kubernetes.CodeName(429))
	require.Equal(t, "3xx", kubernetes.CodeName(302))
	require.Equal(t, "9xx", kubernetes.CodeName(99999))
}

func TestFactoryRefuses(t *testing.T) {
	_, err := kubernetes.NewFactory(nil).Create(pipelinetest.Settings(t, "kubernetes"), kubernetes.DefaultConfig())
	require.EqualError(t, err, "there are no conditions to tell of")
	_, err = kubernetes.NewFactory(nil).Create(pipelinetest.Settings(t, "kubernetes"), nil)
	require.ErrorContains(t, err, "is not for exporter kubernetes")
	for _, name := range []string{
		"otelnpd.kubernetes.requests", "otelnpd.kubernetes.request.duration", "otelnpd.kubernetes.seeded",
		"otelnpd.kubernetes.last_patch.time", "otelnpd.kubernetes.events",
	} {
		settings := pipelinetest.Settings(t, "kubernetes")
		settings.Meter = brokenMeter{settings.Meter, name}
		_, err := kubernetes.NewFactory(condition.NewStore(condition.Options{})).Create(settings, kubernetes.DefaultConfig())
		require.ErrorIs(t, err, os.ErrInvalid, name)
	}
}

// brokenMeter cannot make one instrument.
type brokenMeter struct {
	metric.Meter
	name string
}

func (b brokenMeter) fault(name string) error {
	if name == b.name {
		return os.ErrInvalid
	}
	return nil
}

func (b brokenMeter) Int64Counter(name string, options ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	made, err := b.Meter.Int64Counter(name, options...)
	if err != nil {
		return nil, err
	}
	return made, b.fault(name)
}

func (b brokenMeter) Float64Histogram(name string, options ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	made, err := b.Meter.Float64Histogram(name, options...)
	if err != nil {
		return nil, err
	}
	return made, b.fault(name)
}

func (b brokenMeter) Int64ObservableGauge(name string, options ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	made, err := b.Meter.Int64ObservableGauge(name, options...)
	if err != nil {
		return nil, err
	}
	return made, b.fault(name)
}

func (b brokenMeter) Float64ObservableGauge(name string, options ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	made, err := b.Meter.Float64ObservableGauge(name, options...)
	if err != nil {
		return nil, err
	}
	return made, b.fault(name)
}
