package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// The bounds on a document. People's configuration is far below them.
const (
	// maxBytes is the size of a file, and of what its environment references
	// may add to it.
	maxBytes = 1 << 20
	// maxDepth is how deep lists and mappings nest, aliases followed.
	maxDepth = 64
	// maxAliased is how many nodes aliases may add to those written.
	maxAliased = 100_000
)

// Document is a parsed file that remembers where everything stands.
type Document struct {
	file string
	root *yaml.Node
	// broken are the nodes that have been reported already.
	broken map[*yaml.Node]bool
	// references are the scalars that hold something of the environment, as written.
	references map[*yaml.Node]string
	// fields are the structs' keys found so far.
	fields map[reflect.Type]fields
}

// Option changes how a document is read.
type Option func(*scanner)

// Env expands ${env:NAME} in values by lookup, which is [os.LookupEnv] for the
// agent's own configuration. Without this option the text stays as it is.
func Env(lookup func(name string) (value string, ok bool)) Option {
	return func(s *scanner) { s.lookup = lookup }
}

// Decode parses data and decodes it into the struct or map that into points to,
// over the defaults that it holds. The error is of type [Errors] and tells all
// faults; file is the name it calls the data. The document is nil where the
// syntax itself is broken.
func Decode(data []byte, file string, into any, options ...Option) (*Document, error) {
	document, err := Parse(data, file, options...)
	if document == nil {
		return nil, err
	}
	return document, append(asErrors(err), asErrors(document.Decode(into))...).orNil()
}

// Parse reads data without decoding it. An error, of type [Errors], beside a
// document tells faults that need not keep one from decoding it, to find more;
// the parts at fault then count as absent.
func Parse(data []byte, file string, options ...Option) (*Document, error) {
	document := &Document{file: file, broken: map[*yaml.Node]bool{}, references: map[*yaml.Node]string{}, fields: map[reflect.Type]fields{}}
	if len(data) > maxBytes {
		return nil, Errors{document.at(Position{1, 1}, "",
			fmt.Sprintf("has %d bytes, at most %d are allowed", len(data), maxBytes))}
	}
	if at, fault := badCharacter(data); fault != "" {
		return nil, Errors{document.at(at, "", fault)}
	}
	root, err := document.load(data)
	if err != nil {
		return nil, err
	}
	document.root = root
	s := scanner{document: document, anchors: map[*yaml.Node]*extent{}}
	for _, option := range options {
		option(&s)
	}
	if !s.run() {
		return nil, s.errs.orNil()
	}
	return document, s.errs.orNil()
}

// load reads the one YAML document of data; nil: it is empty.
func (d *Document) load(data []byte) (*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, d.syntaxError(data, err)
	}
	var first, second yaml.Node
	if err := loader.Load(&first); errors.Is(err, io.EOF) {
		return nil, nil //nolint:nilnil // empty input is no error
	} else if err != nil {
		return nil, d.syntaxError(data, err)
	}
	if err := loader.Load(&second); err == nil {
		return nil, Errors{d.at(position(&second), "", "a second document begins here: write one document a file")}
	} else if !errors.Is(err, io.EOF) {
		return nil, d.syntaxError(data, err)
	}
	if len(first.Content) != 1 {
		return nil, nil //nolint:nilnil // an empty document is no error
	}
	return first.Content[0], nil
}

// syntaxError turns the parser's error into ours.
func (d *Document) syntaxError(data []byte, err error) error {
	at, message := Position{1, 1}, err.Error()
	if fault := new(yaml.LoadError); errors.As(err, &fault) {
		message = fault.Message
		if fault.ContextMsg != "" {
			message = fault.ContextMsg + ": " + message
		}
		if fault.Mark.Line > 0 {
			at = Position{fault.Mark.Line, max(1, fault.Mark.Column)}
		}
		if characterAt(data, at) == '\t' {
			message = "a tab cannot indent: write spaces"
		}
	}
	return Errors{d.at(at, "", "is no YAML: "+printable(message))}
}

// Decode decodes the document into the struct or map that into points to. The
// error is of type [Errors].
func (d *Document) Decode(into any) error { return d.Root().Decode(into) }

// Root returns the whole document as a value.
func (d *Document) Root() Value {
	return Value{document: d, node: d.root, position: Position{1, 1}}
}

// Error returns a fault of the document at the key that path leads to, placed at
// the nearest key that exists. Where message quotes a value that comes from the
// environment, it names the reference instead.
func (d *Document) Error(path, message string) Error {
	at, node, left := find(d.root, path, Position{1, 1})
	if left == 0 {
		message = d.withoutValue(node, message)
	}
	return d.at(at, path, message)
}

// Position returns where the key that path leads to stands, and where it does
// not exist the nearest key above it: the beginning of the file, at last. An
// item of a list stands where its value does.
func (d *Document) Position(path string) Position {
	at, _, _ := find(d.root, path, Position{1, 1})
	return at
}

// Has tells whether the key that path leads to exists.
func (d *Document) Has(path string) bool {
	_, _, left := find(d.root, path, Position{1, 1})
	return left == 0
}

func (d *Document) at(at Position, key, message string) Error {
	return Error{File: d.file, Line: at.Line, Column: at.Column, Key: key, Message: message}
}

// find follows path from a node that stands at at as far as it leads, and
// returns what is there and how much of the path is left.
func find(node *yaml.Node, path string, at Position) (Position, *yaml.Node, int) {
	best, left := at, len(path)
	found := resolve(node)
	try := func(at Position, child *yaml.Node, rest string) {
		if at, node, rest := find(child, strings.TrimPrefix(rest, "."), at); rest < left {
			best, found, left = at, node, rest
		}
	}
	switch node = resolve(node); {
	case path == "" || node == nil:
	case node.Kind == yaml.MappingNode:
		for _, pair := range pairs(node) {
			rest, is := strings.CutPrefix(path, pair.key.Value)
			if is && (rest == "" || rest[0] == '.' || rest[0] == '[') {
				try(position(pair.key), pair.value, rest)
			}
		}
	case node.Kind == yaml.SequenceNode:
		index, rest, _ := strings.Cut(strings.TrimPrefix(path, "["), "]")
		if i, err := strconv.Atoi(index); err == nil && i >= 0 && i < len(node.Content) {
			try(position(node.Content[i]), node.Content[i], rest)
		}
	}
	return best, found, left
}

// Value is a part of a document that has not been decoded yet. As a field it
// takes whatever stands there. The zero Value is null.
type Value struct {
	document *Document
	node     *yaml.Node
	path     string
	position Position
}

// Path leads to the value from the document's root.
func (v Value) Path() string { return v.path }

// Position is where the value's key stands.
func (v Value) Position() Position { return v.position }

// Decode decodes the value into what into points to, over the defaults that it
// holds. The error is of type [Errors].
func (v Value) Decode(into any) error {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return fmt.Errorf("decode %s: want a pointer to decode into, not %T", v.path, into)
	}
	if v.node == nil {
		return nil
	}
	d := decoder{document: v.document}
	d.decode(v, target.Elem())
	return d.errs.orNil()
}

// UnmarshalValue keeps the value for later.
func (v *Value) UnmarshalValue(value Value) error {
	*v = value
	return nil
}

func (v Value) key(key, value *yaml.Node) Value {
	return Value{document: v.document, node: value, path: extend(v.path, key.Value), position: position(key)}
}

func (v Value) item(i int) Value {
	item := v.node.Content[i]
	return Value{document: v.document, node: item, path: v.path + "[" + strconv.Itoa(i) + "]", position: position(item)}
}

// extend joins a key to a path.
func extend(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func position(node *yaml.Node) Position { return Position{max(1, node.Line), max(1, node.Column)} }

// asErrors returns the faults that an error of this package holds.
func asErrors(err error) Errors {
	var errs Errors
	errors.As(err, &errs)
	return errs
}
