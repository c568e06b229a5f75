package rules

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// maxPackBytes bounds a pack's file.
const maxPackBytes = 1 << 20

// Pack is the shape of a rule pack's file.
type Pack struct {
	// Conditions are the node conditions that the pack's rules act on, by type.
	Conditions strictyaml.Map[condition.Declaration] `yaml:"conditions"`
	// Rules are the pack's rules, in the order in which they act.
	Rules []Rule `yaml:"rules"`
}

// ruleSet is all rules of a configuration, in file order.
type ruleSet struct {
	types []condition.Type
	rules []*rule
}

func (s *ruleSet) ids() []string {
	ids := make([]string, len(s.rules))
	for i, rule := range s.rules {
		ids[i] = rule.id
	}
	return ids
}

// clearingOf returns how a condition's causes end by default; ok is false if the
// condition is declared elsewhere.
func (s *ruleSet) clearingOf(conditionType string) (by condition.ClearBy, ok bool) {
	for _, declared := range s.types {
		if declared.Name == conditionType {
			return declared.Clear.By, true
		}
	}
	return "", false
}

// load reads packs and rules and reports all that is wrong.
func (c *Config) load() (*ruleSet, error) {
	if len(c.Packs) == 0 && len(c.Rules) == 0 {
		return nil, errors.New("there are no rules: write packs: [kernel] or rules: [{…}]")
	}
	set := &ruleSet{}
	var errs []error
	for i, name := range c.Packs {
		key := fmt.Sprintf("packs[%d]", i)
		errs = append(errs, pipeline.At(key, c.loadPack(set, name, key)))
	}
	for i := range c.Rules {
		key := fmt.Sprintf("rules[%d]", i)
		rule, err := compile(&c.Rules[i], "", c.Source, set)
		errs = append(errs, pipeline.At(key, err))
		set.add(rule, key)
	}
	errs = append(errs, set.checkUnique()...)
	errs = append(errs, set.disable(c.Disable)...)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return set, nil
}

// add appends a rule, even one at fault, so that its id is known.
func (s *ruleSet) add(rule *rule, key string) {
	rule.path = key
	s.rules = append(s.rules, rule)
}

func (c *Config) loadPack(set *ruleSet, name, key string) error {
	data, file, err := c.readPack(name)
	if err != nil {
		return err
	}
	var contents Pack
	document, err := strictyaml.Decode(data, file, &contents)
	if err != nil {
		return err
	}
	if len(contents.Rules) == 0 {
		return fmt.Errorf("pack %s holds no rules", file)
	}
	prefix := strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)) + "/"
	var errs []error
	for _, entry := range contents.Conditions {
		errs = append(errs, locate(document, pipeline.At("conditions."+entry.Key, entry.Value.Validate(entry.Key))))
		set.types = append(set.types, entry.Value.Type(entry.Key))
	}
	for i := range contents.Rules {
		rule, err := compile(&contents.Rules[i], prefix, c.Source, set)
		errs = append(errs, locate(document, pipeline.At(fmt.Sprintf("rules[%d]", i), err)))
		set.add(rule, key)
	}
	return errors.Join(errs...)
}

// locate gives each error the place in the file that its key has.
func locate(document *strictyaml.Document, err error) error {
	var errs strictyaml.Errors
	for _, one := range flatten(err) {
		var at *pipeline.FieldError
		if !errors.As(one, &at) {
			at = &pipeline.FieldError{Err: one}
		}
		errs = append(errs, document.Error(at.Path, at.Err.Error()))
	}
	if len(errs) == 0 {
		return nil
	}
	return errs
}

func flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var errs []error
	for _, one := range joined.Unwrap() {
		errs = append(errs, flatten(one)...)
	}
	return errs
}

// readPack returns a pack's text and the name to call it in messages.
func (c *Config) readPack(name string) (data []byte, file string, err error) {
	if name == "" {
		return nil, "", errors.New("is empty: write the name of a built-in pack, or the path of a file")
	}
	if isPath(name) {
		path := c.path(name)
		at := filepath.Clean(path)
		data, err = readBounded(os.DirFS(filepath.Dir(at)), filepath.Base(at))
		if err != nil {
			return nil, "", fmt.Errorf("read pack %q: %w", path, err)
		}
		return data, path, nil
	}
	names := c.builtInPacks()
	if !slices.Contains(names, name) {
		return nil, "", fmt.Errorf("there is no built-in pack %q: %s", name, strictyaml.Suggest(name, names))
	}
	file = name + ".yaml"
	data, err = readBounded(c.builtIn, file)
	if err != nil {
		return nil, "", fmt.Errorf("read the built-in pack %q: %w", name, err)
	}
	return data, file, nil
}

func isPath(name string) bool {
	return strings.ContainsRune(name, '/') || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

func (c *Config) builtInPacks() []string {
	if c.builtIn == nil {
		return nil
	}
	files, err := fs.Glob(c.builtIn, "*.yaml")
	if err != nil {
		return nil
	}
	for i := range files {
		files[i] = strings.TrimSuffix(files[i], ".yaml")
	}
	return files
}

func readBounded(dir fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(dir, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a named pipe would wait for ever
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	file, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxPackBytes+1))
	if err == nil && len(data) > maxPackBytes {
		err = fmt.Errorf("has more than %d bytes", maxPackBytes)
	}
	return data, err
}

// checkUnique reports ids that two rules share.
func (s *ruleSet) checkUnique() []error {
	var errs []error
	first := map[string]string{}
	for _, rule := range s.rules {
		if rule.id == "" {
			continue // reported already
		}
		if where, taken := first[rule.id]; taken {
			errs = append(errs, pipeline.At(rule.path+".id", fmt.Errorf("%q is the id of a rule of %s already: choose another", rule.id, where)))
			continue
		}
		first[rule.id] = rule.path
	}
	return errs
}

// disable takes out the rules that ids or globs name.
func (s *ruleSet) disable(patterns []string) []error {
	var errs []error
	gone := map[*rule]bool{}
	for i, pattern := range patterns {
		found := false
		for _, rule := range s.rules {
			if matched, err := path.Match(pattern, rule.id); err == nil && matched {
				gone[rule], found = true, true
			}
		}
		if !found {
			errs = append(errs, pipeline.At(fmt.Sprintf("disable[%d]", i), fmt.Errorf("%q names no rule: %s", pattern, s.suggest(pattern))))
		}
	}
	s.rules = slices.DeleteFunc(s.rules, func(rule *rule) bool { return gone[rule] })
	return errs
}

func (s *ruleSet) suggest(pattern string) string {
	if nearest, ok := strictyaml.Nearest(pattern, s.ids()); ok {
		return fmt.Sprintf("did you mean %q?", nearest)
	}
	return "write the id of a rule, or a glob such as kernel/ext4-*"
}
