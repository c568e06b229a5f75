// Package config reads the agent's configuration: one YAML file that declares
// conditions, receivers, processors and exporters, and wires them to pipelines.
// It reports all that is wrong at once, each fault with its place in the file
// and what to write instead. docs/configuration.md is the page for users.
package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/regularfile"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// maxFileSize is one byte more than strictyaml takes, so that it tells.
const maxFileSize = 1<<20 + 1

// maxErrors bounds what is gathered of a file that is wrong throughout.
const maxErrors = 1000

// Config is a configuration in which nothing is wrong.
type Config struct {
	// Graph holds the components' configurations and how they are wired.
	Graph pipeline.GraphConfig
	// Conditions are the declared conditions and every rule, in file order.
	Conditions condition.Config
	// Service is how the agent itself runs.
	Service Service
	// Files are the files beside its own that it was read from: packs of rules.
	Files []string
	// Warnings tell what is odd but works, in file order.
	Warnings strictyaml.Errors
}

// Load reads the configuration file at path. Relative paths of packs in it begin at
// its directory. An error of type
// [strictyaml.Errors] tells all that is wrong in it; any other, that it cannot
// be read.
func Load(path string, f pipeline.Factories, options ...Option) (*Config, error) {
	data, err := regularfile.ReadInput(path, maxFileSize)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return Parse(data, path, f, append([]Option{relativeTo(filepath.Dir(path))}, options...)...)
}

// Option changes how a configuration is read.
type Option func(*parser)

// relativeTo reads the relative paths of other files, such as packs of rules, from
// a directory on; without it they are read from the working directory on.
func relativeTo(dir string) Option { return func(p *parser) { p.dir = dir } }

// AllowReserved takes conditions that belong to Kubernetes itself, with a warning:
// they are never told to the Node, but what else follows from them is. It is for
// configurations of node-problem-detector, which allows them.
func AllowReserved() Option { return func(p *parser) { p.allowReserved = true } }

// CheckFiles also looks at the files that components read when they run, such as
// certificates: a broken one is an error, a missing one a warning. An agent starts
// without them, and tells that it is degraded.
func CheckFiles() Option { return func(p *parser) { p.checkFiles = true } }

// Parse reads a configuration; name is what errors call it. References
// ${env:NAME} take the process's environment. The error is of type
// [strictyaml.Errors].
func Parse(data []byte, name string, f pipeline.Factories, options ...Option) (*Config, error) {
	p := parser{file: file{Service: serviceSection{Service: DefaultService()}}, claims: map[string]string{}}
	for _, option := range options {
		option(&p)
	}
	document, err := strictyaml.Decode(data, name, &p.file, strictyaml.Env(os.LookupEnv))
	if document == nil {
		return nil, err
	}
	p.document = document
	errors.As(err, &p.errs)
	p.sections = sections(&p.file, f)
	p.partial = slices.ContainsFunc(p.errs, func(e strictyaml.Error) bool { return !strings.HasPrefix(e.Key, "service.") })
	p.components()
	if !slices.ContainsFunc(p.errs, isSection) {
		p.pipelines()
	}
	p.conditions()
	p.check("service", p.file.Service.Validate())
	if len(p.errs) > 0 {
		return nil, p.errs.Sorted()
	}
	p.config.Graph.Receivers, p.config.Graph.Processors, p.config.Graph.Exporters =
		p.sections[0].configs, p.sections[1].configs, p.sections[2].configs
	p.config.Service = p.file.Service.Service
	p.config.Conditions.Hash = hash(data, p.config.Conditions)
	p.config.Warnings = p.config.Warnings.Sorted()
	return &p.config, nil
}

// isSection tells of a fault in a section as a whole: a misspelled section would
// make everything that refers to it look wrong.
func isSection(e strictyaml.Error) bool { return !strings.ContainsAny(e.Key, ".[") }

// file is the shape of the YAML file.
type file struct {
	// Conditions are the node conditions that rules and checks act on.
	Conditions strictyaml.Map[condition.Declaration] `yaml:"conditions"`
	// Receivers are where lines come from, by component id.
	Receivers strictyaml.Map[strictyaml.Value] `yaml:"receivers"`
	// Processors are what finds problems in them, by component id.
	Processors strictyaml.Map[strictyaml.Value] `yaml:"processors"`
	// Exporters are who is told, by component id.
	Exporters strictyaml.Map[strictyaml.Value] `yaml:"exporters"`
	// Service says how they are wired, and how the agent itself runs.
	Service serviceSection `yaml:"service"`
}

type serviceSection struct {
	// Pipelines wire the components, by pipeline id: logs or logs/NAME.
	Pipelines strictyaml.Map[pipelineSection] `yaml:"pipelines"`
	// Service holds the other keys.
	Service `yaml:",inline"`
}

// parser gathers a configuration and all that is wrong in it.
type parser struct {
	document *strictyaml.Document
	file     file
	// sections are those of the components.
	sections []*section
	// declarers are the components that bring conditions or rules, in file order.
	declarers []declarer
	// partial is set where the conditions or rules of a component are not known,
	// since something in it is wrong.
	partial bool
	// dir is where relative paths begin; empty: in the working directory.
	dir string
	// allowReserved takes reserved conditions.
	allowReserved bool
	// checkFiles looks at files that components read when they run.
	checkFiles bool
	// claims are what components claim for themselves, and the path of each.
	claims map[string]string
	config Config
	errs   strictyaml.Errors
}

func (p *parser) fail(path, format string, args ...any) {
	if len(p.errs) < maxErrors {
		p.errs = append(p.errs, p.document.Error(path, fmt.Sprintf(format, args...)))
	}
}

func (p *parser) warn(path, format string, args ...any) {
	if len(p.config.Warnings) < maxErrors {
		p.config.Warnings = append(p.config.Warnings, p.document.Error(path, fmt.Sprintf(format, args...)))
	}
}

// check places what Validate of the part at path has found, but for what follows
// from faults that are known already; ok tells that it found nothing.
func (p *parser) check(path string, err error) (ok bool) {
	known := p.errs
	for _, fault := range faults(path, err) {
		if !known.Covers(fault.path) {
			p.fail(fault.path, "%s", fault.message)
		}
	}
	return err == nil
}

type fault struct{ path, message string }

// faults takes joined errors apart and joins the paths of FieldErrors to path.
func faults(path string, err error) []fault {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []fault
		for _, one := range joined.Unwrap() {
			all = append(all, faults(path, one)...)
		}
		return all
	}
	if field, ok := err.(*pipeline.FieldError); ok { //nolint:errorlint // only the outermost path counts
		return faults(join(path, field.Path), field.Err)
	}
	return []fault{{path, err.Error()}}
}

// join extends a path by one that begins with a key or a list index.
func join(path, rest string) string {
	if rest == "" || rest[0] == '[' {
		return path + rest
	}
	return path + "." + rest
}
