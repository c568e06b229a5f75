package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/client-go/rest"
)

// Types of Events.
const (
	EventNormal  = "Normal"
	EventWarning = "Warning"
)

// DefaultNamespace is where Events about objects without a namespace belong.
const DefaultNamespace = "default"

// Event is an Event of core/v1, as far as the agent writes one. Its names are those of
// https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/. The
// type of k8s.io/api would bring all other types of core/v1 into the binary: 4 MB.
type Event struct {
	ObjectMeta          `json:"metadata"`
	InvolvedObject      ObjectReference `json:"involvedObject"`
	Reason              string          `json:"reason,omitempty"`
	Message             string          `json:"message,omitempty"`
	Source              EventSource     `json:"source,omitzero"`
	FirstTimestamp      time.Time       `json:"firstTimestamp,omitzero"` // whole seconds
	LastTimestamp       time.Time       `json:"lastTimestamp,omitzero"`  // whole seconds
	Count               int32           `json:"count,omitempty"`
	Type                string          `json:"type,omitempty"`
	ReportingController string          `json:"reportingComponent"`
	ReportingInstance   string          `json:"reportingInstance"`
}

// ObjectMeta names an object.
type ObjectMeta struct {
	Name      string `json:"name,omitempty"`
	Namespace string `json:"namespace,omitempty"`
}

// ObjectReference is what an Event is about.
type ObjectReference struct {
	Kind       string `json:"kind,omitempty"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name,omitempty"`
	UID        string `json:"uid,omitempty"`
	APIVersion string `json:"apiVersion,omitempty"`
}

// EventSource says who tells it.
type EventSource struct {
	Component string `json:"component,omitempty"`
	Host      string `json:"host,omitempty"`
}

// eventDocument is an Event as the server takes it.
type eventDocument struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
	*Event
}

// WriteEvent makes an Event or writes over the one of that namespace and name,
// whatever its version. The event is not changed.
func (c *Client) WriteEvent(ctx context.Context, event *Event) error {
	what := fmt.Sprintf("writing the Event %q in namespace %q", event.Name, event.Namespace)
	body, err := json.Marshal(eventDocument{Kind: "Event", APIVersion: "v1", Event: event})
	if err != nil {
		return &Error{Kind: Refused, Remedy: "report this as a bug", Err: fmt.Errorf("%s: %w", what, err)}
	}
	op := &operation{
		what: what, verb: "PUT", resource: "events",
		build: func(client *rest.RESTClient) *rest.Request {
			return client.Put().Namespace(event.Namespace).Resource("events").Name(event.Name).
				Param("fieldManager", fieldManager).SetHeader("Content-Type", contentType).Body(body)
		},
	}
	return c.do(ctx, op, func([]byte) error { return nil })
}
