// Package telemetry holds the agent's metrics: one Prometheus registry, and on
// it two OpenTelemetry MeterProviders, because the names that a MeterProvider's
// instruments get in Prometheus are chosen for all of them at once.
//
//   - [Telemetry.Meters] follows OpenTelemetry: units and _total are appended
//     (otelnpd.receiver.accepted_records becomes
//     otelnpd_receiver_accepted_records_total). The agent's own metrics and host
//     metrics by semantic conventions are made here.
//   - [Telemetry.NPDMeters] leaves names as they are, but for characters that
//     Prometheus does not know: problem_counter, problem_gauge and the other
//     metrics of node-problem-detector, which dashboards know by these names.
//
// An instrument is made by one of the two; the same name and labels in both
// would spoil the whole registry. Exporters that push read the same instruments by
// [Telemetry.Producer].
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Scope names the instruments that this package makes.
const Scope = "github.com/otelnpd/otelnpd/pipeline/telemetry"

// cardinalityLimit bounds the sets of attributes of an instrument; what is more
// joins one set marked otel_metric_overflow="true". Rules, reasons and
// components are configuration, and who tells of devices bounds them, below this: ten
// stages of 2,000 CPUs, two directions of 10,000 interfaces. So only a fault reaches it.
const cardinalityLimit = 25000

// Config says what the metrics tell of the agent.
type Config struct {
	// Version and Revision of the agent, for otelnpd_build_info.
	Version, Revision string
	// Node is the node's name, for target_info; empty: not told.
	Node string
	// Board has the components' statuses, for otelnpd_component_up.
	Board *pipeline.StatusBoard
	// ConfigWarnings is how much of the configuration that the agent starts with is
	// odd, and ConfigRead when it was read.
	ConfigWarnings int
	ConfigRead     time.Time
}

// Telemetry is the registry and its MeterProviders. They outlive graphs: a
// reload resets nothing. It is safe for concurrent use.
type Telemetry struct {
	registry *prometheus.Registry
	semconv  *sdkmetric.MeterProvider
	npd      *sdkmetric.MeterProvider
	process  *sdkmetric.MeterProvider
	readers  map[Family]*sdkmetric.ManualReader
	reloads  *Reloads
	catalog  catalog
	// whole is held for writing while instruments change hands, and for reading by
	// whoever reads them.
	whole sync.RWMutex
	// reading is held by whoever reads: one at a time, so that all that one reads is of
	// one cut.
	reading sync.Mutex
	cuts    []*func()

	shutdown    sync.Once
	shutdownErr error
}

// New makes the registry, both MeterProviders and the metrics of the agent as a
// whole: build info, components and the process.
func New(config Config) (*Telemetry, error) {
	t := &Telemetry{
		registry: prometheus.NewRegistry(), catalog: newCatalog(),
		readers: map[Family]*sdkmetric.ManualReader{},
	}
	about := aboutAgent(config)
	var err error
	if t.semconv, err = t.newProvider(SemConv, about, otlptranslator.UnderscoreEscapingWithSuffixes); err != nil {
		return nil, fmt.Errorf("make the metrics by semantic conventions: %w", err)
	}
	if t.npd, err = t.newProvider(NPD, about, otlptranslator.UnderscoreEscapingWithoutSuffixes, otelprometheus.WithoutTargetInfo()); err != nil {
		return nil, fmt.Errorf("make the metrics by node-problem-detector's names: %w", err)
	}
	if err := t.newProcess(time.Now()); err != nil {
		return nil, fmt.Errorf("make the metrics of the process: %w", err)
	}
	if err := observeAgent(t.semconv.Meter(Scope), config); err != nil {
		return nil, fmt.Errorf("make the metrics of the agent: %w", err)
	}
	if t.reloads, err = newReloads(t.semconv.Meter(Scope), config.ConfigWarnings, config.ConfigRead); err != nil {
		return nil, err
	}
	return t, nil
}

// Reloads takes note of what becomes of the configuration.
func (t *Telemetry) Reloads() *Reloads { return t.reloads }

// Gatherer reads all metrics. They are meant for Prometheus' text format: in
// OpenMetrics a counter must end in _total, which problem_counter does not.
func (t *Telemetry) Gatherer() prometheus.Gatherer {
	return prometheus.GathererFunc(func() (families []*dto.MetricFamily, err error) {
		t.read(func() { families, err = t.registry.Gather() })
		return families, err
	})
}

// BeforeReading has cut called at the start of each reading, by whichever way, until
// remove is called: what it fixes is then told alike in both families.
func (t *Telemetry) BeforeReading(cut func()) (remove func()) {
	t.reading.Lock()
	defer t.reading.Unlock()
	t.cuts = append(t.cuts, &cut)
	return func() {
		t.reading.Lock()
		defer t.reading.Unlock()
		t.cuts = slices.DeleteFunc(t.cuts, func(one *func()) bool { return one == &cut })
	}
}

// read calls f, which reads instruments, not in the middle of a change.
func (t *Telemetry) read(f func()) {
	t.whole.RLock()
	defer t.whole.RUnlock()
	t.reading.Lock()
	defer t.reading.Unlock()
	for _, cut := range t.cuts {
		(*cut)()
	}
	f()
}

// Change calls f, in which instruments change hands, while nobody reads them: whoever
// reads sees what was before or what is after.
func (t *Telemetry) Change(f func()) {
	t.whole.Lock()
	defer t.whole.Unlock()
	f()
}

// Meters is the MeterProvider of the agent's own metrics and of semantic
// conventions.
func (t *Telemetry) Meters() metric.MeterProvider { return t.semconv }

// NPDMeters is the MeterProvider of node-problem-detector's metrics.
func (t *Telemetry) NPDMeters() metric.MeterProvider { return t.npd }

// Shutdown ends the MeterProviders. Exporters are shut down before. It may be
// called twice.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	t.shutdown.Do(func() {
		t.shutdownErr = errors.Join(t.semconv.Shutdown(ctx), t.npd.Shutdown(ctx), t.process.Shutdown(ctx))
	})
	return t.shutdownErr
}

func (t *Telemetry) newProvider(family Family, about *resource.Resource, naming otlptranslator.TranslationStrategyOption,
	options ...otelprometheus.Option,
) (*sdkmetric.MeterProvider, error) {
	// The scope's labels would tell every series the package that made it: they
	// cost space, tell an operator nothing, and NPD's series do not have them.
	options = append(options, otelprometheus.WithRegisterer(t.registry), otelprometheus.WithTranslationStrategy(naming), otelprometheus.WithoutScopeInfo())
	exporter, err := otelprometheus.New(options...)
	if err != nil {
		return nil, err
	}
	return sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(exporter),
		sdkmetric.WithReader(t.newReader(family)),
		sdkmetric.WithResource(about),
		sdkmetric.WithCardinalityLimit(cardinalityLimit),
		// There are no traces to take examples of.
		sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter),
		sdkmetric.WithView(t.catalog.view(naming)),
	), nil
}

// aboutAgent is what target_info tells, by the semantic conventions of
// resources.
func aboutAgent(config Config) *resource.Resource {
	about := []attribute.KeyValue{
		attribute.String("service.name", "otelnpd"),
		attribute.String("service.version", config.Version),
	}
	if config.Node != "" {
		about = append(about, attribute.String("k8s.node.name", config.Node))
	}
	return resource.NewSchemaless(about...)
}
