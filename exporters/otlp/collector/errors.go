package collector

import (
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/redact"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// Kind tells what a failure means for the records of the request.
type Kind uint8

// The kinds of failures.
const (
	// Again may pass by itself: the records are to be sent again.
	Again Kind = iota
	// Refused is about the records: sent again they would be refused again. Of several
	// records one may be the cause.
	Refused
	// Exhausted is a limit that the request exceeds, or whoever sends: of several
	// records fewer may pass.
	Exhausted
	// Misdirected is about how the Collector is spoken to: rights, paths, protocols. No
	// other record would fare better.
	Misdirected
)

// String returns again, refused, exhausted or misdirected.
func (k Kind) String() string {
	return [...]string{"again", "refused", "exhausted", "misdirected"}[min(k, Misdirected)]
}

// Error is why a request has failed.
type Error struct {
	Kind Kind
	// Code is as in [Request].
	Code string
	// RetryAfter is how long the Collector asks to be left alone; 0: it does not say.
	RetryAfter time.Duration
	Err        error
	// Remedy says what the operator can do.
	Remedy string
}

// Error tells what has failed.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func asError(err error) *Error {
	failure, _ := errors.AsType[*Error](err)
	return failure
}

// noAnswer is the code of requests that were not answered.
const noAnswer = "none"

// unreached is the error of a request that has no answer.
func unreached(err error) *Error {
	return &Error{Kind: Again, Code: noAnswer, Err: &plainError{err}, Remedy: remedyFor(err.Error())}
}

// plainError is an error of the network in words that are the same each time: that of
// the next try is then no news.
type plainError struct{ err error }

func (e *plainError) Error() string { return withoutPort(e.err.Error()) }
func (e *plainError) Unwrap() error { return e.err }

var ownAddress = regexp.MustCompile(`\S+->`)

// withoutPort leaves out this side's address, whose port is another one each time.
func withoutPort(text string) string { return ownAddress.ReplaceAllString(text, "") }

// remedies are by what the error's text holds, the most telling first. gRPC has the
// causes of a connection's failure as text alone.
var remedies = []struct{ text, remedy string }{
	{"first record does not look like a TLS handshake", "the Collector speaks there without TLS: write http:// before the endpoint, or tls.insecure: true"},
	{"gave HTTP response to HTTPS client", "the Collector speaks there without TLS: write http:// before the endpoint"},
	{"bad certificate", "the Collector does not trust the certificate of tls.cert_file: let its authority sign it"},
	{"certificate required", "the Collector wants a certificate: set tls.cert_file and tls.key_file"},
	{"unknown certificate authority", "the Collector does not trust the certificate of tls.cert_file: let its authority sign it"},
	{"x509:", "check that the Collector's certificate is of the endpoint's name and of an authority in tls.ca_file, and the clocks of both"},
	{"read tls.", "put the file in place, readable for the agent"},
	{"no such host", "check the host name in endpoint, and the node's DNS"},
	{"produced zero addresses", "check the host name in endpoint, and the node's DNS"},
	{"connection refused", "check that the Collector runs and that endpoint is its OTLP receiver (gRPC 4317, HTTP 4318)"},
	{"error reading server preface", "check that endpoint and protocol are those of the Collector's OTLP receiver (gRPC 4317, HTTP 4318), and whether it wants TLS"},
	{"malformed HTTP", "check that endpoint and protocol are those of the Collector's OTLP receiver (gRPC 4317, HTTP 4318), and whether it wants TLS"},
	{"no answer within", "check the Collector's load and the network to it, or raise timeout"},
}

func remedyFor(text string) string {
	for _, known := range remedies {
		if strings.Contains(text, known.text) {
			return known.remedy
		}
	}
	return "check that the Collector runs and the network to it"
}

// maxQuote bounds what is quoted of an answer.
const maxQuote = 1024

// quote makes a text of the Collector's, or of gRPC's, which may name the proxy with its
// password, fit for a log.
func quote(text string) string {
	text = redact.Text(text)
	if len(text) > maxQuote {
		text = text[:maxQuote] + "…"
	}
	return terminal.Text(withoutPort(text))
}
