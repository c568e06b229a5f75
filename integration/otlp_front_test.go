package integration

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/otelnpd/otelnpd/exporters/otlp/otlptest"
	"github.com/otelnpd/otelnpd/integration/process"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// otlpFront is before a Collector, refuses, hangs and loses answers at random, and else
// passes requests on.
type otlpFront struct {
	*otlptest.Server
	t       testing.TB
	logs    collogspb.LogsServiceClient
	metrics colmetricspb.MetricsServiceClient

	mu     sync.Mutex
	random *rand.Rand
	passes bool
	counts map[string]int
}

func newOTLPFront(t *testing.T, c *servers.Collector, seed uint64) *otlpFront {
	t.Helper()
	connection, err := grpc.NewClient(c.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	f := &otlpFront{
		t: t, logs: collogspb.NewLogsServiceClient(connection), metrics: colmetricspb.NewMetricsServiceClient(connection), Server: otlptest.Start(t, nil),
		random: rand.New(rand.NewPCG(seed, 7)), counts: map[string]int{},
	}
	f.Answer(f.answer)
	return f
}

// Pass lets all requests through from now on.
func (f *otlpFront) Pass() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.passes = true
}

// String tells what it has done.
func (f *otlpFront) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprint(f.counts)
}

// choose says what becomes of the next request.
func (f *otlpFront) choose() (what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	what = "passed"
	if !f.passes {
		what = [...]string{"passed", "passed", "passed", "exhausted", "unavailable", "answer lost", "hung"}[f.random.IntN(7)]
	}
	f.counts[what]++
	return what
}

func (f *otlpFront) answer(r *otlptest.Request) otlptest.Reply {
	lost := otlptest.Reply{GRPC: status.New(codes.Unavailable, "the answer was lost"), HTTP: http.StatusBadGateway}
	switch f.choose() {
	case "exhausted":
		return f.exhausted()
	case "unavailable":
		return lost
	case "hung":
		return otlptest.Reply{Hold: make(chan struct{})} // until the client leaves
	case "answer lost":
		_ = f.pass(r) // whether it came through or not
		return lost
	default:
		if f.pass(r) != nil {
			return lost
		}
		return otlptest.Reply{}
	}
}

func (f *otlpFront) exhausted() otlptest.Reply {
	refusal, err := status.New(codes.ResourceExhausted, "come again").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(50 * time.Millisecond)})
	if err != nil {
		f.t.Error(err)
	}
	return otlptest.Reply{GRPC: refusal, HTTP: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"1"}}}
}

func (f *otlpFront) pass(r *otlptest.Request) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if r.Metrics != nil {
		_, err := f.metrics.Export(ctx, r.Metrics)
		return err
	}
	_, err := f.logs.Export(ctx, r.ExportLogsServiceRequest)
	return err
}

func otlpCollectorRefuses(t *testing.T) {
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := newOTLPRig(t)
			seed := stormSeed(t)
			t.Logf("OTELNPD_STORM_SEED=%d", seed)
			f := newOTLPFront(t, r.collector, seed)
			endpoint := f.GRPC
			if protocol != "grpc" {
				endpoint = f.HTTP
			}
			r.settings.OTLP = otlpKeys("http://"+endpoint, "protocol: "+protocol, "timeout: 500ms")
			r.live(t, binary)
			stop := r.keepWriting(t, rand.New(rand.NewPCG(seed, 1)))
			time.Sleep(15 * time.Second) // the storm's length
			stop()
			f.Pass()
			r.requireExact(t)
			t.Logf("the front: %s", f)
		})
	}
}

// wire is between agent and Collector, and counts bytes and the pieces in which they
// came.
type wire struct {
	address string
	mu      sync.Mutex
	bytes   int
	pieces  int
	opened  int
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	w := &wire{address: process.FreeAddress(t)}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", w.address)
	require.NoError(t, err)
	var serving sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			w.count(0, 0, 1)
			for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
				serving.Go(func() {
					defer pair[1].Close()
					_, _ = io.Copy(pair[1], io.TeeReader(pair[0], w))
				})
			}
		}
	})
	return w
}

// Write counts what passes.
func (w *wire) Write(piece []byte) (int, error) {
	w.count(len(piece), 1, 0)
	return len(piece), nil
}

func (w *wire) count(bytes, pieces, opened int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes, w.pieces, w.opened = w.bytes+bytes, w.pieces+pieces, w.opened+opened
}

func (w *wire) counts() (bytes, pieces, opened int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bytes, w.pieces, w.opened
}

// A node without problems costs the network next to nothing: no more than 40 kB an hour.
// What an hour costs is reckoned from probes that come more often than by default, with
// a packet and its acknowledgement of 66 bytes beside each piece.
func otlpIdle(t *testing.T) {
	const headers, hour, limit = 2 * 66, 12, 40_000 // an hour has 12 probes
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := newOTLPRig(t)
			to := r.collector.GRPC
			if protocol != "grpc" {
				to = r.collector.HTTP
			}
			w := newWire(t, to)
			r.settings.OTLP = otlpKeys("http://"+w.address, "protocol: "+protocol, "probe_interval: 1s")
			a := r.live(t, binary)
			a.WaitReady(t, a.Ready())
			probes := func() int { return int(a.Sum(t, "otelnpd_otlp_requests_total", nil)) }
			require.Eventually(t, func() bool { return probes() >= 2 }, patience, tick)
			before, bytes, pieces, _ := measured(probes, w)
			require.Eventually(t, func() bool { return probes() >= before+10 }, patience, tick)
			after, bytesAfter, piecesAfter, opened := measured(probes, w)
			each := (bytesAfter - bytes + headers*(piecesAfter-pieces)) / (after - before)
			t.Logf("a probe is %d bytes in %d pieces, an hour %d bytes", each, (piecesAfter-pieces)/(after-before), each*hour)
			require.LessOrEqual(t, each*hour, limit)
			require.Equal(t, 1, opened, "one connection is enough")
			require.Empty(t, strings.TrimSpace(strings.Join(r.missing(t), "")))
		})
	}
}

func measured(probes func() int, w *wire) (count, bytes, pieces, opened int) {
	count = probes()
	bytes, pieces, opened = w.counts()
	return count, bytes, pieces, opened
}
