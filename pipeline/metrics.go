package pipeline

import "go.opentelemetry.io/otel/metric"

// Naming chooses the names that the node's metrics have.
type Naming string

// The families of names, and both of them.
const (
	NamingNPD     Naming = "npd"
	NamingSemConv Naming = "semconv"
	NamingBoth    Naming = "both"
)

// Words are the choices that there are.
func (Naming) Words() []string {
	return []string{string(NamingNPD), string(NamingSemConv), string(NamingBoth)}
}

// NPD tells whether node-problem-detector's names are wanted.
func (n Naming) NPD() bool { return n == NamingNPD || n == NamingBoth }

// SemConv tells whether the names of OpenTelemetry's semantic conventions are
// wanted.
func (n Naming) SemConv() bool { return n == NamingSemConv || n == NamingBoth }

// NodeMeters make the metrics of the node, in one family of names each; nil: nobody
// wants that family. Receivers of metrics pipelines observe by them, and unregister
// what they have registered when they are shut down.
type NodeMeters struct {
	SemConv, NPD metric.Meter
	// BeforeReading has cut called at the start of each reading of the metrics, until
	// remove is called: what cut fixes is told alike by both families. Nil: each family
	// is read on its own.
	BeforeReading func(cut func()) (remove func())
}

func nodeMeters(naming Naming, semconv, npd metric.MeterProvider, scope string) (meters NodeMeters) {
	if naming.SemConv() && semconv != nil {
		meters.SemConv = semconv.Meter(scope)
	}
	if naming.NPD() && npd != nil {
		meters.NPD = npd.Meter(scope)
	}
	return meters
}

// Signals tell in which pipelines a component may stand.
type Signals uint8

// The kinds of pipelines: in those of logs records flow, in that of metrics none do:
// its receivers observe, and its exporters read what all have observed.
const (
	Logs Signals = 1 << iota
	Metrics
)

// The types of pipelines, as their ids name them.
const (
	PipelineLogs    = "logs"
	PipelineMetrics = "metrics"
)

// Has tells whether a component may stand in pipelines of a type. One that says
// nothing stands in those of logs.
func (s Signals) Has(pipelineType string) bool {
	if s == 0 {
		s = Logs
	}
	switch pipelineType {
	case PipelineLogs:
		return s&Logs != 0
	case PipelineMetrics:
		return s&Metrics != 0
	default:
		return false
	}
}
