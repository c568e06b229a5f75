// Package otlptest holds an OTLP receiver for tests, which answers as it is told to: a
// Collector cannot be made to refuse.
package otlptest

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Reply is the answer to a request; the zero value accepts it.
type Reply struct {
	// Hold, if set, keeps the request until it is closed or the client has left.
	Hold <-chan struct{}
	// GRPC is the status over gRPC; nil: OK.
	GRPC *status.Status
	// HTTP is the status over HTTP; 0: 200. Header and Body belong to it.
	HTTP   int
	Header http.Header
	Body   []byte
	// Partial is told of a request that is accepted.
	Partial *collogspb.ExportLogsPartialSuccess
	// PartialMetrics likewise, of metrics.
	PartialMetrics *colmetricspb.ExportMetricsPartialSuccess
}

func (r Reply) accepts() bool { return r.GRPC == nil && r.HTTP == 0 }

// Request is a request that has come.
type Request struct {
	// ExportLogsServiceRequest is nil for metrics.
	*collogspb.ExportLogsServiceRequest
	// Metrics is nil for logs.
	Metrics *colmetricspb.ExportMetricsServiceRequest
	// Header has the keys in small letters.
	Header metadata.MD
	// Path is that of HTTP.
	Path     string
	Accepted bool
}

// Records are the request's records.
func (r *Request) Records() (records []*logspb.LogRecord) {
	for _, resource := range r.GetResourceLogs() {
		for _, scope := range resource.GetScopeLogs() {
			records = append(records, scope.GetLogRecords()...)
		}
	}
	return records
}

// Server is a running receiver. It is safe for concurrent use.
type Server struct {
	collogspb.UnimplementedLogsServiceServer
	// GRPC and HTTP are its addresses.
	GRPC, HTTP string

	mu       sync.Mutex
	answer   func(*Request) Reply
	requests []*Request
	changed  chan struct{}
}

// Start starts a receiver, with TLS if there is a configuration of it, until the test
// ends. It accepts everything.
func Start(t testing.TB, secured *tls.Config) *Server {
	t.Helper()
	s := &Server{changed: make(chan struct{})}
	s.GRPC = s.ServeGRPC(t, "127.0.0.1:0", secured)
	s.HTTP = s.serveHTTP(t, secured)
	return s
}

// ServeGRPC listens on one more address, until the test ends.
func (s *Server) ServeGRPC(t testing.TB, address string, secured *tls.Config) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	require.NoError(t, err)
	s.ServeGRPCOn(t, listener, secured)
	return listener.Addr().String()
}

// ServeGRPCOn serves one more listener, until the test ends.
func (s *Server) ServeGRPCOn(t testing.TB, listener net.Listener, secured *tls.Config) {
	t.Helper()
	var options []grpc.ServerOption
	if secured != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(secured)))
	}
	server := grpc.NewServer(options...)
	collogspb.RegisterLogsServiceServer(server, s)
	colmetricspb.RegisterMetricsServiceServer(server, metricsService{Server: s})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-ended
	})
}

func (s *Server) serveHTTP(t testing.TB, secured *tls.Config) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	if secured != nil {
		listener = tls.NewListener(listener, secured)
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	return address
}

// Answer sets how requests are answered from now on; nil: all are accepted.
func (s *Server) Answer(with func(*Request) Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = with
}

// Export implements the service of gRPC.
func (s *Server) Export(ctx context.Context, content *collogspb.ExportLogsServiceRequest) (*collogspb.ExportLogsServiceResponse, error) {
	header, _ := metadata.FromIncomingContext(ctx)
	reply := s.take(ctx, &Request{ExportLogsServiceRequest: content, Header: header})
	if reply.GRPC != nil {
		return nil, reply.GRPC.Err()
	}
	return &collogspb.ExportLogsServiceResponse{PartialSuccess: reply.Partial}, nil
}

// ServeHTTP implements the service over HTTP.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := &Request{Header: metadata.MD{}, Path: r.URL.Path}
	body, err := decompressed(r)
	if err != nil || proto.Unmarshal(body, request.content()) != nil {
		http.Error(w, "the request cannot be read", http.StatusBadRequest)
		return
	}
	for key, values := range r.Header {
		request.Header.Append(key, values...)
	}
	reply := s.take(r.Context(), request)
	maps.Copy(w.Header(), reply.Header)
	if reply.HTTP != 0 {
		w.WriteHeader(reply.HTTP)
		_, _ = w.Write(reply.Body)
		return
	}
	answer, _ := proto.Marshal(reply.answerTo(request))
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer)
}

// content makes place for what came by HTTP.
func (r *Request) content() proto.Message {
	if strings.HasSuffix(r.Path, "/metrics") {
		r.Metrics = &colmetricspb.ExportMetricsServiceRequest{}
		return r.Metrics
	}
	r.ExportLogsServiceRequest = &collogspb.ExportLogsServiceRequest{}
	return r.ExportLogsServiceRequest
}

func (r Reply) answerTo(request *Request) proto.Message {
	if request.Metrics != nil {
		return &colmetricspb.ExportMetricsServiceResponse{PartialSuccess: r.PartialMetrics}
	}
	return &collogspb.ExportLogsServiceResponse{PartialSuccess: r.Partial}
}

func decompressed(r *http.Request) ([]byte, error) {
	var from io.Reader = r.Body
	switch r.Header.Get("Content-Encoding") {
	case "gzip":
		reader, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		from = reader
	case "zstd":
		reader, err := zstd.NewReader(r.Body, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer reader.Close()
		from = reader
	}
	var all bytes.Buffer
	_, err := all.ReadFrom(from)
	return all.Bytes(), err
}

// take notes a request and says what to answer. One that its client has left while it
// was held is not accepted.
func (s *Server) take(ctx context.Context, request *Request) Reply {
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	var reply Reply
	if answer != nil {
		reply = answer(request)
	}
	request.Accepted = reply.accepts()
	if reply.Hold != nil {
		s.note(&Request{ExportLogsServiceRequest: request.ExportLogsServiceRequest, Metrics: request.Metrics, Header: request.Header})
		select {
		case <-reply.Hold:
		case <-ctx.Done():
		}
		if ctx.Err() != nil { // over gRPC the client's deadline is known here, and may be over here first
			return Reply{GRPC: status.New(codes.Canceled, "the client has left"), HTTP: http.StatusServiceUnavailable}
		}
	}
	s.note(request)
	return reply
}

func (s *Server) note(request *Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, request)
	close(s.changed)
	s.changed = make(chan struct{})
}

// Forget forgets all requests so far, and how to answer them.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.answer = nil, nil
}

// Requests are those that have come so far, those of probes included.
func (s *Server) Requests() []*Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Request(nil), s.requests...)
}

// Bodies are the texts of all accepted records, in order.
func (s *Server) Bodies() (bodies []string) {
	for _, request := range s.Requests() {
		if request.Accepted {
			for _, record := range request.Records() {
				bodies = append(bodies, record.GetBody().GetStringValue())
			}
		}
	}
	return bodies
}

// WaitFor returns once done says yes of the requests so far, and fails the test after
// half a minute.
func (s *Server) WaitFor(t testing.TB, what string, done func([]*Request) bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		requests := s.Requests()
		if done(requests) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			require.FailNow(t, "not at the receiver: "+what, "after %d requests", len(requests))
		}
	}
}

// WaitForBodies waits for as many accepted records, and returns the texts of all.
func (s *Server) WaitForBodies(t testing.TB, count int) []string {
	t.Helper()
	s.WaitFor(t, "records", func([]*Request) bool { return len(s.Bodies()) >= count })
	return s.Bodies()
}
