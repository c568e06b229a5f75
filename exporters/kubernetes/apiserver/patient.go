package apiserver

import (
	"errors"
	"fmt"
	"net/http"
)

// errPluginHangs is the error of a request that was given up before the plugin
// had answered, or with it.
var errPluginHangs = errors.New("the exec plugin does not answer")

// patient is a transport that gets its credentials from an exec plugin of a
// kubeconfig. client-go waits for a plugin without end, and lets nobody else
// through meanwhile; whoever asks here waits no longer than its own context.
type patient struct {
	next   http.RoundTripper
	plugin string
	turn   chan struct{} // of the one request that may be within the plugin
}

func newPatient(next http.RoundTripper, plugin string) *patient {
	return &patient{next: next, plugin: plugin, turn: make(chan struct{}, 1)}
}

type roundTrip struct {
	response *http.Response
	err      error
}

// RoundTrip leaves a goroutine behind for as long as the plugin hangs: one, for
// the next request waits for it.
func (p *patient) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, p.hangs()
	}
	done := make(chan roundTrip, 1)
	go func() {
		defer func() { <-p.turn }()
		response, err := p.next.RoundTrip(request) //nolint:bodyclose // whoever receives it closes it
		done <- roundTrip{response, err}
	}()
	select {
	case result := <-done:
		return result.response, result.err
	case <-ctx.Done():
		go discard(done)
		return nil, p.hangs()
	}
}

func (p *patient) hangs() error { return fmt.Errorf("%w: %s", errPluginHangs, p.plugin) }

// discard closes what comes too late.
func discard(done <-chan roundTrip) {
	if late := <-done; late.response != nil {
		_ = late.response.Body.Close()
	}
}
