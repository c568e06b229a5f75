package collector_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/exporters/otlp/otlptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var protocols = []collector.Protocol{collector.GRPC, collector.HTTP}

func request(bodies ...string) *collogspb.ExportLogsServiceRequest {
	var records []*logspb.LogRecord
	for _, body := range bodies {
		records = append(records, &logspb.LogRecord{Body: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: body}}})
	}
	return &collogspb.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{{ScopeLogs: []*logspb.ScopeLogs{{LogRecords: records}}}}}
}

// optionsFor reaches a server on loopback.
func optionsFor(t *testing.T, protocol collector.Protocol, server *otlptest.Server, scheme string) collector.Options {
	t.Helper()
	address := server.GRPC
	if protocol == collector.HTTP {
		address = server.HTTP
	}
	return optionsAt(t, protocol, scheme+"://"+address)
}

func optionsAt(t *testing.T, protocol collector.Protocol, endpoint string) collector.Options {
	t.Helper()
	at, err := collector.Logs.ParseEndpoint(protocol, endpoint, false, false)
	require.NoError(t, err)
	return collector.Options{Protocol: protocol, Endpoint: at, Timeout: 20 * time.Second, UserAgent: "otelnpd/test"}
}

func newClient(t *testing.T, options collector.Options) *collector.Client {
	t.Helper()
	client := collector.New(options)
	t.Cleanup(client.Close)
	return client
}

// failure is why a request has failed.
func failure(t *testing.T, err error) *collector.Error {
	t.Helper()
	found, ok := errors.AsType[*collector.Error](err)
	require.True(t, ok, "%v", err)
	require.NotEmpty(t, found.Remedy)
	return found
}

func TestRecordsAndHeadersArrive(t *testing.T) {
	for _, protocol := range protocols {
		for _, compression := range []collector.Compression{"", collector.CompressionNone, collector.CompressionGzip, collector.CompressionZstd} {
			t.Run(string(protocol)+" "+string(compression), func(t *testing.T) {
				server := otlptest.Start(t, nil)
				options := optionsFor(t, protocol, server, "http")
				options.Compression, options.Headers = compression, map[string]string{"authorization": "Bearer secret", "x-scope-orgid": "7"}
				var seen []collector.Request
				options.Observe = func(r collector.Request) { seen = append(seen, r) }
				client := newClient(t, options)
				want := strings.Repeat("a long body ", 10000)
				for range 2 {
					answer, err := client.Export(t.Context(), request(want))
					require.NoError(t, err)
					require.Zero(t, answer)
				}
				got := server.Requests()[1]
				require.Equal(t, want, got.Records()[0].GetBody().GetStringValue())
				require.Equal(t, []string{"Bearer secret"}, got.Header.Get("authorization"))
				require.Equal(t, []string{"7"}, got.Header.Get("x-scope-orgid"))
				require.Contains(t, got.Header.Get("user-agent")[0], "otelnpd/test")
				if protocol == collector.HTTP {
					require.Equal(t, "/v1/logs", got.Path)
				}
				require.Len(t, seen, 2)
				require.Equal(t, map[collector.Protocol]string{collector.GRPC: "OK", collector.HTTP: "200"}[protocol], seen[0].Code)
			})
		}
	}
}

func TestPartialSuccess(t *testing.T) {
	server := otlptest.Start(t, nil)
	server.Answer(func(*otlptest.Request) otlptest.Reply {
		return otlptest.Reply{Partial: &collogspb.ExportLogsPartialSuccess{RejectedLogRecords: 2, ErrorMessage: "too \x1b[31mold" + strings.Repeat("x", 5000)}}
	})
	for _, protocol := range protocols {
		answer, err := newClient(t, optionsFor(t, protocol, server, "http")).Export(t.Context(), request("a", "b", "c"))
		require.NoError(t, err)
		require.EqualValues(t, 2, answer.Rejected)
		require.Contains(t, answer.Message, `too \x1b[31mold`)
		require.Less(t, len(answer.Message), 1100)
	}
}

// withRetryInfo is a status that says when to come again.
func withRetryInfo(t *testing.T, code codes.Code, after time.Duration) *status.Status {
	t.Helper()
	detailed, err := status.New(code, "later").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	require.NoError(t, err)
	return detailed
}

func TestWhatCodesOfGRPCMean(t *testing.T) {
	server := otlptest.Start(t, nil)
	client := newClient(t, optionsFor(t, collector.GRPC, server, "http"))
	for _, tt := range []struct {
		status *status.Status
		kind   collector.Kind
		after  time.Duration
		remedy string
	}{
		{status.New(codes.Unavailable, "x"), collector.Again, 0, "runs"},
		{withRetryInfo(t, codes.Unavailable, 7*time.Second), collector.Again, 7 * time.Second, "runs"},
		{withRetryInfo(t, codes.Unavailable, -time.Second), collector.Again, 0, "runs"},
		{status.New(codes.Aborted, "x"), collector.Again, 0, ""},
		{status.New(codes.Canceled, "x"), collector.Again, 0, ""},
		{status.New(codes.DeadlineExceeded, "x"), collector.Again, 0, ""},
		{status.New(codes.OutOfRange, "x"), collector.Again, 0, ""},
		{status.New(codes.DataLoss, "x"), collector.Again, 0, ""},
		{withRetryInfo(t, codes.ResourceExhausted, time.Minute), collector.Again, time.Minute, "more memory"},
		{status.New(codes.ResourceExhausted, "x"), collector.Exhausted, 0, "limit"},
		{status.New(codes.InvalidArgument, "x"), collector.Refused, 0, "Collector's log"},
		{status.New(codes.Internal, "x"), collector.Refused, 0, "Collector's log"},
		{status.New(codes.Internal, "unexpected HTTP status code received from server: 400 (Bad Request)"), collector.Misdirected, 0, "endpoint"},
		{status.New(codes.Unauthenticated, "x"), collector.Misdirected, 0, "credentials"},
		{status.New(codes.PermissionDenied, "x"), collector.Misdirected, 0, "credentials"},
		{status.New(codes.Unimplemented, "x"), collector.Misdirected, 0, "pipeline for logs"},
		{status.New(codes.NotFound, "x"), collector.Misdirected, 0, ""},
		{status.New(codes.Unknown, "x"), collector.Misdirected, 0, ""},
		{withRetryInfo(t, codes.InvalidArgument, time.Minute), collector.Refused, 0, ""},
	} {
		server.Answer(func(*otlptest.Request) otlptest.Reply { return otlptest.Reply{GRPC: tt.status} })
		_, err := client.Export(t.Context(), request("a"))
		got := failure(t, err)
		require.Equal(t, tt.kind, got.Kind, tt.status)
		require.Equal(t, tt.after, got.RetryAfter, tt.status)
		require.Equal(t, tt.status.Code().String(), got.Code)
		require.Contains(t, got.Remedy, tt.remedy)
		require.Contains(t, got.Error(), tt.status.Message())
	}
}

func TestWhatStatusesOfHTTPMean(t *testing.T) {
	server := otlptest.Start(t, nil)
	client := newClient(t, optionsFor(t, collector.HTTP, server, "http"))
	reason, err := proto.Marshal(status.New(codes.InvalidArgument, "no \x1bsuch thing").Proto())
	require.NoError(t, err)
	date := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for _, tt := range []struct {
		code                  int
		header, value         string
		body                  string
		kind                  collector.Kind
		least, most           time.Duration
		wantError, wantRemedy string
	}{
		{code: 429, header: "Retry-After", value: "17", kind: collector.Again, least: 17 * time.Second, most: 17 * time.Second, wantRemedy: "more memory"},
		{code: 503, header: "Retry-After", value: date, kind: collector.Again, least: 59 * time.Minute, most: time.Hour},
		{code: 503, header: "Retry-After", value: "soon", kind: collector.Again},
		{code: 503, header: "Retry-After", value: "-1", kind: collector.Again},
		{code: 503, header: "Retry-After", value: "99999999999999999999", kind: collector.Again},
		{code: 502, kind: collector.Again, wantRemedy: "load balancer"},
		{code: 504, kind: collector.Again},
		{code: 408, kind: collector.Again},
		{code: 400, header: "Content-Type", value: "application/x-protobuf", body: string(reason), kind: collector.Refused, wantError: `400 Bad Request: no \x1bsuch thing`},
		{code: 400, header: "Content-Type", value: "application/x-protobuf", body: "\xff", kind: collector.Refused, wantError: `400 Bad Request: \xff`},
		{code: 422, kind: collector.Refused},
		{code: 500, body: "oops\n", kind: collector.Refused, wantError: "500 Internal Server Error: oops"},
		{code: 413, kind: collector.Exhausted, wantRemedy: "size of a request"},
		{code: 401, kind: collector.Misdirected, wantRemedy: "credentials"},
		{code: 403, kind: collector.Misdirected, wantRemedy: "credentials"},
		{code: 404, body: "page not found", kind: collector.Misdirected, wantError: "404 Not Found: page not found", wantRemedy: "endpoint"},
		{code: 415, kind: collector.Misdirected},
		{code: 302, header: "Location", value: "https://me:pw@elsewhere/?token=x", kind: collector.Misdirected, wantError: "it redirects to https://…@elsewhere/?…"},
		{code: 302, header: "Location", value: "https://elsewhere/", kind: collector.Misdirected, wantError: "it redirects to https://elsewhere/"},
		{code: 501, kind: collector.Misdirected},
	} {
		server.Answer(func(*otlptest.Request) otlptest.Reply {
			return otlptest.Reply{HTTP: tt.code, Header: http.Header{tt.header: {tt.value}}, Body: []byte(tt.body)}
		})
		_, err := client.Export(t.Context(), request("a"))
		got := failure(t, err)
		require.Equal(t, tt.kind, got.Kind, tt.code)
		require.GreaterOrEqual(t, got.RetryAfter, tt.least, "%+v", tt)
		require.LessOrEqual(t, got.RetryAfter, tt.most, "%+v", tt)
		require.Equal(t, strconv.Itoa(tt.code), got.Code)
		require.Contains(t, got.Error(), tt.wantError)
		require.Contains(t, got.Remedy, tt.wantRemedy)
	}
}

func TestNobodyAnswers(t *testing.T) {
	for _, protocol := range protocols {
		server := otlptest.Start(t, nil)
		release := make(chan struct{})
		server.Answer(func(*otlptest.Request) otlptest.Reply { return otlptest.Reply{Hold: release} })
		options := optionsFor(t, protocol, server, "http")
		options.Timeout = 50 * time.Millisecond
		client := newClient(t, options)
		_, err := client.Export(t.Context(), request("a"))
		got := failure(t, err)
		require.Equal(t, collector.Again, got.Kind)
		if protocol == collector.HTTP { // gRPC tells the server how long it has, which may give up first
			require.Contains(t, err.Error(), "no answer within 50ms")
			require.Contains(t, got.Remedy, "timeout")
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = client.Export(ended, request("a"))
		require.ErrorContains(t, err, "canceled")
		close(release)
	}
}

// What ends a connection says the same each time: its words are a status.
func TestACutConnectionIsNoNewsTheSecondTime(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			buffer := make([]byte, 10) // the rest makes it a reset
			_, _ = connection.Read(buffer)
			_ = connection.Close()
		}
	}()
	for _, protocol := range protocols {
		client := newClient(t, optionsAt(t, protocol, "http://"+listener.Addr().String()))
		seen := map[string]bool{}
		for range 10 {
			_, err := client.Export(t.Context(), request("a"))
			require.Equal(t, collector.Again, failure(t, err).Kind)
			require.NotContains(t, err.Error(), "->")
			seen[err.Error()] = true
		}
		require.Less(t, len(seen), 4, "%v", seen)
	}
}

// A listener that accepts and says nothing is no Collector either.
func TestNobodySpeaks(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	for _, protocol := range protocols {
		options := optionsAt(t, protocol, "http://"+listener.Addr().String())
		options.Timeout = 100 * time.Millisecond
		_, err := newClient(t, options).Export(t.Context(), request("a"))
		require.Equal(t, collector.Again, failure(t, err).Kind)
		require.ErrorContains(t, err, "no answer within 100ms")
	}
}

func TestACollectorThatComesLaterIsFoundAtTheNextTry(t *testing.T) {
	server := otlptest.Start(t, nil)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	client := newClient(t, optionsAt(t, collector.GRPC, "http://"+address))
	for range 5 { // gRPC's own wait before the next connection would grow
		began := time.Now()
		_, err := client.Export(t.Context(), request("a"))
		got := failure(t, err)
		require.Equal(t, collector.Again, got.Kind)
		require.Contains(t, err.Error(), "connection refused")
		require.Contains(t, got.Remedy, "check that the Collector runs")
		require.Less(t, time.Since(began), 5*time.Second)
	}
	server.ServeGRPC(t, address, nil)
	_, err = client.Export(t.Context(), request("a"))
	require.NoError(t, err)
}

func TestAUnixSocket(t *testing.T) {
	server := otlptest.Start(t, nil)
	path := filepath.Join(t.TempDir(), "s")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	require.NoError(t, err)
	server.ServeGRPCOn(t, listener, nil)
	at, err := collector.Logs.ParseEndpoint(collector.GRPC, "unix://"+path, true, false)
	require.NoError(t, err)
	_, err = newClient(t, collector.Options{Protocol: collector.GRPC, Endpoint: at, Timeout: 20 * time.Second}).Export(t.Context(), request("a"))
	require.NoError(t, err)
}

// What has no byte is the message of a response that has nothing to say, whatever its
// type, and who answers success in other words has taken the records.
func TestAnAcceptanceInOtherForms(t *testing.T) {
	server := otlptest.Start(t, nil)
	for _, reply := range []otlptest.Reply{
		{HTTP: 200}, {HTTP: 204},
		{HTTP: 200, Header: typed("text/html")},
		{HTTP: 200, Header: typed("application/x-protobuf; charset=utf-8")},
		{HTTP: 200, Header: typed("application/json; charset=utf-8"), Body: []byte("{}")},
		{HTTP: 202, Header: typed("application/json"), Body: []byte(`{"partialSuccess": {}, "requestId": "42"}`)},
		{HTTP: 200, Header: typed("application/json"), Body: []byte(`["taken"]`)},
		{HTTP: 200, Header: typed("text/plain"), Body: []byte("OK")},
		{HTTP: 200, Header: typed(""), Body: []byte("ok")},
		{HTTP: 200, Header: typed("application/octet-stream"), Body: []byte("\xff\xff")},
		{HTTP: 200, Header: typed("application/x-protobuf"), Body: bytes.Repeat([]byte("\xff"), 8<<20)}, // too long to be read
	} {
		server.Answer(func(*otlptest.Request) otlptest.Reply { return reply })
		answer, err := newClient(t, optionsFor(t, collector.HTTP, server, "http")).Export(t.Context(), request("a"))
		require.NoError(t, err)
		require.Zero(t, answer)
	}
	server.Answer(func(*otlptest.Request) otlptest.Reply {
		return otlptest.Reply{HTTP: 200, Header: typed("application/json"), Body: []byte(`{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"old"}}`)}
	})
	answer, err := newClient(t, optionsFor(t, collector.HTTP, server, "http")).Export(t.Context(), request("a"))
	require.NoError(t, err)
	require.Equal(t, collector.Answer{Rejected: 1, Message: "old"}, answer)
}

func typed(contentType string) http.Header { return http.Header{"Content-Type": {contentType}} }

// Who answers with a page, or with what only looks like protobuf, has taken nothing.
func TestAnAcceptanceThatIsNone(t *testing.T) {
	server := otlptest.Start(t, nil)
	for _, reply := range []otlptest.Reply{
		{HTTP: 200, Header: typed("text/html; charset=utf-8"), Body: []byte("<html>Please log in</html>\n")},
		{HTTP: 200, Header: typed("application/x-protobuf"), Body: []byte("\xff\xff")},
		{HTTP: 202, Header: typed(""), Body: []byte("<!DOCTYPE html><title>Queue</title>")},
	} {
		server.Answer(func(*otlptest.Request) otlptest.Reply { return reply })
		for name, send := range map[string]func(*collector.Client) error{
			"logs": func(c *collector.Client) error { _, err := c.Export(t.Context(), request("a")); return err },
			"metrics": func(c *collector.Client) error {
				_, err := c.ExportMetrics(t.Context(), &colmetricspb.ExportMetricsServiceRequest{})
				return err
			},
		} {
			failure, ok := errors.AsType[*collector.Error](send(newClient(t, optionsFor(t, collector.HTTP, server, "http"))))
			require.True(t, ok, name)
			require.Equal(t, collector.Again, failure.Kind)
			require.Equal(t, strconv.Itoa(reply.HTTP), failure.Code)
			require.ErrorContains(t, failure, "but the answer is not of OTLP (content type")
			require.Contains(t, failure.Remedy, "no proxy on the way")
			require.NotContains(t, failure.Error(), "\xff")
		}
	}
}
