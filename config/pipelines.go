package config

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// pipelineSection is one pipeline as it stands in the file.
type pipelineSection struct {
	// Receivers are the ids of the receivers to read from; at least one, but that the
	// metrics pipeline may have none: then there are the metrics of problems and of the
	// agent itself.
	Receivers []string `yaml:"receivers"`
	// Processors are the ids of the processors to pass, in this order; left out:
	// dedupe, rules, conditions, or conditions alone where the receivers run checks
	// only and the file has no rules; []: none. The metrics pipeline has none.
	Processors []string `yaml:"processors"`
	// Exporters are the ids of the exporters to tell; at least one.
	Exporters []string `yaml:"exporters"`
}

// pipelinePattern is the regular expression of the ids of pipelines: there may be
// several of logs, and one of metrics.
var pipelinePattern = pipeline.IDPattern(pipeline.PipelineLogs) + "|^" + pipeline.PipelineMetrics + "$"

// defaultProcessors are those of a pipeline that lists none. They need not be
// declared to be listed: each then has its type's default configuration.
var defaultProcessors = []string{"dedupe", match, judge}

// judge is the type of the processors behind which matches and verdicts become
// conditions and counts.
const judge = "conditions"

// pipelines wires the components that the file declares.
func (p *parser) pipelines() {
	list := p.file.Service.Pipelines
	if len(list) == 0 {
		if !p.errs.Covers("service.pipelines") {
			p.fail("service.pipelines", "there is no pipeline: write one, for example logs: {receivers: [kmsg], exporters: [console]}")
		}
		return
	}
	for _, entry := range list {
		p.pipeline(entry)
	}
	for _, s := range p.sections {
		p.unused(s)
	}
}

func (p *parser) pipeline(entry strictyaml.Entry[pipelineSection]) {
	wired := pipeline.PipelineConfig{ID: p.pipelineID(entry)}
	receivers, exporters := p.sections[0], p.sections[2]
	if wired.ID.Type == pipeline.PipelineMetrics {
		wired.Receivers = p.members(entry.Path, receivers, entry.Value.Receivers)
	} else {
		wired.Receivers = p.atLeastOne(entry.Path, receivers, entry.Value.Receivers)
	}
	wired.Exporters = p.atLeastOne(entry.Path, exporters, entry.Value.Exporters)
	p.signals(entry.Path, wired.ID, receivers, entry.Value.Receivers)
	p.signals(entry.Path, wired.ID, exporters, entry.Value.Exporters)
	wired.Processors = p.processors(entry, &wired)
	p.config.Graph.Pipelines = append(p.config.Graph.Pipelines, wired)
}

func (p *parser) pipelineID(entry strictyaml.Entry[pipelineSection]) pipeline.ID {
	known := []string{pipeline.PipelineLogs, pipeline.PipelineMetrics}
	id, err := pipeline.ParseID(entry.Key)
	switch {
	case err != nil:
		p.fail(entry.Path, "%q is no pipeline id: write logs, logs/NAME or metrics", entry.Key)
	case !slices.Contains(known, id.Type):
		p.fail(entry.Path, "there is no pipeline of type %q: %s", id.Type, strictyaml.Suggest(id.Type, known))
	case id.Type == pipeline.PipelineMetrics && id.Name != "":
		p.fail(entry.Path, "there is one metrics pipeline: write it as metrics; what each exporter gets, its include and exclude say")
	}
	return id
}

// processors are those that records pass.
func (p *parser) processors(entry strictyaml.Entry[pipelineSection], wired *pipeline.PipelineConfig) []pipeline.ID {
	names := entry.Value.Processors
	switch {
	case wired.ID.Type == pipeline.PipelineMetrics && len(names) > 0:
		p.fail(entry.Path+".processors", "no records flow in the metrics pipeline: take the processors out")
		return nil
	case wired.ID.Type == pipeline.PipelineMetrics:
		return nil
	case names == nil:
		names = p.processorsFor(wired.Receivers)
	}
	return p.members(entry.Path, p.sections[1], names)
}

// signals reports components that do not belong into pipelines of a type.
func (p *parser) signals(path string, in pipeline.ID, s *section, names []string) {
	other := pipeline.PipelineMetrics
	if in.Type == other {
		other = pipeline.PipelineLogs
	}
	for i, name := range names {
		id, _ := pipeline.ParseID(name) // a bad id is reported where it is declared
		if s.defaults[id.Type] == nil || s.signals[id.Type].Has(in.Type) || !s.signals[id.Type].Has(other) {
			continue
		}
		p.fail(path+"."+s.key()+"["+strconv.Itoa(i)+"]", "the %s %q has nothing to do with %s: list it in service.pipelines.%s", s.kind, name, in.Type, other)
	}
}

// processorsFor are the processors of a pipeline that lists none. Verdicts of checks
// pass dedupe and rules by: where nothing else comes and the file has no rules, they
// need none. What a receiver with an error would bring is not known: for it alone no
// rules are asked.
func (p *parser) processorsFor(receivers []pipeline.ID) []string {
	wrong := func(id pipeline.ID) bool { return p.sections[0].configs[id] == nil }
	ofLines := func(id pipeline.ID) bool { return !wrong(id) && !p.checksAlone(id) }
	switch {
	case p.sections[1].written[match] || slices.ContainsFunc(receivers, ofLines):
		return defaultProcessors
	case slices.ContainsFunc(receivers, wrong):
		return slices.DeleteFunc(slices.Clone(defaultProcessors), func(name string) bool { return name == match })
	}
	return []string{judge}
}

func (p *parser) atLeastOne(path string, s *section, names []string) []pipeline.ID {
	key := path + "." + s.key()
	if len(names) == 0 && !p.errs.Covers(key) {
		p.fail(key, "the pipeline has no %s: list at least one", s.kind)
	}
	return p.members(path, s, names)
}

// members looks up the components that a pipeline lists.
func (p *parser) members(path string, s *section, names []string) []pipeline.ID {
	var ids []pipeline.ID
	seen := map[string]bool{}
	for i, name := range names {
		item := path + "." + s.key() + "[" + strconv.Itoa(i) + "]"
		switch {
		case p.errs.Covers(item):
		case seen[name]:
			p.fail(item, "%q is listed twice", name)
		case !s.knows(name):
			p.fail(item, "the %s %q is not declared: %s", s.kind, name, s.suggest(name))
		default:
			ids = append(ids, p.member(path, s, name))
		}
		s.used[name], seen[name] = true, true
	}
	return ids
}

// member returns the id of a component that is known, and adds a default
// processor that the file does not declare.
func (p *parser) member(path string, s *section, name string) pipeline.ID {
	id, _ := pipeline.ParseID(name) // a bad id is reported where it is declared
	if s.used[name] || s.written[name] {
		s.used[name] = true
		return id
	}
	s.used[name] = true
	makeDefault, ok := s.defaults[name]
	if !ok {
		p.fail(path, "the processor %q, which a pipeline has by default, is not built in: list the processors it is to have", name)
		return id
	}
	config, own := makeDefault(), s.key()+"."+name
	if p.check(own, config.Validate()) {
		p.add(s, id, own, config)
	} else {
		p.partial = true
	}
	return id
}

// knows tells whether pipelines may name an id.
func (s *section) knows(name string) bool {
	return s.written[name] || s.kind == pipeline.KindProcessor && slices.Contains(defaultProcessors, name)
}

// known are the ids that pipelines may name.
func (s *section) known() []string {
	declared := s.declared.Keys()
	if s.kind == pipeline.KindProcessor {
		return append(declared, defaultProcessors...)
	}
	return declared
}

func (s *section) suggest(name string) string {
	id, err := pipeline.ParseID(name)
	if err != nil || s.defaults[id.Type] == nil {
		return strictyaml.Suggest(name, s.known())
	}
	if nearest, ok := strictyaml.Nearest(name, s.known()); ok {
		return fmt.Sprintf("write it under %s, or did you mean %q?", s.key(), nearest)
	}
	return "write it under " + s.key()
}

// unjudged warns of rules whose matches no conditions processor sees: they turn no
// condition and are not counted.
func (p *parser) unjudged() {
	rules := map[string]bool{} // by the path of the component that brings them
	for _, d := range p.declarers {
		rules[d.path] = len(d.Rules) > 0
	}
	for _, wired := range p.config.Graph.Pipelines {
		judged := false
		report := func(kind string, id pipeline.ID) {
			if !judged && rules[kind+"s."+id.String()] {
				p.warn(fmt.Sprintf("service.pipelines.%s.processors", wired.ID),
					"no processor of type %s comes after the %s %q: its rules turn no condition and are not counted", judge, kind, id)
			}
		}
		for _, id := range slices.Backward(wired.Processors) {
			judged = judged || id.Type == judge
			report(pipeline.KindProcessor, id)
		}
		for _, id := range wired.Receivers {
			// As it is by a pipeline beside one for raw lines.
			if !p.isJudged(id) && !p.isRaw(id) {
				report(pipeline.KindReceiver, id)
			}
		}
	}
}

// isJudged tells whether any pipeline of a receiver has conditions.
func (p *parser) isJudged(receiver pipeline.ID) bool {
	return slices.ContainsFunc(p.config.Graph.Pipelines, func(wired pipeline.PipelineConfig) bool {
		return slices.Contains(wired.Receivers, receiver) &&
			slices.ContainsFunc(wired.Processors, func(id pipeline.ID) bool { return id.Type == judge })
	})
}

// unused reports the components that no pipeline names.
func (p *parser) unused(s *section) {
	for _, entry := range s.declared {
		if !s.used[entry.Key] && !p.errs.Covers(entry.Path) {
			p.fail(entry.Path, "no pipeline names it: list it under service.pipelines or take it out")
		}
	}
}
