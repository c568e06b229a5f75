package main

import (
	"github.com/otelnpd/otelnpd/config/packs"
	"github.com/otelnpd/otelnpd/exporters/console"
	"github.com/otelnpd/otelnpd/exporters/kubernetes"
	"github.com/otelnpd/otelnpd/exporters/otlp"
	"github.com/otelnpd/otelnpd/exporters/prometheus"
	"github.com/otelnpd/otelnpd/exporters/status"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	kmsgsource "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
	"github.com/otelnpd/otelnpd/pipeline/telemetry"
	"github.com/otelnpd/otelnpd/processors/conditions"
	"github.com/otelnpd/otelnpd/processors/dedupe"
	"github.com/otelnpd/otelnpd/processors/rules"
	"github.com/otelnpd/otelnpd/processors/sample"
	"github.com/otelnpd/otelnpd/receivers/checks"
	"github.com/otelnpd/otelnpd/receivers/filelog"
	"github.com/otelnpd/otelnpd/receivers/health"
	"github.com/otelnpd/otelnpd/receivers/hoststats"
	"github.com/otelnpd/otelnpd/receivers/journald"
	"github.com/otelnpd/otelnpd/receivers/kmsg"
	"github.com/otelnpd/otelnpd/receivers/plugin"
	"github.com/otelnpd/otelnpd/receivers/plugin/command"
	"github.com/otelnpd/otelnpd/receivers/pstore"
	"github.com/otelnpd/otelnpd/receivers/unavailable"
)

// shared is what several components of one agent work on.
type shared struct {
	console consoleTarget
	cluster kubernetes.API // nil: that of the configuration
	store   *condition.Store
	kmsg    *kmsgsource.Shared
	plugins *command.Launcher
	metrics prometheus.Source
	pushed  telemetry.Source
	status  status.Sources
}

// factories is the one list of what is built in.
func factories(s shared) pipeline.Factories {
	return pipeline.Factories{
		Receivers: byType(receiverType,
			kmsg.NewFactory(s.kmsg),
			journald.NewFactory(),
			filelog.NewFactory(),
			pstore.NewFactory(),
			checks.NewFactory(),
			plugin.NewFactory(s.plugins),
			health.NewFactory(),
			hoststats.NewFactory(),
			unavailable.NewFactory(),
		),
		Processors: byType(processorType,
			dedupe.NewFactory(),
			sample.NewFactory(),
			rules.NewFactory(packs.FS),
			conditions.NewFactory(s.store)),
		Exporters: byType(exporterType, append(googleCloudFactories(s.pushed),
			console.NewFactory(s.console.writer, s.console.terminal, s.console.options...),
			kubernetes.NewFactory(s.store, kubernetes.WithAPI(s.cluster)),
			otlp.NewFactory(s.pushed),
			prometheus.NewFactory(s.metrics),
			status.NewFactory(s.status))...),
	}
}

// configFactories is the same list to read a configuration by: nothing is made
// from it.
func configFactories() pipeline.Factories {
	return factories(shared{})
}

// kubernetesConfig is the configuration of the exporter that writes the Node's
// conditions, or else of one that tells Kubernetes at all; nil: there is none.
func kubernetesConfig(graph pipeline.GraphConfig) (found *kubernetes.Config) {
	for _, exporter := range graph.Exporters {
		if own, ok := exporter.(*kubernetes.Config); ok && (found == nil || own.NodeConditions) {
			found = own
		}
	}
	return found
}

func byType[F any](typeOf func(F) string, list ...F) map[string]F {
	types := make(map[string]F, len(list))
	for _, factory := range list {
		types[typeOf(factory)] = factory
	}
	return types
}

func receiverType(f pipeline.ReceiverFactory) string   { return f.Type }
func processorType(f pipeline.ProcessorFactory) string { return f.Type }
func exporterType(f pipeline.ExporterFactory) string   { return f.Type }
