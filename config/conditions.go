package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// conditions gathers the conditions and rules of the file and of all components,
// and checks that they fit together.
func (p *parser) conditions() {
	types := declaredTypes{parser: p, from: map[string]string{}}
	for _, entry := range p.file.Conditions {
		if !p.check(entry.Path, entry.Value.Validate(entry.Key)) {
			p.partial = true
			continue
		}
		types.add(entry.Value.Type(entry.Key), entry.Path)
	}
	for _, d := range p.declarers {
		for _, brought := range d.Types {
			types.add(brought, d.path)
		}
	}
	p.config.Conditions.Types = types.list
	p.uniqueRules()
	if p.partial {
		return // what seems to be missing may stand where something is wrong
	}
	p.ruleConditions(types)
	p.checks(types)
	if len(p.errs) == 0 {
		p.idleConditions(types)
		p.unjudged()
		p.rawLines()
	}
}

// declaredTypes are the conditions declared so far.
type declaredTypes struct {
	parser *parser
	list   []condition.Type
	from   map[string]string // path of what declares each
}

func (t *declaredTypes) add(one condition.Type, path string) {
	first, twice := t.from[one.Name]
	one.Reserved = condition.IsReserved(one.Name)
	switch {
	case one.Reserved && !t.parser.allowReserved:
		t.parser.partial = true
		t.parser.fail(path, "the condition %s is reserved: it belongs to Kubernetes itself; choose another type", one.Name)
	case !twice:
		t.from[one.Name] = path
		t.list = append(t.list, one)
		if one.Reserved {
			t.parser.warn(path, "the condition %s is reserved, since it belongs to Kubernetes itself: it is not told to the Node", one.Name)
		}
	case t.list[slices.Index(t.names(), one.Name)] != one:
		t.parser.fail(path, "the condition %s is declared differently %s: make the declarations equal or take one out", one.Name, t.elsewhere(path, first))
	}
}

func (t *declaredTypes) elsewhere(path, first string) string {
	if path == first {
		return "by two of its packs"
	}
	return "by " + first
}

func (t *declaredTypes) names() []string {
	names := make([]string, len(t.list))
	for i := range t.list {
		names[i] = t.list[i].Name
	}
	return names
}

// uniqueRules takes the rules over and reports ids that several components use.
func (p *parser) uniqueRules() {
	first, shared := map[string]string{}, map[string]bool{}
	for _, d := range p.declarers {
		for _, rule := range d.Rules {
			path := join(d.path, rule.Path)
			earlier, twice := first[rule.ID]
			switch {
			case twice && rule.Shared && shared[rule.ID]:
				continue
			case twice:
				p.fail(path, "the rule id %q is used twice, first by %s: ids must be unique", rule.ID, earlier)
				continue
			}
			first[rule.ID], shared[rule.ID] = path, rule.Shared
			rule.Receivers = p.receiversOf(d)
			p.config.Conditions.Rules = append(p.config.Conditions.Rules, rule.Rule)
		}
	}
}

// receiversOf names the receivers whose lines reach what a component brings: the
// component itself, or those of all pipelines that it is in. What runs checks alone
// reads no lines.
func (p *parser) receiversOf(d declarer) []string {
	if d.section.kind == pipeline.KindReceiver {
		return []string{d.id.String()}
	}
	var names []string
	for _, one := range p.config.Graph.Pipelines {
		if !slices.Contains(one.Processors, d.id) {
			continue
		}
		for _, id := range one.Receivers {
			if name := id.String(); !slices.Contains(names, name) && !p.checksAlone(id) {
				names = append(names, name)
			}
		}
	}
	return names
}

// checksAlone tells whether a receiver brings checks and no rules on lines.
func (p *parser) checksAlone(receiver pipeline.ID) bool {
	return slices.ContainsFunc(p.declarers, func(d declarer) bool {
		ofLines := func(rule condition.DeclaredRule) bool { return !rule.Level }
		return d.section.kind == pipeline.KindReceiver && d.id == receiver && len(d.Rules) > 0 &&
			!slices.ContainsFunc(d.Rules, ofLines)
	})
}

// ruleConditions reports rules that act on conditions nobody declares.
func (p *parser) ruleConditions(types declaredTypes) {
	names := types.names()
	for _, d := range p.declarers {
		for _, rule := range d.Rules {
			path := p.existing(join(d.path, rule.Path), "condition")
			switch {
			case rule.Condition == "" || slices.Contains(names, rule.Condition):
			case condition.IsReserved(rule.Condition):
				p.fail(path, "rule %q: the condition %s is reserved: it belongs to Kubernetes itself", rule.ID, rule.Condition)
			default:
				p.fail(path, "rule %q: the condition %q is not declared: %s", rule.ID, rule.Condition, suggestCondition(rule.Condition, names))
			}
		}
	}
}

func suggestCondition(written string, names []string) string {
	if len(names) == 0 {
		return "declare it under conditions"
	}
	return "declare it under conditions, or " + strictyaml.Suggest(written, names)
}

// checks reports clearings by checks that do not exist.
func (p *parser) checks(types declaredTypes) {
	var known []string
	for _, rule := range p.config.Conditions.Rules {
		if rule.Level {
			known = append(known, rule.ID)
		}
	}
	report := func(path string, how condition.Clear) {
		if how.By == condition.ClearByCheck && !slices.Contains(known, how.Check) {
			p.fail(p.existing(path, "clear.check"), "there is no check %q: %s", how.Check, strictyaml.Suggest(how.Check, known))
		}
	}
	for _, one := range types.list {
		report(types.from[one.Name], one.Clear)
	}
	for _, d := range p.declarers {
		for _, rule := range d.Rules {
			report(join(d.path, rule.Path), rule.Clear)
		}
	}
}

// idleConditions warns of conditions that will stay healthy whatever happens.
func (p *parser) idleConditions(types declaredTypes) {
	used := map[string]bool{} // true: by a rule that is enforced
	for _, rule := range p.config.Conditions.Rules {
		used[rule.Condition] = used[rule.Condition] || !rule.Observe
	}
	for _, one := range types.list {
		enforced, named := used[one.Name]
		switch {
		case !named:
			p.warn(types.from[one.Name], "no rule uses the condition %s: it stays healthy", one.Name)
		case !enforced:
			p.warn(types.from[one.Name], "all rules of the condition %s are in mode observe: it stays healthy", one.Name)
		}
	}
}

// existing returns the path of the key below path if the file has it, else path.
func (p *parser) existing(path, key string) string {
	if p.document.Has(path + "." + key) {
		return path + "." + key
	}
	return path
}

// hash identifies a configuration by its text and by the conditions and rules
// that it declares, in its own text or in packs.
func hash(data []byte, c condition.Config) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%d:%s", len(data), data)
	for _, one := range c.Types {
		fmt.Fprintf(sum, "%+q", fmt.Sprintf("%+v", one))
	}
	for _, rule := range c.Rules {
		rule.InstanceOf = nil // a func prints as its address
		fmt.Fprintf(sum, "%+q", fmt.Sprintf("%+v", rule))
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}
