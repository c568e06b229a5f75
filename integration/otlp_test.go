package integration

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"

	"github.com/otelnpd/otelnpd/integration/agent"
)

// TestOTLP lets the agent tell a real Collector of problems while one of the two, or
// what is between them, fails: nothing is missing, and nothing is told that was not.
func TestOTLP(t *testing.T) {
	t.Run("every field arrives", otlpFields)
	t.Run("a Collector that is killed", otlpCollectorKilled)
	t.Run("a Collector that hangs", otlpCollectorHangs)
	t.Run("a Collector that refuses", otlpCollectorRefuses)
	t.Run("an agent that is killed", otlpAgentKilled)
	t.Run("an agent that dies once a record is accepted", otlpFaultPoint)
	t.Run("a reload to another protocol", otlpReload)
	t.Run("an idle node", otlpIdle)
}

func otlpFields(t *testing.T) {
	for name, keys := range map[string][]string{
		"grpc": nil, "grpc gzip": {"compression: gzip"}, "grpc zstd": {"compression: zstd"},
		"http": {"protocol: http/protobuf"}, "http gzip": {"protocol: http/protobuf", "compression: gzip"}, "http zstd": {"protocol: http/protobuf", "compression: zstd"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newOTLPRig(t, keys...)
			if strings.HasPrefix(name, "http") {
				r.settings.OTLP = otlpKeys("http://"+r.collector.HTTP, keys...)
			}
			a := r.live(t, binary, "OTEL_RESOURCE_ATTRIBUTES=k8s.cluster.name=west")
			require.NoError(t, r.mark(1))
			require.NoError(t, r.watch(2))
			require.NoError(t, r.turn())
			require.NoError(t, r.turn())
			r.requireExact(t)
			a.WaitReady(t, a.Ready())
			r.requireFields(t)
			require.Empty(t, a.Console.Events(t, agent.Problem("Seen", "")), "rules in mode observe are for OTLP alone")
		})
	}
}

// requireFields requires all that the documentation says of the records.
func (r *otlpRig) requireFields(t *testing.T) {
	t.Helper()
	resource := r.collector.Logs(t)[0]
	about := texts(resource.GetResource().GetAttributes())
	for key, want := range map[string]string{
		"service.name": "otelnpd", "k8s.node.name": "node-1", "host.name": "node-1", "host.id": r.machine, "host.arch": runtime.GOARCH,
		"os.type": "linux", "k8s.cluster.name": "west",
	} {
		require.Equal(t, want, about[key], key)
	}
	for _, key := range []string{"service.version", "service.instance.id", "os.description"} {
		require.NotEmpty(t, about[key], key)
	}
	require.Equal(t, "https://opentelemetry.io/schemas/1.43.0", resource.GetSchemaUrl())
	require.Equal(t, "github.com/otelnpd/otelnpd", resource.GetScopeLogs()[0].GetScope().GetName())
	records := map[string]*logspb.LogRecord{}
	for _, record := range r.records(t) {
		require.InDelta(t, float64(time.Now().UnixNano()), float64(record.GetTimeUnixNano()), float64(time.Minute))
		require.GreaterOrEqual(t, record.GetObservedTimeUnixNano()+uint64(time.Second), record.GetTimeUnixNano())
		records[record.GetBody().GetStringValue()] = record
	}
	file := map[string]string{"log.file.path": r.path, "log.file.name": "app.log"}
	requireRecord(t, records["MARK 1"], "otelnpd.problem", 13, "WARN", map[string]string{
		"otelnpd.state": "problem", "otelnpd.reason": markedReason, "otelnpd.rule.id": "marked", "otelnpd.source": "otelnpd", "otelnpd.count": "1",
		"otelnpd.receiver": "filelog",
	}, file)
	requireRecord(t, records["WATCHED 2"], "otelnpd.problem", 13, "WARN", map[string]string{
		"otelnpd.state": "problem", "otelnpd.reason": "Seen", "otelnpd.rule.id": "seen", "otelnpd.source": "otelnpd", "otelnpd.count": "1",
		"otelnpd.receiver": "filelog", "otelnpd.observe": "true",
	}, file)
	requireRecord(t, records["HUNG 1"], "otelnpd.condition.transition", 13, "WARN", map[string]string{
		"otelnpd.state": "problem", "otelnpd.reason": "TaskHung", "otelnpd.rule.id": "hung", "otelnpd.source": "otelnpd",
		"k8s.node.condition.type": hang, "k8s.node.condition.status": "true", "otelnpd.transition.kind": "activation",
		"otelnpd.condition.message": "HUNG 1", "otelnpd.cause.reason": "TaskHung", "otelnpd.cause.message": "HUNG 1",
	})
	requireRecord(t, records["no task hangs"], "otelnpd.condition.transition", 9, "INFO", map[string]string{
		"otelnpd.state": "ok", "otelnpd.reason": "NoHang", "otelnpd.rule.id": "hung", "otelnpd.source": "otelnpd",
		"k8s.node.condition.type": hang, "k8s.node.condition.status": "false", "otelnpd.transition.kind": "status",
		"otelnpd.condition.message": "no task hangs", "otelnpd.cause.reason": "TaskHung", "otelnpd.cause.message": "HUNG 1",
	})
}

// requireRecord requires a record's attributes, and no others but its uid.
func requireRecord(t *testing.T, record *logspb.LogRecord, event string, number logspb.SeverityNumber, severity string, attributes ...map[string]string) {
	t.Helper()
	require.NotNil(t, record)
	require.Equal(t, event, record.GetEventName())
	require.Equal(t, number, record.GetSeverityNumber())
	require.Equal(t, severity, record.GetSeverityText())
	got, want := texts(record.GetAttributes()), map[string]string{}
	for _, some := range attributes {
		maps.Copy(want, some)
	}
	want["log.record.uid"] = got["log.record.uid"] // which requireExact has made anew
	if original, told := got["log.record.original"]; told {
		require.Contains(t, original, record.GetBody().GetStringValue())
		delete(got, "log.record.original")
	}
	require.Equal(t, want, got)
}

func texts(attributes []*commonpb.KeyValue) map[string]string {
	all := map[string]string{}
	for _, one := range attributes {
		switch value := one.GetValue().GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			all[one.GetKey()] = value.StringValue
		case *commonpb.AnyValue_IntValue:
			all[one.GetKey()] = strconv.FormatInt(value.IntValue, 10)
		case *commonpb.AnyValue_BoolValue:
			all[one.GetKey()] = strconv.FormatBool(value.BoolValue)
		}
	}
	return all
}

// It is killed between two problems: a Collector that dies takes with it what it has
// accepted and not written.
func otlpCollectorKilled(t *testing.T) {
	for name, end := range map[string]os.Signal{"SIGKILL": syscall.SIGKILL, "SIGTERM": syscall.SIGTERM} {
		for _, protocol := range []string{"grpc", "http/protobuf"} {
			t.Run(name+" "+protocol, func(t *testing.T) {
				t.Parallel()
				r := newOTLPRig(t)
				endpoint := r.collector.GRPC
				if protocol != "grpc" {
					endpoint = r.collector.HTTP
				}
				r.settings.OTLP = otlpKeys("http://"+endpoint, "protocol: "+protocol)
				a := r.live(t, binary)
				for round := range 3 {
					require.NoError(t, r.mark(10*round))
					require.Eventually(t, func() bool { return len(r.missing(t)) == 0 }, patience, tick)
					r.collector.Signal(t, end)
					<-r.collector.Exited()
					require.NoError(t, r.mark(10*round+1))
					require.NoError(t, r.turn())
					awaitDegraded(t, a, "connection refused")
					require.NoError(t, r.mark(10*round+2))
					r.collector.Restart(t)
				}
				r.requireExact(t)
				a.WaitReady(t, a.Ready())
			})
		}
	}
}

// What a Collector had been sent when it was stopped it takes once it goes on: the
// answer was lost, and it is told twice.
func otlpCollectorHangs(t *testing.T) {
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := newOTLPRig(t)
			endpoint := r.collector.GRPC
			if protocol != "grpc" {
				endpoint = r.collector.HTTP
			}
			r.settings.OTLP = otlpKeys("http://"+endpoint, "protocol: "+protocol, "timeout: 500ms")
			a := r.live(t, binary)
			require.NoError(t, r.mark(0))
			require.Eventually(t, func() bool { return len(r.missing(t)) == 0 }, patience, tick)
			r.collector.Signal(t, syscall.SIGSTOP)
			for n := range 5 {
				require.NoError(t, r.mark(n+1))
			}
			require.NoError(t, r.turn())
			awaitDegraded(t, a, "no answer within 500ms")
			require.NoError(t, r.mark(6))
			r.collector.Signal(t, syscall.SIGCONT)
			r.requireExact(t)
			a.WaitReady(t, a.Ready())
		})
	}
}

// otlpKills is how often the agent is killed.
func otlpKills() int {
	if soak() {
		return 300
	}
	return 20
}

// The agent is killed at random instants while lines are written and what is before
// the Collector fails now and then.
func otlpAgentKilled(t *testing.T) {
	t.Parallel()
	r := newOTLPRig(t)
	seed := stormSeed(t)
	t.Logf("OTELNPD_STORM_SEED=%d", seed)
	f := newOTLPFront(t, r.collector, seed)
	r.settings.OTLP = otlpKeys("http://"+f.GRPC, "timeout: 500ms")
	a := r.live(t, binary)
	stop := r.keepWriting(t, rand.New(rand.NewPCG(seed, 1)))
	random := rand.New(rand.NewPCG(seed, 0))
	killAtRandom(t, a, otlpKills(), func() time.Duration { return lifeTime(random) }, func() *agent.Agent { return r.live(t, binary) })
	stop()
	f.Pass()
	r.requireExact(t)
	t.Logf("%d kills; the front: %s", otlpKills(), f)
}

// keepWriting writes lines until the returned function is called.
func (r *otlpRig) keepWriting(t *testing.T, random *rand.Rand) (stop func()) {
	t.Helper()
	ending, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := 0; ; n++ {
			err := r.mark(n)
			if err == nil && random.IntN(10) == 0 {
				err = r.turn()
			}
			if err != nil {
				ended <- err
				return
			}
			select {
			case <-ending:
				ended <- nil
				return
			case <-time.After(time.Duration(5+random.IntN(30)) * time.Millisecond):
			}
		}
	}()
	return func() {
		close(ending)
		require.NoError(t, <-ended)
	}
}

// The worst moment to die: the Collector has a record, and the agent has not noted it.
func otlpFaultPoint(t *testing.T) {
	t.Parallel()
	faulty, err := agent.BuildWithFaults()
	require.NoError(t, err)
	for number := range faultPointRepeats {
		t.Run(strconv.Itoa(number+1), func(t *testing.T) {
			t.Parallel()
			r := newOTLPRig(t)
			a := r.live(t, faulty, fmt.Sprintf("OTELNPD_FAULTPOINT=otlp.accepted:%d", number+1))
			for n, alive := 0, true; alive; n++ {
				require.NoError(t, r.mark(n))
				select {
				case <-a.Exited():
					alive = false
				case <-time.After(150 * time.Millisecond):
				}
				require.Less(t, n, 200, "the agent has not come to the point")
			}
			a = r.live(t, binary)
			a.WaitReady(t, a.Ready())
			require.Eventually(t, func() bool { return len(r.records(t)) > len(r.expected()) }, patience, tick, "what was not noted is told again")
			r.requireExact(t)
		})
	}
}

// What waits when the configuration changes goes by the new one.
func otlpReload(t *testing.T) {
	t.Parallel()
	r := newOTLPRig(t)
	working := r.settings.OTLP
	r.settings.OTLP = otlpKeys("http://127.0.0.1:1")
	a := r.live(t, binary)
	for n := range 3 {
		require.NoError(t, r.mark(n))
	}
	awaitDegraded(t, a, "connection refused")
	for n, keys := range []string{otlpKeys("http://"+r.collector.HTTP, "protocol: http/protobuf"), working} {
		r.settings.OTLP = keys
		r.settings.WriteConfig(t)
		require.NoError(t, r.mark(10+n))
		if n > 0 { // what a Collector has, and has not answered for too long, is sent again
			r.awaitAccepted(t)
		}
		result := agent.Run(t, binary, "", "reload", "--socket", r.settings.Socket)
		require.Zero(t, result.ExitCode, result.Stderr)
		require.NoError(t, r.mark(20+n))
		require.Eventually(t, func() bool { return len(r.missing(t)) == 0 }, patience, tick)
	}
	r.requireExact(t)
	require.Len(t, r.records(t), len(r.expected()), "a reload repeats nothing")
}
