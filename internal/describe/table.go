package describe

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Table returns the keys below a key as a Markdown table. Paths in apart, from the
// key on, have tables of their own, or none: what is below them is left out.
func (k *Key) Table(apart ...string) string {
	var out strings.Builder
	out.WriteString("| key | type | default | meaning |\n|---|---|---|---|\n")
	left := map[string]bool{}
	for _, path := range apart {
		left[path] = true
	}
	for _, one := range k.Keys {
		one.rows(&out, one.Name, left)
	}
	return out.String()
}

// rows writes a row for the key and each below it.
func (k *Key) rows(out *strings.Builder, path string, left map[string]bool) {
	fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", path, k.typeText(), k.defaultCell(), cell(k.Meaning))
	if left[path] {
		return
	}
	for _, one := range k.Keys {
		one.rows(out, path+"."+one.Name, left)
	}
	if k.Items == nil {
		return
	}
	inner := path + k.Items.Name
	if k.kind == kindMap {
		inner = path + "." + k.Items.Name
	}
	for _, one := range k.Items.Keys {
		one.rows(out, inner+"."+one.Name, left)
	}
}

func (k *Key) typeText() string {
	switch k.kind {
	case kindStruct:
		return "mapping"
	case kindMap:
		return "mapping of names to " + plural(k.Items)
	case kindSection:
		return "mapping of ids to components"
	case kindList:
		return "list of " + plural(k.Items)
	case kindWord:
		return k.wordText()
	case kindSwitch:
		return "switch"
	case kindInteger:
		return "whole number"
	case kindNumber:
		return "number"
	case kindDuration:
		return "duration"
	default:
		return "text"
	}
}

func (k *Key) wordText() string {
	var words []string
	for _, word := range k.words {
		words = append(words, "`"+word+"`")
	}
	if k.pattern != "" {
		words = append(words, "a duration")
	}
	return strings.Join(words, ", ")
}

// plural names what a list holds.
func plural(key *Key) string {
	switch key.kind {
	case kindStruct, kindMap, kindSection:
		return "mappings"
	case kindWord:
		return key.wordText()
	case kindList:
		return "lists"
	case kindText:
		return "texts"
	default:
		return key.typeText() + "s"
	}
}

func (k *Key) defaultCell() string {
	value := k.defaultValue()
	if value == nil {
		return ""
	}
	if text, ok := value.(string); ok && k.kind == kindDuration {
		return "`" + text + "`"
	}
	text, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return "`" + strings.Trim(string(text), `"`) + "`"
}

// cell makes text fit into a table: what Markdown would take for its own is
// escaped, code is left as it is.
func cell(text string) string {
	parts := strings.Split(text, "`")
	for i := range parts {
		if i%2 == 0 {
			parts[i] = strings.NewReplacer("*", `\*`, "<", `\<`, "~", `\~`).Replace(parts[i])
		}
		parts[i] = strings.ReplaceAll(parts[i], "|", `\|`)
	}
	return strings.TrimSuffix(strings.Join(parts, "`"), ".")
}

// Fill puts generated text between the markers of a page: after a line
// <!-- generated: NAME --> up to the line <!-- end of generated -->. fill returns
// what belongs under a name, given all names of the page.
func Fill(page string, fill func(name string, all []string) (string, error)) (string, error) {
	const begin, mid, end = "<!-- generated: ", " -->\n", "<!-- end of generated -->"
	var all []string
	for _, part := range strings.Split(page, begin)[1:] {
		name, _, _ := strings.Cut(part, mid)
		all = append(all, name)
	}
	var out strings.Builder
	for rest := page; ; {
		before, after, found := strings.Cut(rest, begin)
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, body, opened := strings.Cut(after, mid)
		_, behind, closed := strings.Cut(body, end)
		if !opened || !closed {
			return "", fmt.Errorf("the marker %s%s has no %s", begin, name, end)
		}
		text, err := fill(name, all)
		if err != nil {
			return "", err
		}
		out.WriteString(begin + name + mid + text + end)
		rest = behind
	}
}
