package telemetry

import (
	"context"
	"errors"
	"runtime"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelnpd/otelnpd/pipeline"
)

// observeAgent makes otelnpd.build_info and otelnpd.component.up.
func observeAgent(meter metric.Meter, config Config) error {
	_, errBuild := meter.Int64ObservableGauge("otelnpd.build_info",
		metric.WithDescription("Always 1; its attributes tell what the agent was built from."),
		metric.WithInt64Callback(buildInfo(config)))
	_, errUp := meter.Int64ObservableGauge("otelnpd.component.up",
		metric.WithDescription("1 while a component is ok, 0 while it is starting or degraded."),
		metric.WithInt64Callback(componentUp(config.Board)))
	return errors.Join(errBuild, errUp)
}

func buildInfo(config Config) metric.Int64Callback {
	built := metric.WithAttributeSet(attribute.NewSet(
		attribute.String("version", config.Version),
		attribute.String("revision", config.Revision),
		attribute.String("goversion", runtime.Version()),
	))
	return func(_ context.Context, observer metric.Int64Observer) error {
		observer.Observe(1, built)
		return nil
	}
}

func componentUp(board *pipeline.StatusBoard) metric.Int64Callback {
	return func(_ context.Context, observer metric.Int64Observer) error {
		for _, component := range board.All() {
			up := int64(0)
			if component.State == pipeline.ComponentOK {
				up = 1
			}
			observer.Observe(up, metric.WithAttributes(
				attribute.String("kind", component.Kind), attribute.String("component", component.ID)))
		}
		return nil
	}
}
