package otlp_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/exporters/otlp/otlptest"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/outbox"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	for _, protocol := range []collector.Protocol{collector.GRPC, collector.HTTP} {
		t.Run(string(protocol), func(t *testing.T) {
			l := newLab(t)
			next := func(t *testing.T) pipeline.Exporter {
				t.Helper()
				l.config.Protocol, l.config.Endpoint = protocol, "http://"+l.GRPC
				if protocol == collector.HTTP {
					l.config.Endpoint = "http://" + l.HTTP
				}
				return l.make(t)
			}
			pipelinetest.CheckExporter(t, pipelinetest.ExporterUnderTest{
				New: func(t *testing.T) pipeline.Exporter {
					t.Helper()
					l.Forget()
					return next(t)
				},
				Successor: next,
				Batches: [][]pipeline.Record{
					{problem(1, log.SeverityError, "one"), pipelinetest.Lines("kmsg", 2, "a line")[0]},
					{problem(3, log.SeverityDebug, "two"), pipelinetest.TransitionRecord(pipeline.Transition{
						Kind: pipeline.TransitionStatus, Condition: pipeline.Condition{Type: "Deadlock", Message: "three"},
					})},
				},
				Check: func(t *testing.T) {
					t.Helper()
					told := l.Bodies() // what a client has left may be taken all the same
					require.Subset(t, told, []string{"one", "two", "three", "a line"})
					require.Subset(t, []string{"one", "two", "three", "a line"}, told)
				},
				Block: func(t *testing.T) func() {
					t.Helper()
					server, held := l.Server, make(chan struct{})
					server.Answer(func(*otlptest.Request) otlptest.Reply { return otlptest.Reply{Hold: held} })
					return func() {
						server.Answer(nil)
						close(held)
					}
				},
			})
		})
	}
}

func TestWhoseRecordsTheyAre(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.cluster.name=west,service.namespace=monitoring,os.type=plan9,k8s.node.uid=a%2Fb")
	l := newLab(t)
	root := t.TempDir()
	writeFile(t, root+"/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
	writeFile(t, root+"/etc/os-release", "NAME=x\nPRETTY_NAME=\"Some Linux 12\xff\"\n")
	l.settings.Host.Root = root
	exporter := l.start(t)
	consume(t, exporter, "one")
	l.WaitForBodies(t, 1)
	sent := l.Requests()[0].GetResourceLogs()[0]
	var got []string
	for _, one := range sent.GetResource().GetAttributes() {
		got = append(got, one.GetKey()+"="+one.GetValue().GetStringValue())
	}
	id := slices.IndexFunc(got, func(s string) bool { return strings.HasPrefix(s, "service.instance.id=") })
	require.Regexp(t, `^service.instance.id=[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$`, got[id])
	require.Equal(t, []string{
		"host.arch=" + runtime.GOARCH, "host.id=0123456789abcdef0123456789abcdef", "host.name=node-1", "k8s.cluster.name=west", "k8s.node.name=node-1",
		"k8s.node.uid=a/b", `os.description=Some Linux 12\xff`, "os.name=x", "os.type=plan9", "service.name=otelnpd", "service.namespace=monitoring", "service.version=test",
	}, slices.Delete(got, id, id+1))
	require.Equal(t, "https://opentelemetry.io/schemas/1.43.0", sent.GetSchemaUrl())
	require.Equal(t, "github.com/otelnpd/otelnpd", sent.GetScopeLogs()[0].GetScope().GetName())
	require.Equal(t, "test", sent.GetScopeLogs()[0].GetScope().GetVersion())
}

// What fails for a while is sent again, in order, and once.
func TestWhatMayPassIsSentAgain(t *testing.T) {
	l := newLab(t)
	failures := 0
	l.Answer(func(*otlptest.Request) otlptest.Reply {
		if failures++; failures <= 5 {
			return soon(t, []codes.Code{codes.Unavailable, codes.ResourceExhausted}[failures%2])
		}
		return otlptest.Reply{}
	})
	exporter := l.start(t)
	consume(t, exporter, "one", "two")
	require.Equal(t, []string{"one", "two"}, l.WaitForBodies(t, 2))
	eventually(t, "the status", func() bool { return l.statuses.Last().State == pipeline.ComponentOK })
	shutdown(t, exporter)
	sums := l.sums(t)
	require.EqualValues(t, 2, sums["exporter.sent_records"])
	require.Zero(t, sums["exporter.queue_length"])
	require.EqualValues(t, 1, sums["otlp.requests OK"])
	require.EqualValues(t, 5, sums["otlp.requests Unavailable"]+sums["otlp.requests ResourceExhausted"])
}

func TestACollectorThatIsAwayIsTold(t *testing.T) {
	l := newLab(t)
	l.Answer(func(*otlptest.Request) otlptest.Reply { return refusing(codes.Unavailable) })
	exporter := l.start(t)
	consume(t, exporter, "one")
	eventually(t, "the status", func() bool { return l.statuses.Last().State == pipeline.ComponentDegraded })
	require.Contains(t, l.statuses.Last().Reason, "does not take records: Unavailable: not this")
	require.NotEmpty(t, l.statuses.Last().Remedy)
	l.Answer(nil)
	l.WaitForBodies(t, 1)
	eventually(t, "the status", func() bool { return l.statuses.Last().State == pipeline.ComponentOK })
}

// One record that the Collector refuses takes no other with it.
func TestTheRecordThatIsRefusedIsFound(t *testing.T) {
	for _, code := range []codes.Code{codes.InvalidArgument, codes.Internal} {
		for _, bad := range []int{0, 1, 500, 998, 999} {
			t.Run(fmt.Sprint(code, bad), func(t *testing.T) {
				l := newLab(t)
				l.Answer(func(r *otlptest.Request) otlptest.Reply {
					if holds(r, "bad") {
						return refusing(code)
					}
					return otlptest.Reply{}
				})
				exporter := l.make(t)
				texts := numbered(0, 1000)
				texts[bad] = "bad"
				consume(t, exporter, texts...)
				require.NoError(t, exporter.Start(t.Context()))
				shutdown(t, exporter)
				require.Equal(t, slices.Delete(texts, bad, bad+1), l.Bodies())
				sums := l.sums(t)
				require.EqualValues(t, 1, sums["exporter.dropped_records refused"])
				require.EqualValues(t, 999, sums["exporter.sent_records"])
				require.Less(t, len(l.Requests()), 40)
				require.Contains(t, l.log.String(), "first=bad")
			})
		}
	}
}

// A limit on the size of requests is found out, and kept to.
func TestALimitOfTheCollectorIsKeptTo(t *testing.T) {
	l := newLab(t)
	l.Answer(func(r *otlptest.Request) otlptest.Reply {
		if len(r.Records()) > 10 {
			return refusing(codes.ResourceExhausted)
		}
		return otlptest.Reply{}
	})
	exporter := l.make(t)
	consume(t, exporter, numbered(0, 100)...)
	require.NoError(t, exporter.Start(t.Context()))
	shutdown(t, exporter)
	require.Equal(t, numbered(0, 100), l.Bodies())
	require.EqualValues(t, 100, l.sums(t)["exporter.sent_records"])
}

func TestPartialSuccessIsCounted(t *testing.T) {
	for rejected, want := range map[int64]int64{1: 1, 2: 2, 100: 3, -5: 0, 0: 0} {
		l := newLab(t)
		l.Answer(func(*otlptest.Request) otlptest.Reply {
			return otlptest.Reply{Partial: &collogspb.ExportLogsPartialSuccess{RejectedLogRecords: rejected, ErrorMessage: "too old"}}
		})
		exporter := l.make(t)
		consume(t, exporter, "one", "two", "three")
		require.NoError(t, exporter.Start(t.Context()))
		shutdown(t, exporter)
		sums := l.sums(t)
		require.Equal(t, want, sums["exporter.dropped_records rejected"])
		require.Equal(t, 3-want, sums["exporter.sent_records"])
		require.Len(t, l.Requests(), 1, "it is not sent again")
		require.Contains(t, l.log.String(), "too old")
	}
}

// What nobody takes is tried for an hour, since rights are often mended by then, and
// does not block for ever.
func TestAMisdirectedRecordHasAnHour(t *testing.T) {
	for code, remedy := range map[codes.Code]string{codes.PermissionDenied: "credentials", codes.ResourceExhausted: "limit"} {
		t.Run(code.String(), func(t *testing.T) {
			t.Parallel()
			hasAnHour(t, code, remedy)
		})
	}
}

func hasAnHour(t *testing.T, code codes.Code, remedy string) {
	t.Helper()
	l := newLab(t)
	l.Answer(func(r *otlptest.Request) otlptest.Reply {
		if holds(r, "forbidden") {
			return refusing(code)
		}
		return otlptest.Reply{}
	})
	exporter := l.start(t)
	consume(t, exporter, "forbidden")
	eventually(t, "the status", func() bool { return strings.Contains(l.statuses.Last().Remedy, remedy) })
	l.clock.Advance(59 * time.Minute)
	l.WaitFor(t, "another try", func(all []*otlptest.Request) bool { return len(all) >= 2 })
	require.Zero(t, l.sums(t)["exporter.dropped_records misdirected"])
	l.clock.Advance(time.Minute)
	eventually(t, "the record to be given up", func() bool { return l.sums(t)["exporter.dropped_records misdirected"] == 1 })
	require.Contains(t, l.log.String(), "first=forbidden")
	consume(t, exporter, "welcome")
	require.Equal(t, []string{"welcome"}, l.WaitForBodies(t, 1))
}

func TestRightsThatComeInTimeLoseNothing(t *testing.T) {
	l := newLab(t)
	l.Answer(func(*otlptest.Request) otlptest.Reply { return refusing(codes.Unauthenticated) })
	exporter := l.start(t)
	consume(t, exporter, "one")
	l.WaitFor(t, "a try", func(all []*otlptest.Request) bool { return len(all) >= 1 })
	l.clock.Advance(59 * time.Minute)
	l.Answer(nil)
	require.Equal(t, []string{"one"}, l.WaitForBodies(t, 1))
}

// An outage of any length costs bounded memory, and the least severe first.
func TestAnOutageDropsTheLeastSevereFirst(t *testing.T) {
	l := newLab(t)
	exporter := l.make(t)
	padding := strings.Repeat("x", 100_000)
	require.NoError(t, exporter.Consume(t.Context(), []pipeline.Record{problem(0, log.SeverityFatal, "fatal")}))
	for n := range 60 {
		require.NoError(t, exporter.Consume(t.Context(), []pipeline.Record{problem(n+1, log.SeverityWarn, fmt.Sprintf("warning %d %s", n, padding))}))
	}
	sums := l.sums(t)
	require.LessOrEqual(t, sums["exporter.queue_size"], int64(outbox.DefaultMaxBytes))
	require.Positive(t, sums["exporter.dropped_records outbox_full"])
	require.Equal(t, 1, strings.Count(l.log.String(), "records are dropped"))
	require.NoError(t, exporter.Start(t.Context()))
	shutdown(t, exporter)
	bodies := l.Bodies()
	require.Equal(t, "fatal", bodies[0])
	require.Contains(t, bodies[len(bodies)-1], "warning 59 ")
	require.EqualValues(t, 61, int64(len(bodies))+sums["exporter.dropped_records outbox_full"])
	for _, request := range l.Requests() {
		require.Less(t, len(request.String()), 2<<20, "requests are small enough for a Collector")
	}
}

func TestProbes(t *testing.T) {
	l := newLab(t)
	l.config.ProbeInterval = time.Second
	l.Answer(func(*otlptest.Request) otlptest.Reply { return refusing(codes.Unavailable) })
	exporter := l.start(t)
	require.Equal(t, pipeline.ComponentStarting, l.statuses.Last().State)
	eventually(t, "the status", func() bool { return l.statuses.Last().State == pipeline.ComponentDegraded })
	l.Answer(nil)
	eventually(t, "the status", func() bool { return l.statuses.Last().State == pipeline.ComponentOK })
	for _, request := range l.Requests() {
		require.Empty(t, request.GetResourceLogs())
	}
	before := len(l.Requests())
	l.WaitFor(t, "more", func(all []*otlptest.Request) bool { return len(all) >= before+2 })
	shutdown(t, exporter)
	require.Zero(t, l.sums(t)["exporter.sent_records"])
}

func TestWithoutProbesNothingIsSent(t *testing.T) {
	l := newLab(t)
	exporter := l.start(t)
	require.Equal(t, pipeline.ComponentOK, l.statuses.Last().State)
	shutdown(t, exporter)
	require.Empty(t, l.Requests())
}

// The log and the status never show what may be a secret.
func TestSecretsStaySecret(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-token=hush%0A,broken hush,authorization=Basic%20hush")
	l := newLab(t)
	l.config.Headers = map[string]string{"api-key": "hush"}
	l.Answer(func(*otlptest.Request) otlptest.Reply { return refusing(codes.Unauthenticated) })
	exporter := l.start(t)
	consume(t, exporter, "one")
	eventually(t, "the status", func() bool { return l.statuses.Last().State == pipeline.ComponentDegraded })
	require.Equal(t, []string{"hush"}, l.Requests()[0].Header.Get("api-key"))
	require.Equal(t, []string{"Basic hush"}, l.Requests()[0].Header.Get("authorization"))
	require.Contains(t, l.log.String(), "OTEL_EXPORTER_OTLP_HEADERS")
	require.NotContains(t, l.log.String()+l.statuses.Last().Reason, "hush")
}
