package collector

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	_ "github.com/mostynb/go-grpc-compression/nonclobbering/zstd" // gRPC knows compressions by their registration
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // likewise
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/otelnpd/otelnpd/pipeline/redact"
)

// maxAnswer bounds the answer to a request, in bytes.
const maxAnswer = 1 << 20

type grpcConnection struct{ *grpc.ClientConn }

func (c grpcConnection) send(ctx context.Context, what call) error {
	var compressed []grpc.CallOption
	if how := what.options.Compression; how == CompressionGzip || how == CompressionZstd {
		compressed = append(compressed, grpc.UseCompressor(string(how)))
	}
	ctx = metadata.NewOutgoingContext(ctx, metadata.New(what.options.Headers))
	if err := c.Invoke(ctx, what.method, what.request, what.response, compressed...); err != nil {
		return grpcError(ctx, err, what.options.Signal)
	}
	return nil
}

func (c grpcConnection) close() { _ = c.Close() } // it was closed before, at most

// dialGRPC makes a connection, which is tried out by the first request.
func dialGRPC(options Options) (connection, error) {
	with := []grpc.DialOption{
		grpc.WithUserAgent(options.UserAgent), grpc.WithDisableServiceConfig(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
		grpc.WithIdleTimeout(0), // the Collector, or what is between, ends what it does not like
	}
	if options.Endpoint.Secure {
		config, err := options.TLS.config()
		if err != nil {
			return nil, err
		}
		with = append(with, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	}
	made, err := grpc.NewClient(options.Endpoint.Address, with...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", redact.URL(options.Endpoint.Address), redact.Error(err))
	}
	return grpcConnection{made}, nil
}

// grpcError tells what a status means, by the table of the OTLP specification.
func grpcError(ctx context.Context, err error, signal Signal) *Error {
	answer := status.Convert(err)
	failure := &Error{Code: answer.Code().String(), Err: errors.New(answer.Code().String() + ": " + quote(answer.Message()))}
	after, mayRetry := retryInfo(answer)
	switch answer.Code() {
	case codes.DeadlineExceeded, codes.Canceled:
		if cause := context.Cause(ctx); cause != nil {
			failure.Err = cause
			if quoted := lastFailure(answer.Message()); quoted != "" {
				failure.Err = fmt.Errorf("%w: %s", cause, quoted)
			}
		}
		failure.Remedy = remedyFor(failure.Err.Error())
	case codes.Unavailable, codes.Aborted, codes.OutOfRange, codes.DataLoss:
		failure.RetryAfter = after
		failure.Remedy = remedyFor(answer.Message())
	case codes.ResourceExhausted:
		failure.RetryAfter = after
		failure.Remedy = "give the Collector more memory or throughput"
		if !mayRetry {
			failure.Kind = Exhausted
			failure.Remedy = "raise the limit that the Collector tells of"
		}
	case codes.InvalidArgument, codes.Internal:
		if strings.HasPrefix(answer.Message(), foreignAnswer) {
			return misdirected(failure, signal)
		}
		failure.Kind = Refused
		failure.Remedy = "look into the Collector's log for why it does not take such records"
	case codes.Unauthenticated, codes.PermissionDenied:
		failure.Kind = Misdirected
		failure.Remedy = "check the credentials in headers or tls.cert_file, and what the Collector allows them"
	default:
		return misdirected(failure, signal)
	}
	return failure
}

// foreignAnswer begins the message of gRPC where a web server has answered that knows
// nothing of it.
const foreignAnswer = "unexpected HTTP status code received from server"

func misdirected(failure *Error, signal Signal) *Error {
	failure.Kind = Misdirected
	failure.Remedy = "check that endpoint and protocol are those of an OTLP receiver that has " + signal.pipeline()
	return failure
}

// lastFailure is the part of a message that tells why no connection came about in the
// time of a request.
func lastFailure(message string) string {
	const mark = "latest balancer error: "
	if _, found, ok := strings.Cut(message, mark); ok {
		return quote(found)
	}
	return ""
}

// retryInfo returns how long the Collector asks to be left alone, and whether it says
// that a request may be sent again.
func retryInfo(answer *status.Status) (after time.Duration, mayRetry bool) {
	for _, detail := range answer.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return max(info.GetRetryDelay().AsDuration(), 0), true
		}
	}
	return 0, false
}
