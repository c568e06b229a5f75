package npd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxDepth is how deep lists and objects nest.
const maxDepth = 100

// jsonKind is what a JSON value is.
type jsonKind string

const (
	jsonNull   jsonKind = "null"
	jsonBool   jsonKind = "a switch"
	jsonNumber jsonKind = "a number"
	jsonText   jsonKind = "text"
	jsonList   jsonKind = "a list"
	jsonObject jsonKind = "an object"
)

// jsonValue is a JSON value that knows where it stands.
type jsonValue struct {
	source *source
	// path leads to the value: rules[3].pattern.
	path string
	at   int
	kind jsonKind
	// text is that of a text, number or switch.
	text    string
	items   []jsonValue
	members []jsonMember
}

// jsonMember is a key of an object, in the order of the file.
type jsonMember struct {
	key   string
	value jsonValue
}

// parse reads the file as one JSON value.
func (s *source) parse() (root jsonValue, ok bool) {
	if !s.valid() {
		return jsonValue{}, false
	}
	p := jsonParser{source: s, decoder: json.NewDecoder(bytes.NewReader(s.data))}
	p.decoder.UseNumber()
	root, err := p.value("", 0)
	if err != nil {
		s.failAt(p.start(), "", err.Error())
		return jsonValue{}, false
	}
	return root, true
}

// valid reports what keeps the file from being JSON.
func (s *source) valid() bool {
	if len(bytes.TrimSpace(s.data)) == 0 {
		s.failAt(0, "", "is empty: write a monitor in JSON")
		return false
	}
	if bytes.HasPrefix(s.data, []byte("\ufeff")) {
		s.failAt(0, "", "is no JSON: it begins with a byte order mark: save it without")
		return false
	}
	var whatever json.RawMessage
	err := json.Unmarshal(s.data, &whatever)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		s.failAt(max(0, int(syntax.Offset)-1), "", fmt.Sprintf("is no JSON: %s", syntax))
		return false
	}
	if err != nil {
		s.failAt(0, "", fmt.Sprintf("is no JSON: %s", err))
	}
	return err == nil
}

// jsonParser makes a tree of tokens. The text is known to be JSON.
type jsonParser struct {
	source  *source
	decoder *json.Decoder
}

// start is where the next token stands: behind white space and separators.
func (p *jsonParser) start() int {
	at := int(p.decoder.InputOffset())
	for at < len(p.source.data) && strings.IndexByte(" \t\r\n,:", p.source.data[at]) >= 0 {
		at++
	}
	return at
}

func (p *jsonParser) value(path string, depth int) (jsonValue, error) {
	v := jsonValue{source: p.source, path: path, at: p.start()}
	if depth > maxDepth {
		return v, fmt.Errorf("is nested too deep: at most %d levels are allowed", maxDepth)
	}
	token, err := p.decoder.Token()
	if err != nil {
		return v, fmt.Errorf("is no JSON: %w", err)
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '[' {
			return p.list(v, depth)
		}
		return p.object(v, depth)
	case string:
		v.kind, v.text = jsonText, token
	case json.Number:
		v.kind, v.text = jsonNumber, token.String()
	case bool:
		v.kind, v.text = jsonBool, strconv.FormatBool(token)
	default:
		v.kind = jsonNull
	}
	return v, nil
}

func (p *jsonParser) list(v jsonValue, depth int) (jsonValue, error) {
	v.kind = jsonList
	for p.decoder.More() {
		item, err := p.value(fmt.Sprintf("%s[%d]", v.path, len(v.items)), depth+1)
		if err != nil {
			return v, err
		}
		v.items = append(v.items, item)
	}
	_, err := p.decoder.Token()
	return v, err
}

func (p *jsonParser) object(v jsonValue, depth int) (jsonValue, error) {
	v.kind = jsonObject
	for p.decoder.More() {
		at := p.start()
		token, err := p.decoder.Token()
		if err != nil {
			return v, fmt.Errorf("is no JSON: %w", err)
		}
		key := fmt.Sprint(token)
		value, err := p.value(extend(v.path, key), depth+1)
		if err != nil {
			return v, err
		}
		value.at = at // as in YAML, a fault of a value is told at its key
		v.members = append(v.members, jsonMember{key: key, value: value})
	}
	_, err := p.decoder.Token()
	return v, err
}

// extend joins a key to a path.
func extend(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (v jsonValue) fail(format string, args ...any) {
	v.source.failAt(v.at, v.path, fmt.Sprintf(format, args...))
}

func (v jsonValue) warn(format string, args ...any) {
	v.source.warnAt(v.at, v.path, fmt.Sprintf(format, args...))
}

// show tells what stands in the file.
func (v jsonValue) show() string {
	switch v.kind {
	case jsonText:
		return quoted(v.text)
	case jsonNumber, jsonBool:
		return v.text
	default:
		return string(v.kind)
	}
}

// quoted returns text in quotes, cut where it is long.
func quoted(text string) string {
	const limit = 200
	if len(text) > limit {
		return strconv.Quote(strings.ToValidUTF8(text[:limit], "")) + "…"
	}
	return strconv.Quote(text)
}
