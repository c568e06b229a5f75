package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"go.opentelemetry.io/otel/metric"
)

// Component is a receiver, processor or exporter.
type Component interface {
	// Start begins the component's work and returns soon. Work in the background
	// has a context of its own: ctx is that of starting alone. A source, port or
	// server that is missing is no error: the component reports itself degraded
	// and tries again. An error stops the agent.
	Start(ctx context.Context) error
	// Shutdown ends all that Start began and waits for it: no goroutine, file or
	// listener is left. What was accepted is passed on first, as far as ctx
	// lets. It may be called twice, and without Start.
	Shutdown(ctx context.Context) error
}

// Processor takes records from the stage before it and passes on to the next.
type Processor interface {
	Component
	Consumer
}

// Exporter takes records out of the agent.
type Exporter interface {
	Component
	Consumer
}

// ID names a component or pipeline in the configuration: TYPE or TYPE/NAME.
type ID struct {
	Type string
	Name string
}

// namePattern is what may follow the type of an id.
const namePattern = `(/[A-Za-z0-9][A-Za-z0-9_.-]*)?$`

var idPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*` + namePattern)

// IDPattern is the regular expression of the ids of one type: TYPE and TYPE/NAME.
func IDPattern(componentType string) string { return "^" + componentType + namePattern }

// ParseID reads TYPE or TYPE/NAME.
func ParseID(text string) (ID, error) {
	if !idPattern.MatchString(text) || len(text) > 128 {
		return ID{}, fmt.Errorf("%q is no component id: write TYPE or TYPE/NAME, for example kmsg or kmsg/2", text)
	}
	kind, name, _ := strings.Cut(text, "/")
	return ID{Type: kind, Name: name}, nil
}

// String returns TYPE or TYPE/NAME.
func (id ID) String() string {
	if id.Name == "" {
		return id.Type
	}
	return id.Type + "/" + id.Name
}

// Settings are what the agent gives every component.
type Settings struct {
	// ID is the component's own.
	ID ID
	// Logger carries the component's id.
	Logger *slog.Logger
	// Meter makes the component's own metrics (otelnpd.*).
	Meter metric.Meter
	// Naming is how the node's metrics are named, and NodeMeters make them.
	Naming     Naming
	NodeMeters NodeMeters
	// ExportsMetrics tells an exporter that the metrics pipeline names it.
	ExportsMetrics bool
	// Host says where the host's file systems are.
	Host Host
	// Node is the node's name, part of every identity.
	Node string
	// NodeUID is told, and asked for, the UID that Kubernetes has given the Node; nil:
	// nobody knows it.
	NodeUID *NodeUID
	// Boot is the boot that the agent runs in.
	Boot Boot
	// Clock is the time.
	Clock Clock
	// Report tells the component's status. It is safe from any goroutine.
	Report func(Status)
	// Keeping is told what changes of what the component keeps (see [Keeper]).
	Keeping Keeping
	// Version of the agent.
	Version string
}

// ReceiverFactory makes receivers of one type.
type ReceiverFactory struct {
	Type          string
	DefaultConfig func() Config
	// Signals say in which pipelines its receivers may stand; none: in those of logs.
	Signals Signals
	// Create makes a receiver without side effects: those begin with Start.
	Create func(Settings, Config, Consumer) (Component, error)
}

// ProcessorFactory makes processors of one type.
type ProcessorFactory struct {
	Type          string
	DefaultConfig func() Config
	// Create makes a processor without side effects: those begin with Start.
	Create func(Settings, Config, Consumer) (Processor, error)
}

// ExporterFactory makes exporters of one type.
type ExporterFactory struct {
	Type          string
	DefaultConfig func() Config
	// Signals say in which pipelines its exporters may stand; none: in those of logs.
	Signals Signals
	// SendsLines tells that its exporters send lines as a source gave them, too; others
	// leave them alone.
	SendsLines bool
	// Create makes an exporter without side effects: those begin with Start.
	Create func(Settings, Config) (Exporter, error)
}

// Factories is the list of what is built in, by type.
type Factories struct {
	Receivers  map[string]ReceiverFactory
	Processors map[string]ProcessorFactory
	Exporters  map[string]ExporterFactory
}
