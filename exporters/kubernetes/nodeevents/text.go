package nodeevents

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The API server takes texts of nearly any length where an Event has no
// eventTime. These are the limits of events.k8s.io/v1, which it keeps there.
const (
	maxReasonBytes  = 128
	maxMessageBytes = 1024
	// maxSourceBytes is that of reportingComponent.
	maxSourceBytes = 128
)

// cutMark ends what was cut.
const cutMark = "…"

// word is text on one line, harmless to show and at most limit bytes long.
func word(text string, limit int) string { return cut(strings.Map(keepWord, text), limit) }

// message is text harmless to show and at most maxMessageBytes long. Newlines and
// tabs stay.
func message(text string) string { return cut(strings.Map(keepText, text), maxMessageBytes) }

// keepWord drops what is not part of a line; strings.Map turns bytes that are not
// UTF-8 into the replacement character.
func keepWord(r rune) rune {
	switch {
	case r >= ' ' && r < 0x7f:
		return r
	case unicode.In(r, unicode.Cc, unicode.Bidi_Control):
		return -1
	default:
		return r
	}
}

func keepText(r rune) rune {
	if r == '\n' || r == '\t' {
		return r
	}
	return keepWord(r)
}

// cut cuts valid UTF-8 to at most limit bytes, mark included, between characters.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := limit - len(cutMark)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + cutMark
}
