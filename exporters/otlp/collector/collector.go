// Package collector sends log records and metrics to an OpenTelemetry Collector, or
// whatever else speaks OTLP, and says what came of it.
//
// The protocol is that of
// https://opentelemetry.io/docs/specs/otlp: gRPC, or protobuf over HTTP.
package collector

import (
	"context"
	"fmt"
	"time"
)

// Protocol is how a Collector is spoken to.
type Protocol string

// The protocols. The empty word leaves the choice to others.
const (
	GRPC Protocol = "grpc"
	HTTP Protocol = "http/protobuf"
)

// Words are the protocols that there are.
func (Protocol) Words() []string { return []string{"", string(GRPC), string(HTTP)} }

// Compression is how requests are made smaller.
type Compression string

// The compressions. The empty word leaves the choice to others.
const (
	CompressionNone Compression = "none"
	CompressionGzip Compression = "gzip"
	CompressionZstd Compression = "zstd"
)

// Words are the compressions that there are.
func (Compression) Words() []string {
	return []string{"", string(CompressionNone), string(CompressionGzip), string(CompressionZstd)}
}

// Options say how a Collector is reached.
type Options struct {
	Signal      Signal
	Protocol    Protocol // GRPC or HTTP
	Endpoint    Endpoint
	TLS         TLS
	Compression Compression
	// Headers go with each request; they may hold secrets.
	Headers map[string]string
	// Authorizer makes more of them; nil: nobody does.
	Authorizer Authorizer
	// Timeout of one request, from the connection to the end of the answer.
	Timeout   time.Duration
	UserAgent string
	// Observe is told of each request; nil: nobody is.
	Observe func(Request)
}

// Request is one request that is over.
type Request struct {
	Signal Signal
	// Code is the answer's: a code of gRPC by its name or a status of HTTP; none:
	// there was no answer.
	Code     string
	Duration time.Duration
}

// Client sends requests of one signal, one at a time. After one that failed, for a reason
// other than its records, the connection is made anew, with the files of certificates as
// they are by then, since it may lead nowhere any more: a client on a connection whose
// other end has vanished would else wait for the kernel to notice, for a quarter of an
// hour.
type Client struct {
	options Options
	link    *link
}

// New makes a client without side effects.
func New(options Options) *Client { return &Client{options: options, link: newLink(options)} }

// Beside makes a client for another signal, without side effects. Both may send at the
// same time, and they use the same connection where their options lead to one; closing
// either of them ends the other's idle connections too.
func (c *Client) Beside(options Options) *Client {
	if !c.options.sharesWith(options) {
		return New(options)
	}
	return &Client{options: options, link: c.link}
}

// sharesWith tells whether one connection serves both. By HTTP a connection is chosen by
// the host of each request.
func (o Options) sharesWith(other Options) bool {
	return o.Protocol == other.Protocol && o.TLS == other.TLS && (o.Protocol == HTTP || o.Endpoint == other.Endpoint)
}

// Answer is what a Collector says of a request that it has accepted.
type Answer struct {
	// Rejected is how many of its records or data points the Collector would not take all
	// the same.
	Rejected int64
	// Message is the Collector's own, a warning if nothing was rejected.
	Message string
}

// send sends a request once. The error is an [*Error].
func (c *Client) send(ctx context.Context, what call) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.options.Timeout, errTimeout{c.options.Timeout})
	defer cancel()
	began := time.Now()
	what.options = c.options
	err := c.authorize(ctx, &what)
	if err == nil {
		err = c.link.send(ctx, what)
		c.noteRights(err)
	}
	c.observe(err, time.Since(began))
	return err
}

func (c *Client) observe(err error, took time.Duration) {
	if c.options.Observe == nil {
		return
	}
	code := "OK"
	if c.options.Protocol == HTTP {
		code = "200"
	}
	if failure := asError(err); failure != nil {
		code = failure.Code
	}
	c.options.Observe(Request{Signal: c.options.Signal, Code: code, Duration: took})
}

// Close ends all connections. No request may be under way.
func (c *Client) Close() { c.link.drop() }

type errTimeout struct{ after time.Duration }

func (e errTimeout) Error() string { return fmt.Sprintf("no answer within %s", e.after) }
