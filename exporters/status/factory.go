// Package status serves the agent's health and the node's conditions by HTTP,
// as node-problem-detector does.
package status

import (
	"errors"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/httpserve"
)

// Type is the exporter's type in the configuration.
const Type = "status"

// Sources are what the status page shows. The functions are called by several
// goroutines at once and must not wait for a batch under way: the page is there
// to tell of a pipeline that hangs.
type Sources struct {
	// Conditions returns the node's conditions, in the order to show.
	Conditions func() []pipeline.Condition
	// Components returns every component's status.
	Components func() []pipeline.ComponentStatus
	// Stalled names the pipelines in which one batch has been under way for
	// longer than limit.
	Stalled func(limit time.Duration) []string
	// Silences returns the rules that are silenced now, in the order to show; nil:
	// there are none ever.
	Silences func() []Silence
	// Version of the agent.
	Version string
}

// Silence is a rule that has no effect for a time, since an operator said so.
type Silence struct {
	// Rule is the rule's id.
	Rule string `json:"rule"`
	// Until is when the silence ends by itself.
	Until time.Time `json:"until"`
}

// NewFactory returns the factory of status pages.
func NewFactory(sources Sources) pipeline.ExporterFactory {
	return pipeline.ExporterFactory{
		Type: Type,
		// Where there is nothing but figures to tell of, it tells that the agent is well.
		Signals:       pipeline.Logs | pipeline.Metrics,
		DefaultConfig: func() pipeline.Config { return DefaultConfig() },
		Create: func(settings pipeline.Settings, config pipeline.Config) (pipeline.Exporter, error) {
			own, err := pipeline.ConfigAs[*Config](config, pipeline.KindExporter, Type)
			if err != nil {
				return nil, err
			}
			if sources.Conditions == nil || sources.Components == nil || sources.Stalled == nil {
				return nil, errors.New("the status page needs conditions, components and stalled pipelines to show")
			}
			return httpserve.NewExporter(settings, own.listen(), newHandler(own, sources))
		},
	}
}
