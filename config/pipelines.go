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
	// Receivers are the ids of the receivers to read from; at least one.
	Receivers []string `yaml:"receivers"`
	// Processors are the ids of the processors to pass, in this order; left out:
	// dedupe, rules, conditions; []: none.
	Processors []string `yaml:"processors"`
	// Exporters are the ids of the exporters to tell; at least one.
	Exporters []string `yaml:"exporters"`
}

// The kinds of pipelines.
const (
	pipelineLogs    = "logs"
	pipelineMetrics = "metrics"
)

// defaultProcessors are those of a pipeline that lists none. They need not be
// declared to be listed: each then has its type's default configuration.
var defaultProcessors = []string{"dedupe", "rules", judge}

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
	id, err := pipeline.ParseID(entry.Key)
	switch {
	case err != nil:
		p.fail(entry.Path, "%q is no pipeline id: write logs or logs/NAME", entry.Key)
	case id.Type == pipelineMetrics:
		p.fail(entry.Path, "metrics pipelines are not built into this version: only logs pipelines are")
	case id.Type != pipelineLogs:
		p.fail(entry.Path, "there is no pipeline of type %q: %s", id.Type, strictyaml.Suggest(id.Type, []string{pipelineLogs}))
	}
	receivers, processors, exporters := p.sections[0], p.sections[1], p.sections[2]
	wired := pipeline.PipelineConfig{ID: id}
	wired.Receivers = p.atLeastOne(entry.Path, receivers, entry.Value.Receivers)
	wired.Exporters = p.atLeastOne(entry.Path, exporters, entry.Value.Exporters)
	names := entry.Value.Processors
	if names == nil {
		names = defaultProcessors
	}
	wired.Processors = p.members(entry.Path, processors, names)
	p.config.Graph.Pipelines = append(p.config.Graph.Pipelines, wired)
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
			report(pipeline.KindReceiver, id)
		}
	}
}

// unused reports the components that no pipeline names.
func (p *parser) unused(s *section) {
	for _, entry := range s.declared {
		if !s.used[entry.Key] && !p.errs.Covers(entry.Path) {
			p.fail(entry.Path, "no pipeline names it: list it under service.pipelines or take it out")
		}
	}
}
