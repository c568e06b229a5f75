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
		err = abandoned(err)
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
	of := &exchange{}
	// What client-go would log of the request is in the error.
	quiet := klog.NewContext(withExchange(ctx, of), logr.Discard())
	// The timeout goes to the server too, which then gives up as early.
	body, err := op.build(used.rest).WarningHandlerWithContext(rest.NoWarnings{}).
		Timeout(c.config.Timeout).MaxRetries(0).BackOffWithContext(nil).DoRaw(quiet)
	seen := of.get()
	failure := classify(ctx, op, seen, body, err)
	c.observe(op, seen, failure)
	c.release(used, failure)
	if failure != nil {
		return failure
	}
	if err := decode(body); err != nil {
		return foreign(seen.code, fmt.Errorf("the answer cannot be understood: %w", err))
	}
	return nil
}

// observe tells of a request that was sent. Half an answer is none.
func (c *Client) observe(op *operation, seen sight, failure *Error) {
	if seen.started.IsZero() || c.options.Observe == nil {
		return
	}
	request := Request{Verb: op.verb, Resource: op.resource, Code: seen.code, Duration: time.Since(seen.started)}
	if failure != nil {
		request.Code = failure.Code
	}
	c.options.Observe(request)
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
