package describe

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// meaning turns a Go comment into text for users: in one line, without the Go name
// that it begins with.
func meaning(name, comment string) string {
	text := strings.Join(strings.Fields(comment), " ")
	for _, verb := range []string{" is ", " are "} {
		if rest, ok := strings.CutPrefix(text, name+verb); ok {
			return sentence(rest)
		}
	}
	rest, ok := strings.CutPrefix(text, name+" ")
	if verb, _, _ := strings.Cut(rest, " "); ok && strings.HasSuffix(verb, "s") && len(verb) > 3 {
		return sentence(rest)
	}
	return text
}

// sentence begins a text with a capital letter, unless it begins with what stands
// in a file: a word with a sign in it, or one that a list of words begins with.
func sentence(text string) string {
	word, _, _ := strings.Cut(text, " ")
	word = strings.TrimRight(word, ".,;:")
	first, size := utf8.DecodeRuneInString(text)
	if strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsLetter(r) }) {
		return text
	}
	return string(unicode.ToUpper(first)) + text[size:]
}
