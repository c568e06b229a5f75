package check

import (
	"context"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelnpd/otelnpd/pipeline"
)

// tellBacklogEnd tells, before the first verdict, that checks have nothing left over
// from before: the conditions wait for that of every receiver. Nothing of this boot
// is missing, since a check asks how things stand now.
func (r *Runner) tellBacklogEnd(ctx context.Context) {
	now := r.settings.Clock.Now()
	err := r.send(ctx, []pipeline.Record{{
		Time: now.Wall, ObservedTime: now.Wall,
		Boot:      pipeline.BootTime{ID: r.settings.Boot.ID, At: now.Boot},
		EventName: pipeline.EventBacklogEnd, Receiver: r.settings.ID.String(),
		Attributes: pipeline.AttributeList{attribute.Bool(pipeline.AttributeBacklogComplete, true)},
	}})
	if err != nil {
		r.settings.Logger.Debug("the pipelines are shutting down and were not told that there is no backlog", "error", err)
	}
}
