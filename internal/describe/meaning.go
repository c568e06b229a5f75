package describe

import "strings"

// meaning turns a Go comment into text for users: in one line, without the Go name
// that it begins with.
func meaning(name, comment string) string {
	text := strings.Join(strings.Fields(comment), " ")
	for _, verb := range []string{" is ", " are "} {
		if rest, ok := strings.CutPrefix(text, name+verb); ok {
			return upperFirst(rest)
		}
	}
	rest, ok := strings.CutPrefix(text, name+" ")
	if verb, _, _ := strings.Cut(rest, " "); ok && strings.HasSuffix(verb, "s") && len(verb) > 3 {
		return upperFirst(rest)
	}
	return text
}

func upperFirst(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
