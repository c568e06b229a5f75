package config

import (
	"errors"
	"maps"
	"slices"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// section is one of the sections that declare components.
type section struct {
	kind     string // receiver, processor or exporter
	declared strictyaml.Map[strictyaml.Value]
	defaults map[string]func() pipeline.Config // by type
	configs  map[pipeline.ID]pipeline.Config
	written  map[string]bool // by id, in the file
	used     map[string]bool // by id, by a pipeline
}

// key is the section's key in the file.
func (s *section) key() string { return s.kind + "s" }

// declarer is a component that brings conditions or rules.
type declarer struct {
	path    string
	section *section
	id      pipeline.ID
	condition.Declarations
}

// warner is a component's configuration that tells what is odd in it but works.
type warner interface {
	// Warnings is called after Validate has found nothing wrong. Errors made by
	// [pipeline.At] name the key.
	Warnings() []error
}

// exclusive is a component's configuration that needs something of which there is
// only one.
type exclusive interface {
	// Exclusive names it (the endpoint 127.0.0.1:20257), or is empty.
	Exclusive() string
}

// filed is a component's configuration of which a part is in other files.
type filed interface {
	// Files returns their paths.
	Files() []string
}

// placed is a component's configuration with paths that may be relative.
type placed interface {
	// RelativeTo makes them begin at a directory. It is called once, before Validate.
	RelativeTo(dir string)
}

// sections returns the sections of the file in their order.
func sections(f *file, factories pipeline.Factories) []*section {
	receivers := newSection(pipeline.KindReceiver, f.Receivers)
	for name, factory := range factories.Receivers {
		receivers.defaults[name] = factory.DefaultConfig
	}
	processors := newSection(pipeline.KindProcessor, f.Processors)
	for name, factory := range factories.Processors {
		processors.defaults[name] = factory.DefaultConfig
	}
	exporters := newSection(pipeline.KindExporter, f.Exporters)
	for name, factory := range factories.Exporters {
		exporters.defaults[name] = factory.DefaultConfig
	}
	return []*section{receivers, processors, exporters}
}

func newSection(kind string, declared strictyaml.Map[strictyaml.Value]) *section {
	s := &section{
		kind: kind, declared: declared, written: map[string]bool{}, used: map[string]bool{},
		defaults: map[string]func() pipeline.Config{}, configs: map[pipeline.ID]pipeline.Config{},
	}
	for _, entry := range declared {
		s.written[entry.Key] = true
	}
	return s
}

// types are the types built in.
func (s *section) types() []string { return slices.Sorted(maps.Keys(s.defaults)) }

// components decodes and validates every component of the file.
func (p *parser) components() {
	for _, s := range p.sections {
		for _, entry := range s.declared {
			p.component(s, entry)
		}
	}
}

func (p *parser) component(s *section, entry strictyaml.Entry[strictyaml.Value]) {
	id, err := pipeline.ParseID(entry.Key)
	if err != nil {
		p.fail(entry.Path, "%s", err)
		return
	}
	makeDefault, ok := s.defaults[id.Type]
	if !ok {
		p.partial = true
		p.fail(entry.Path, "there is no %s of type %q: %s", s.kind, id.Type, strictyaml.Suggest(id.Type, s.types()))
		return
	}
	config := makeDefault()
	decoded := p.decoded(entry.Path, entry.Value.Decode(config))
	if relative, ok := config.(placed); ok && p.dir != "" {
		relative.RelativeTo(p.dir)
	}
	if valid := p.check(entry.Path, config.Validate()); !decoded || !valid {
		p.partial = true
		return
	}
	p.add(s, id, entry.Path, config)
}

// decoded takes the faults found in decoding a component; ok tells that there
// was none.
func (p *parser) decoded(path string, err error) (ok bool) {
	var errs strictyaml.Errors
	switch {
	case errors.As(err, &errs):
		p.errs = append(p.errs, errs...)
	case err != nil:
		p.fail(path, "%s", err)
	}
	return err == nil
}

// add takes a component in which nothing is wrong into the graph.
func (p *parser) add(s *section, id pipeline.ID, path string, config pipeline.Config) {
	s.configs[id] = config
	p.claim(path, config)
	if brings, ok := config.(condition.Declarer); ok {
		p.declarers = append(p.declarers, declarer{path: path, section: s, id: id, Declarations: brings.Declare()})
	}
	if own, ok := config.(filed); ok {
		p.config.Files = append(p.config.Files, own.Files()...)
	}
	if warns, ok := config.(warner); ok {
		for _, fault := range faults(path, errors.Join(warns.Warnings()...)) {
			p.warn(fault.path, "%s", fault.message)
		}
	}
}

// claim reports a second component that needs what another has.
func (p *parser) claim(path string, config pipeline.Config) {
	own, ok := config.(exclusive)
	if !ok || own.Exclusive() == "" {
		return
	}
	if first, taken := p.claims[own.Exclusive()]; taken {
		p.fail(path, "needs %s, which %s has: only one can", own.Exclusive(), first)
		return
	}
	p.claims[own.Exclusive()] = path
}
