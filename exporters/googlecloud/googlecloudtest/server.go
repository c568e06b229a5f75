// Package googlecloudtest has a Cloud Monitoring that records what is written to it,
// and refuses what the real one would, and a metadata server, for tests.
package googlecloudtest

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"

	"cloud.google.com/go/monitoring/apiv3/v2/monitoringpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Server is a Cloud Monitoring. It is safe for concurrent use.
type Server struct {
	monitoringpb.UnimplementedMetricServiceServer
	// Address is HOST:PORT; empty for one in memory.
	Address string
	// Dial connects to one in memory.
	Dial func(context.Context, string) (net.Conn, error)

	mu       sync.Mutex
	padding  int
	answer   func(context.Context, *monitoringpb.CreateTimeSeriesRequest) error
	requests []*monitoringpb.CreateTimeSeriesRequest
	refused  []string
	rules    rules
	others   []string
	tokens   map[string]bool
}

// Start starts a server on loopback, without TLS. It ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, listener)
	s.Address = listener.Addr().String()
	return s
}

// StartTLS starts a server on loopback, with TLS. It ends with the test.
func StartTLS(t testing.TB, config *tls.Config) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, listener, grpc.Creds(credentials.NewTLS(config)))
	s.Address = listener.Addr().String()
	return s
}

// StartInMemory starts a server that is reached by its Dial alone: with it time can be
// the test's own.
func StartInMemory(t testing.TB) *Server {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	s := serve(t, listener)
	s.Dial = func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }
	return s
}

func serve(t testing.TB, listener net.Listener, options ...grpc.ServerOption) *Server {
	t.Helper()
	s := &Server{rules: newRules(), tokens: map[string]bool{}}
	server := grpc.NewServer(append(options, grpc.UnaryInterceptor(s.note))...)
	monitoringpb.RegisterMetricServiceServer(server, s)
	var done sync.WaitGroup
	done.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		server.Stop()
		done.Wait()
	})
	return s
}

func (s *Server) note(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	s.mu.Lock()
	if info.FullMethod != monitoringpb.MetricService_CreateTimeSeries_FullMethodName {
		s.others = append(s.others, info.FullMethod)
	}
	for _, token := range metadata.ValueFromIncomingContext(ctx, "authorization") {
		s.tokens[token] = true
	}
	s.mu.Unlock()
	return handle(ctx, request)
}

// Answer makes the server answer with what f returns, before it looks at the request;
// nil: it writes again.
func (s *Server) Answer(f func(context.Context, *monitoringpb.CreateTimeSeriesRequest) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// Pad makes answers of success so many bytes larger than they need to be.
func (s *Server) Pad(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.padding = bytes
}

// CreateTimeSeries implements the service.
func (s *Server) CreateTimeSeries(ctx context.Context, request *monitoringpb.CreateTimeSeriesRequest) (*emptypb.Empty, error) {
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	if answer != nil {
		if err := answer(ctx, request); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(request.GetTimeSeries()) > 200 {
		return nil, status.Errorf(codes.InvalidArgument, "%d series, at most 200 are taken", len(request.GetTimeSeries()))
	}
	written, refusals := s.rules.check(request.GetTimeSeries())
	if len(written) > 0 {
		kept, _ := proto.Clone(request).(*monitoringpb.CreateTimeSeriesRequest)
		kept.TimeSeries = written
		s.requests = append(s.requests, kept)
	}
	if len(refusals) > 0 {
		s.refused = append(s.refused, refusals...)
		return nil, Partial(len(request.GetTimeSeries()), len(refusals), codes.InvalidArgument, refusals[0])
	}
	success := &emptypb.Empty{}
	if s.padding > 0 {
		const unknownField = 1
		success.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, unknownField, protowire.BytesType), make([]byte, s.padding)))
	}
	return success, nil
}

// Partial is the answer of a server that has not written some points of a request.
func Partial(points, failed int, code codes.Code, message string) error {
	answer, err := status.New(code, message).WithDetails(&monitoringpb.CreateTimeSeriesSummary{
		TotalPointCount: int32(points), SuccessPointCount: int32(points - failed), //nolint:gosec // at most 200
		Errors: []*monitoringpb.CreateTimeSeriesSummary_Error{{
			Status: status.New(code, message).Proto(), PointCount: int32(failed), //nolint:gosec // at most 200
		}},
	})
	if err != nil {
		return err
	}
	return answer.Err()
}

// Requests returns the requests of which something was written, with that alone.
func (s *Server) Requests() []*monitoringpb.CreateTimeSeriesRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*monitoringpb.CreateTimeSeriesRequest(nil), s.requests...)
}

// Series returns all that was written, in order.
func (s *Server) Series() []*monitoringpb.TimeSeries {
	var all []*monitoringpb.TimeSeries
	for _, request := range s.Requests() {
		all = append(all, request.GetTimeSeries()...)
	}
	return all
}

// Refused returns what was refused because of what it was, in words.
func (s *Server) Refused() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.refused...)
}

// Authorizations returns what requests have shown to be let in, each once.
func (s *Server) Authorizations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.tokens))
}

// Others returns the names of other methods that were called.
func (s *Server) Others() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.others...)
}
