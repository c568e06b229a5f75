package apiserver

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
)

// WriteEvent makes an Event or writes over the one of that namespace and name,
// whatever its version. The event is not changed.
func (c *Client) WriteEvent(ctx context.Context, event *corev1.Event) error {
	whole := event.DeepCopy()
	whole.ResourceVersion = ""
	op := &operation{
		what: fmt.Sprintf("writing the Event %q in namespace %q", event.Name, event.Namespace), verb: "PUT", resource: "events",
		build: func(client *rest.RESTClient) *rest.Request {
			return client.Put().Namespace(whole.Namespace).Resource("events").Name(whole.Name).
				Param("fieldManager", fieldManager).Body(whole)
		},
	}
	return c.do(ctx, op, func([]byte) error { return nil })
}
