package collector

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/otelnpd/otelnpd/pipeline/redact"
)

const protobuf = "application/x-protobuf"

type httpConnection struct{ *http.Client }

func (c httpConnection) send(ctx context.Context, what call) error {
	made, err := what.post(ctx)
	if err != nil {
		return &Error{Kind: Refused, Code: noAnswer, Err: err, Remedy: "nothing: this is a fault of the agent, please report it"}
	}
	answer, err := c.Do(made)
	if err != nil {
		return httpUnreached(ctx, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	switch {
	case answer.StatusCode < http.StatusOK || answer.StatusCode >= http.StatusMultipleChoices:
		return httpError(answer, body, what.options.Signal)
	case err != nil:
		return httpUnreached(ctx, err)
	}
	if len(body) < maxAnswer && !readResponse(answer.Header.Get("Content-Type"), body, what.response) {
		return notOTLP(answer, body)
	}
	return nil
}

// readResponse reads what a receiver of OTLP answers when it has accepted a request: the
// message of the response, which has no byte where there is nothing to say, in protobuf,
// or in JSON whatever it was asked in. It is false for what nobody says who has taken the
// records: a page of HTML, like the login of a proxy, and what is called protobuf and is
// none. Anything else, like OK as text, says nothing but has the status of success: to
// send its records again would be to store them again.
func readResponse(contentType string, body []byte, response proto.Message) bool {
	if len(body) == 0 {
		return true
	}
	if contentType == "" {
		contentType = http.DetectContentType(body)
	}
	switch media, _, _ := mime.ParseMediaType(contentType); media {
	case protobuf, "application/protobuf":
		return proto.Unmarshal(body, response) == nil
	case "application/json":
		if (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, response) != nil {
			proto.Reset(response)
		}
	case "text/html", "application/xhtml+xml":
		return false
	}
	return true
}

// notOTLP is the error of a request that somebody has answered with success who
// does not speak OTLP.
func notOTLP(answer *http.Response, body []byte) *Error {
	return &Error{
		Kind: Again, Code: strconv.Itoa(answer.StatusCode),
		Err: fmt.Errorf("%s, but the answer is not of OTLP (content type %q): %s",
			answer.Status, quote(answer.Header.Get("Content-Type")), quote(string(bytes.TrimSpace(body)))),
		Remedy: "check that endpoint leads to an OTLP receiver, and that no proxy on the way answers in its place",
	}
}

func (c httpConnection) close() { c.CloseIdleConnections() }

// dialHTTP makes a client. HTTP/1.1 is enough for one request at a time, and it ends a
// connection that a request was given up on.
func dialHTTP(options Options) (connection, error) {
	config, err := options.TLS.config()
	if err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return httpConnection{&http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, Protocols: protocols, DisableCompression: true,
			// No keep-alives of TCP: on an idle node they are most of what is sent.
			DialContext:         (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: false}, KeepAlive: -1}).DialContext,
			MaxIdleConnsPerHost: 1,
		},
		// A redirected POST would lose its body or its headers.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// post makes the request of HTTP.
func (what *call) post(ctx context.Context) (*http.Request, error) {
	options := what.options
	content, err := proto.Marshal(what.request)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	if content, err = compress(options.Compression, content); err != nil {
		return nil, err
	}
	made, err := http.NewRequestWithContext(ctx, http.MethodPost, options.Endpoint.Address, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	for key, value := range options.Headers {
		if made.Header.Set(key, value); strings.EqualFold(key, "host") {
			made.Host = value
		}
	}
	made.Header.Set("Content-Type", protobuf)
	made.Header.Set("User-Agent", options.UserAgent)
	if c := options.Compression; c == CompressionGzip || c == CompressionZstd {
		made.Header.Set("Content-Encoding", string(c))
	}
	return made, nil
}

// compress compresses a request; one a problem is too few to keep an encoder for.
func compress(how Compression, content []byte) ([]byte, error) {
	var out bytes.Buffer
	var writer io.WriteCloser
	var err error
	switch how {
	case CompressionGzip:
		writer = gzip.NewWriter(&out)
	case CompressionZstd:
		const window = 512 << 10
		writer, err = zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window))
	case CompressionNone, "":
		return content, nil
	}
	if err == nil {
		_, err = writer.Write(content)
		err = errors.Join(err, writer.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("compress the request by %s: %w", how, err)
	}
	return out.Bytes(), nil
}

func httpUnreached(ctx context.Context, err error) *Error {
	// The verb and URL that net/http puts before it say nothing new.
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return unreached(err)
}

// httpError tells what a status means, by the section on failures of the OTLP
// specification.
func httpError(answer *http.Response, body []byte, signal Signal) *Error {
	failure := &Error{Kind: Misdirected, Code: strconv.Itoa(answer.StatusCode), Err: errors.New(answer.Status + httpReason(answer, body))}
	failure.Remedy = "check that endpoint leads to an OTLP receiver that has " + signal.pipeline()
	switch code := answer.StatusCode; code {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		failure.Kind, failure.RetryAfter = Again, retryAfter(answer.Header.Get("Retry-After"), time.Now())
		failure.Remedy = "give the Collector more memory or throughput, and look into its log"
	case http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusRequestTimeout:
		failure.Kind, failure.Remedy = Again, "check what is behind the load balancer or proxy that answers so"
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusInternalServerError:
		failure.Kind, failure.Remedy = Refused, "look into the Collector's log for why it does not take such records"
	case http.StatusRequestEntityTooLarge:
		failure.Kind, failure.Remedy = Exhausted, "raise the limit of the Collector, or of a proxy before it, on the size of a request"
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		failure.Remedy = "check the credentials in headers or tls.cert_file, and what the Collector allows them"
	}
	return failure
}

// httpReason is what an answer says beside its status: a google.rpc.Status, as the
// specification has it, or where a redirect leads.
func httpReason(answer *http.Response, body []byte) string {
	reason := &statuspb.Status{}
	switch {
	case answer.StatusCode < http.StatusBadRequest:
		return ": it redirects to " + quote(redact.URL(answer.Header.Get("Location")))
	case strings.HasPrefix(answer.Header.Get("Content-Type"), protobuf) && proto.Unmarshal(body, reason) == nil:
		return ": " + quote(reason.GetMessage())
	case len(body) > 0:
		return ": " + quote(string(bytes.TrimSpace(body)))
	}
	return ""
}

// retryAfter reads the header of that name (RFC 9110, section 10.2.3): seconds or a
// date; 0: it tells neither.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
