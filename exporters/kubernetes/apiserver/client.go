package apiserver

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"k8s.io/client-go/util/flowcontrol"
)

// serviceAccountDir is where the kubelet puts the service account of a Pod.
const serviceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// fieldManager is the owner of what the agent writes, in managedFields.
const fieldManager = "otelnpd"

// Options are what [New] takes beside the configuration. The zero value will do.
type Options struct {
	// UserAgent of the requests, otelnpd/VERSION; empty: otelnpd.
	UserAgent string
	// Observe is called after every request that was sent, from the goroutine
	// that sent it; nil: nobody.
	Observe func(Request)
	// ServiceAccountDir has the files token and ca.crt; empty: where the kubelet
	// puts them.
	ServiceAccountDir string
	// Getenv gives KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT and
	// KUBECONFIG; nil: those of the process.
	Getenv func(string) string
}

// Request is one request and what became of it.
type Request struct {
	// Verb is GET, PATCH, PUT or LIST.
	Verb string
	// Resource is nodes, nodes/status or events.
	Resource string
	// Code is the HTTP status of the answer; 0: there was none.
	Code int
	// Duration from the sending to the end of the answer.
	Duration time.Duration
}

// Client makes the agent's requests. Its methods are safe for concurrent use.
// All their errors are [*Error].
type Client struct {
	config  Config
	options Options
	limiter flowcontrol.RateLimiter // nil: no limit

	running sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	cancels map[*context.CancelCauseFunc]struct{}
	current *session // nil: none yet, or no more
}

// New returns a client. It reads no file and sends nothing until the first
// request.
func New(config Config, options Options) *Client {
	if options.UserAgent == "" {
		options.UserAgent = "otelnpd"
	}
	if options.ServiceAccountDir == "" {
		options.ServiceAccountDir = serviceAccountDir
	}
	if options.Getenv == nil {
		options.Getenv = os.Getenv
	}
	c := &Client{config: config, options: options, cancels: map[*context.CancelCauseFunc]struct{}{}}
	if config.QPS > 0 {
		c.limiter = flowcontrol.NewTokenBucketRateLimiter(float32(config.QPS), config.Burst)
	}
	return c
}

// Close cuts off the requests that are under way, waits for them and closes all
// connections. Requests after it fail. It may be called again.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	for cancel := range c.cancels {
		(*cancel)(ErrClosed)
	}
	c.mu.Unlock()
	c.running.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retire(c.current)
}

// begin enters a request: its context ends with the client. The returned
// function ends it.
func (c *Client) begin(ctx context.Context) (context.Context, func(), error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, ErrClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	c.cancels[&cancel] = struct{}{}
	c.running.Add(1)
	return ctx, func() {
		c.mu.Lock()
		delete(c.cancels, &cancel)
		c.mu.Unlock()
		cancel(nil)
		c.running.Done()
	}, nil
}

// throttle waits until the configured rate lets another request through.
func (c *Client) throttle(ctx context.Context) error {
	if c.limiter == nil {
		return nil
	}
	err := c.limiter.Wait(ctx)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return abandoned(context.Cause(ctx))
	}
	return &Error{
		Kind: Throttled, Err: err,
		Remedy: fmt.Sprintf("raise apiserver.qps (%g) and apiserver.burst (%d), or find out what makes so many requests", c.config.QPS, c.config.Burst),
	}
}
