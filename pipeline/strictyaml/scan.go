package strictyaml

import (
	"fmt"
	"strconv"

	yaml "go.yaml.in/yaml/v4"
)

// scanner looks through a parsed document once for what is wrong whatever it is
// decoded into, and expands references to the environment.
type scanner struct {
	document *Document
	lookup   func(string) (string, bool)
	anchors  map[*yaml.Node]*extent
	written  int // nodes looked through
	expanded int // bytes from the environment
	errs     Errors
}

// extent is how much a node comes to when all aliases in it are followed.
type extent struct {
	nodes, depth int
	open         bool // its own content is being looked through
}

// run tells whether the document can be decoded at all.
func (s *scanner) run() bool {
	if s.document.root == nil {
		return true
	}
	total, ok := s.node(s.document.root, place{at: Position{1, 1}}, 0)
	if ok && total.nodes-s.written > maxAliased {
		s.errs = append(s.errs, s.document.at(Position{1, 1}, "",
			fmt.Sprintf("aliases (*NAME) repeat too much: at most %d values may come from them", maxAliased)))
		return false
	}
	return ok
}

// place is where a value stands: its key, or the item itself in a list.
type place struct {
	path string
	at   Position
}

type child struct {
	node *yaml.Node
	place
}

// node checks one node and what is in it; ok is false where going on would not
// end.
func (s *scanner) node(node *yaml.Node, here place, depth int) (size extent, ok bool) {
	s.written++
	if depth > maxDepth {
		s.fail(here, fmt.Sprintf("is nested too deep: at most %d levels are allowed", maxDepth))
		return extent{}, false
	}
	if node.Kind == yaml.AliasNode {
		return s.alias(node, here, depth)
	}
	if node.Anchor != "" {
		known := &extent{open: true}
		s.anchors[node] = known
		defer func() { *known = size }()
	}
	s.tag(node, here)
	size = extent{nodes: 1}
	for _, child := range s.children(node, here.path) {
		inner, ok := s.node(child.node, child.place, depth+1)
		if !ok {
			return extent{}, false
		}
		size.nodes = min(size.nodes+inner.nodes, 1<<30)
		size.depth = max(size.depth, inner.depth+1)
	}
	if node.Kind == yaml.ScalarNode {
		s.expand(node, here)
	}
	return size, true
}

func (s *scanner) children(node *yaml.Node, path string) []child {
	if node.Kind == yaml.MappingNode {
		return s.mapping(node, path)
	}
	var children []child
	for i, item := range node.Content {
		children = append(children, child{item, place{path + "[" + strconv.Itoa(i) + "]", position(item)}})
	}
	return children
}

func (s *scanner) alias(node *yaml.Node, here place, depth int) (extent, bool) {
	known := s.anchors[node.Alias]
	switch {
	case known == nil:
		s.fail(here, fmt.Sprintf("the alias *%s repeats a key: only values can be repeated", node.Value))
		return extent{}, false
	case known.open:
		s.fail(here, fmt.Sprintf("the alias *%s stands inside of what it repeats", node.Value))
		return extent{}, false
	case depth+known.depth > maxDepth:
		s.fail(here, fmt.Sprintf("is nested too deep: at most %d levels are allowed", maxDepth))
		return extent{}, false
	}
	return extent{nodes: known.nodes, depth: known.depth}, true
}

// mapping checks the keys of a mapping, takes out those that are at fault, and
// returns all values.
func (s *scanner) mapping(node *yaml.Node, path string) []child {
	children := make([]child, 0, len(node.Content)/2)
	first := map[string]Position{}
	kept := node.Content[:0]
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		here := place{path: extend(path, key.Value), at: position(key)}
		children = append(children, child{value, here})
		earlier, twice := first[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || classify(key) == scalarNull:
			s.fail(place{path, here.at}, "a key must be plain text")
		case twice:
			s.fail(here, fmt.Sprintf("is set twice, first on line %d", earlier.Line))
		case isMerge(key) && !mergeable(value):
			s.fail(here, "want an alias like *NAME of a mapping, or a list of such aliases")
		default:
			first[key.Value] = here.at
			s.tag(key, here)
			kept = append(kept, key, value)
		}
	}
	node.Content = kept
	return children
}

// tag refuses explicit tags but those of the core schema that fit.
func (s *scanner) tag(node *yaml.Node, here place) {
	if node.Style&yaml.TaggedStyle == 0 {
		return
	}
	fits := false
	switch tag := node.ShortTag(); tag {
	case "!!str":
		fits = node.Kind == yaml.ScalarNode
	case "!!int", "!!float", "!!bool", "!!null":
		fits = node.Kind == yaml.ScalarNode && coreTag(node.Value) == tag
	case "!!map":
		fits = node.Kind == yaml.MappingNode
	case "!!seq":
		fits = node.Kind == yaml.SequenceNode
	}
	if !fits {
		s.document.broken[node] = true
		s.fail(here, fmt.Sprintf("the tag %s is not allowed here: leave it out", printable(node.ShortTag())))
	}
}

func (s *scanner) fail(here place, message string) {
	if len(s.errs) < maxGathered {
		s.errs = append(s.errs, s.document.at(here.at, here.path, message))
	}
}

// pair is a key of a mapping and its value.
type pair struct{ key, value *yaml.Node }

// pairs returns a mapping's keys in order, those it merges in place of the merge.
// Its own keys win over merged ones, and of those the earlier.
func pairs(node *yaml.Node) []pair {
	list := make([]pair, 0, len(node.Content)/2)
	merges := false
	for i := 0; i+1 < len(node.Content); i += 2 {
		list = append(list, pair{node.Content[i], node.Content[i+1]})
		merges = merges || isMerge(node.Content[i])
	}
	if !merges {
		return list
	}
	taken := map[string]bool{}
	for _, one := range list {
		taken[one.key.Value] = true
	}
	var merged []pair
	for _, one := range list {
		if !isMerge(one.key) {
			merged = append(merged, one)
			continue
		}
		for _, source := range sources(one.value) {
			for _, inner := range pairs(source) {
				if !taken[inner.key.Value] {
					taken[inner.key.Value] = true
					merged = append(merged, inner)
				}
			}
		}
	}
	return merged
}

// sources are the mappings that a merge key's value names.
func sources(value *yaml.Node) []*yaml.Node {
	value = resolve(value)
	if value.Kind != yaml.SequenceNode {
		return []*yaml.Node{value}
	}
	list := make([]*yaml.Node, len(value.Content))
	for i, item := range value.Content {
		list[i] = resolve(item)
	}
	return list
}

func mergeable(value *yaml.Node) bool {
	for _, source := range sources(value) {
		if source.Kind != yaml.MappingNode {
			return false
		}
	}
	return true
}

func isMerge(key *yaml.Node) bool { return key.Kind == yaml.ScalarNode && key.Tag == "!!merge" }

// resolve follows an alias to what it stands for.
func resolve(node *yaml.Node) *yaml.Node {
	if node != nil && node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}
