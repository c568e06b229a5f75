package config

import (
	"errors"
	"io/fs"
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
	signals  map[string]pipeline.Signals       // by type
	lines    map[string]bool                   // by type: whether it sends lines as they are
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

// claimer is a component's configuration that needs several things, of each of which there
// is only one.
type claimer interface {
	// Claims names them (the metric cpu_load_1m), as they are where the node's metrics
	// are named so.
	Claims(naming pipeline.Naming) []string
}

// filed is a component's configuration of which a part is in other files.
type filed interface {
	// Files returns their paths.
	Files() []string
}

// checked is a component's configuration that names files which are read when the
// component runs.
type checked interface {
	// CheckFiles tells what is wrong with them now. Errors made by [pipeline.At] name
	// the key.
	CheckFiles() error
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
		receivers.defaults[name], receivers.signals[name] = factory.DefaultConfig, factory.Signals
	}
	processors := newSection(pipeline.KindProcessor, f.Processors)
	for name, factory := range factories.Processors {
		processors.defaults[name] = factory.DefaultConfig
	}
	exporters := newSection(pipeline.KindExporter, f.Exporters)
	for name, factory := range factories.Exporters {
		exporters.defaults[name], exporters.signals[name] = factory.DefaultConfig, factory.Signals
		exporters.lines[name] = factory.SendsLines
	}
	return []*section{receivers, processors, exporters}
}

func newSection(kind string, declared strictyaml.Map[strictyaml.Value]) *section {
	s := &section{
		kind: kind, declared: declared, written: map[string]bool{}, used: map[string]bool{},
		defaults: map[string]func() pipeline.Config{}, configs: map[pipeline.ID]pipeline.Config{},
		signals: map[string]pipeline.Signals{}, lines: map[string]bool{},
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
	if own, ok := config.(checked); ok && p.checkFiles {
		p.checkNamed(path, own.CheckFiles())
	}
	if warns, ok := config.(warner); ok {
		for _, fault := range faults(path, errors.Join(warns.Warnings()...)) {
			p.warn(fault.path, "%s", fault.message)
		}
	}
}

// checkNamed tells what is wrong with files that a component names. That there is none
// is not wrong: it may be where the agent will run.
func (p *parser) checkNamed(path string, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		for _, fault := range faults(path, err) {
			p.warn(fault.path, "%s: it must be there where the agent runs", fault.message)
		}
		return
	}
	p.check(path, err)
}

// claim reports a second component that needs what another has.
func (p *parser) claim(path string, config pipeline.Config) {
	var claims []string
	if own, ok := config.(exclusive); ok && own.Exclusive() != "" {
		claims = append(claims, own.Exclusive())
	}
	if own, ok := config.(claimer); ok {
		claims = append(claims, own.Claims(p.file.Service.Telemetry.Naming)...)
	}
	var told []string // the components that were told of
	for _, claim := range claims {
		first, taken := p.claims[claim]
		switch {
		case !taken:
			p.claims[claim] = path
		case !slices.Contains(told, first):
			told = append(told, first)
			p.fail(path, "needs %s, which %s has: only one can", claim, first)
		}
	}
}
