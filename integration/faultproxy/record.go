package faultproxy

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Request is a request that the proxy got.
type Request struct {
	At           time.Time
	Method, Path string
	Query        url.Values
	ContentType  string
	Header       http.Header
	Body         []byte
	// Code is the status that the client was told; 0: none, it was cut.
	Code int
	// Done is the status that the server gave; 0: it was not asked, or has gone.
	Done int
	// Finished is when it was answered or cut; zero: it is still under way.
	Finished time.Time
}

// Is matches a request of a method whose path contains a text.
func Is(method, path string) func(Request) bool {
	return func(r Request) bool { return r.Method == method && strings.Contains(r.Path, path) }
}

func (p *Proxy) finish(number, code, done int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests[number].Code, p.requests[number].Done = code, done
	p.requests[number].Finished = time.Now()
	p.wake()
}

// wake tells that the record has changed. The caller holds the lock.
func (p *Proxy) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Requests returns the requests so far that match.
func (p *Proxy) Requests(match func(Request) bool) []Request {
	found, _ := p.look(match)
	return found
}

func (p *Proxy) look(match func(Request) bool) (found []Request, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.requests {
		if match(r) {
			found = append(found, r)
		}
	}
	return found, p.changed
}

// WaitFor returns once as many requests have come that match, under way or
// answered, and fails the test where they do not within half a minute.
func (p *Proxy) WaitFor(t testing.TB, what string, count int, match func(Request) bool) []Request {
	t.Helper()
	const patience = 30 * time.Second
	deadline := time.After(patience)
	for {
		found, changed := p.look(match)
		if len(found) >= count {
			return found
		}
		select {
		case <-changed:
		case <-deadline:
			require.FailNow(t, "not at the proxy: "+what, "within %s: %d of %d", patience, len(found), count)
		}
	}
}
