package apiserver

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// operation is one request to make.
type operation struct {
	what     string // what is being done, for errors
	verb     string
	resource string
	build    func(*rest.RESTClient) *rest.Request
}

// do makes a request and gives the body of a good answer to decode.
func (c *Client) do(ctx context.Context, op *operation, decode func([]byte) error) error {
	ctx, end, err := c.begin(ctx)
	if err == nil {
		defer end()
		err = c.send(ctx, op, decode)
	} else {
		err = unsent(err)
	}
	return op.wrap(err)
}

func (c *Client) send(ctx context.Context, op *operation, decode func([]byte) error) error {
	if err := c.throttle(ctx); err != nil {
		return err
	}
	used, err := c.acquire()
	if err != nil {
		return err
	}
	seen := &exchange{}
	// What client-go would log of the request is in the error.
	quiet := klog.NewContext(withExchange(ctx, seen), logr.Discard())
	body, err := op.build(used.rest).MaxRetries(0).BackOffWithContext(nil).Do(quiet).Raw()
	if !seen.started.IsZero() && c.options.Observe != nil {
		c.options.Observe(Request{Verb: op.verb, Resource: op.resource, Code: seen.code, Duration: time.Since(seen.started)})
	}
	failure := classify(ctx, op, seen, body, err)
	c.release(used, failure != nil && failure.Kind == Unauthorized || certificateFailed(err))
	if failure != nil {
		return failure
	}
	if err := decode(body); err != nil {
		return foreign(seen.code, fmt.Errorf("the answer is not to be understood: %w", err))
	}
	return nil
}

// wrap puts what was being done before the cause.
func (o *operation) wrap(err error) error {
	own, ok := err.(*Error) //nolint:errorlint // send returns no other
	if !ok {
		return err
	}
	own.Err = fmt.Errorf("%s: %w", o.what, own.Err)
	return own
}
