package collector

import (
	"context"
	"maps"
	"slices"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"
)

// Authorizer says who sends. It is safe for concurrent use.
type Authorizer interface {
	// Authorize returns what a request needs. It returns when ctx ends.
	Authorize(ctx context.Context) (Authorization, error)
	// Forget is told that what it had returned was refused: the next is to be made anew.
	Forget()
	// Remedy says what the operator can do where Authorize fails.
	Remedy() string
}

// Authorization is what a request needs to be taken.
type Authorization struct {
	// Headers go before others of the same name. They hold secrets.
	Headers map[string]string
	// Resource are attributes that the resource gets where it has none of that name.
	Resource []*commonpb.KeyValue
}

// authorize adds to a request what the authorizer says.
func (c *Client) authorize(ctx context.Context, what *call) error {
	by := c.options.Authorizer
	if by == nil {
		return nil
	}
	given, err := by.Authorize(ctx)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return &Error{Kind: Again, Code: noAnswer, Err: &plainError{err}, Remedy: by.Remedy()}
	}
	what.options.Headers = maps.Clone(what.options.Headers)
	if what.options.Headers == nil {
		what.options.Headers = map[string]string{}
	}
	maps.Copy(what.options.Headers, given.Headers)
	what.addToResources(given.Resource)
	return nil
}

// noteRights tells the authorizer of an answer that what it gave is not good enough.
func (c *Client) noteRights(err error) {
	failure := asError(err)
	if c.options.Authorizer == nil || failure == nil {
		return
	}
	switch failure.Code {
	case "Unauthenticated", "PermissionDenied", "401", "403":
		c.options.Authorizer.Forget()
		failure.Remedy = c.options.Authorizer.Remedy()
	}
}

// addToResources completes the resources, which the request shares with others: they are
// copied.
func (what *call) addToResources(attributes []*commonpb.KeyValue) {
	switch request := what.request.(type) {
	case *collogspb.ExportLogsServiceRequest:
		for _, one := range request.GetResourceLogs() {
			one.Resource = completed(one.GetResource(), attributes)
		}
	case *colmetricspb.ExportMetricsServiceRequest:
		for _, one := range request.GetResourceMetrics() {
			one.Resource = completed(one.GetResource(), attributes)
		}
	}
}

func completed(shared *resourcepb.Resource, attributes []*commonpb.KeyValue) *resourcepb.Resource {
	own := &resourcepb.Resource{}
	proto.Merge(own, shared)
	for _, one := range attributes {
		if !slices.ContainsFunc(own.GetAttributes(), func(known *commonpb.KeyValue) bool { return known.GetKey() == one.GetKey() }) {
			own.Attributes = append(own.Attributes, one)
		}
	}
	return own
}

// Authorizer says who sends by this client; nil: nobody says.
func (c *Client) Authorizer() Authorizer { return c.options.Authorizer }
