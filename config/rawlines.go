package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline"
)

// The types of the processors that decide about lines: behind match there is none any
// more, and thin lets a part of them pass.
const (
	match = "rules"
	thin  = "sample"
)

// rawLines warns of pipelines in which lines take a way that hardly anybody wants: what
// the processors of one are decides it, not one of them alone.
func (p *parser) rawLines() {
	for _, wired := range p.config.Graph.Pipelines {
		if wired.ID.Type != pipeline.PipelineLogs {
			continue
		}
		path := "service.pipelines." + wired.ID.String()
		if rules := ofType(wired.Processors, match); rules >= 0 {
			p.thinned(path, wired, rules)
		} else if receivers := p.lineReceivers(wired); len(receivers) > 0 {
			p.unmatched(path, wired, strings.Join(receivers, ", "))
		}
	}
}

// thinned warns of a sample processor in a pipeline with rules, which stand at an index.
func (p *parser) thinned(path string, wired pipeline.PipelineConfig, rules int) {
	for i, id := range wired.Processors {
		if id.Type != thin {
			continue
		}
		why := "stands behind %q, where there are no lines any more: it has no effect"
		if i < rules {
			why = "stands before %q, which does not see the lines that it leaves out: problems in them are missed"
		}
		p.warn(path+".processors["+strconv.Itoa(i)+"]", "the processor %q "+why+
			"; take it out, and for raw lines write a pipeline beside this one: logs/raw: {receivers: […], processors: [%s], exporters: [otlp]}",
			id, wired.Processors[rules], id)
	}
}

// unmatched warns of a pipeline without rules whose lines nobody gets, or that ships all
// of them although its processors look as if it were to tell of problems.
func (p *parser) unmatched(path string, wired pipeline.PipelineConfig, receivers string) {
	judges := ofType(wired.Processors, judge)
	senders := p.lineExporters(wired)
	switch {
	case len(senders) == 0:
		p.warn(path, "no rules stand in the pipeline, and none of its exporters sends lines as they are: those of %s are of no effect; "+
			"write processors: [dedupe, rules, conditions] to have problems told, or list an exporter otlp to send the lines", receivers)
	case judges >= 0 && ofType(wired.Processors, thin) < 0:
		p.warn(fmt.Sprintf("%s.processors[%d]", path, judges), "no rules stand before %q: it judges no line, and all lines of %s go to %s as they are; "+
			"write [dedupe, rules, conditions] to have problems told, or take it out to send the lines", wired.Processors[judges], receivers, strings.Join(senders, ", "))
	}
}

// isRaw tells whether all pipelines of a receiver of lines are for raw lines on purpose: they
// thin them, and match none.
func (p *parser) isRaw(receiver pipeline.ID) bool {
	return !p.checksAlone(receiver) && !slices.ContainsFunc(p.config.Graph.Pipelines, func(wired pipeline.PipelineConfig) bool {
		return slices.Contains(wired.Receivers, receiver) && (ofType(wired.Processors, thin) < 0 || ofType(wired.Processors, match) >= 0)
	})
}

// ofType is the index of the first processor of a type; -1: there is none.
func ofType(processors []pipeline.ID, name string) int {
	return slices.IndexFunc(processors, func(id pipeline.ID) bool { return id.Type == name })
}

// lineReceivers are those of a pipeline that bring lines.
func (p *parser) lineReceivers(wired pipeline.PipelineConfig) (names []string) {
	for _, id := range wired.Receivers {
		if !p.checksAlone(id) {
			names = append(names, id.String())
		}
	}
	return names
}

// lineExporters are those of a pipeline that send lines as they are.
func (p *parser) lineExporters(wired pipeline.PipelineConfig) (names []string) {
	for _, id := range wired.Exporters {
		if p.sections[2].lines[id.Type] {
			names = append(names, id.String())
		}
	}
	return names
}
