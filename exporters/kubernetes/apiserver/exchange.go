package apiserver

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// maxAnswerBytes bounds what is read of an answer. etcd takes objects of 1.5 MB
// by default; JSON is a few times longer than what it stores.
const maxAnswerBytes = 8 << 20

// maxRetryAfter bounds how long a server, or what stands before it, can silence
// the agent.
const maxRetryAfter = 5 * time.Minute

// exchange notes what the transport sees of one request, which may go on in a
// goroutine of its own (see [patient]).
type exchange struct {
	mu   sync.Mutex
	seen sight
}

// sight is what is known of a request.
type sight struct {
	started    time.Time // zero: nothing was sent
	code       int       // 0: no answer
	retryAfter time.Duration
}

func (e *exchange) note(change func(*sight)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(&e.seen)
}

func (e *exchange) get() sight {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seen
}

type exchangeKey struct{}

func withExchange(ctx context.Context, e *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, e)
}

// watched is a transport that notes what it sees in the exchange of the
// request's context, and bounds the answer.
type watched struct{ next http.RoundTripper }

// RoundTrip sends a request that has its credentials.
func (w watched) RoundTrip(request *http.Request) (*http.Response, error) {
	of, ok := request.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		of = &exchange{}
	}
	of.note(func(seen *sight) { seen.started = time.Now() })
	response, err := w.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	of.note(func(seen *sight) {
		seen.code = response.StatusCode
		seen.retryAfter = retryAfter(response.Header.Get("Retry-After"), time.Now())
	})
	response.Body = http.MaxBytesReader(nil, response.Body, maxAnswerBytes)
	return response, nil
}

// retryAfter reads a Retry-After header: seconds or a date (RFC 9110, 10.2.3).
func retryAfter(header string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if seconds, err := strconv.ParseInt(header, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(header); err == nil {
		wait = date.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}
