package nodeconditions

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// maxReasonBytes is the limit that the Kubernetes API names for the reason of a
// condition (metav1.Condition); it does not enforce it for Nodes.
const maxReasonBytes = 1024

// cutMark ends what was cut.
const cutMark = "…"

// moreCauses is how the condition store ends a message that stands for several
// causes; after a loss of state the number is read again from the Node.
var moreCauses = regexp.MustCompile(` \(and [0-9]{1,9} more\)$`)

// acceptable is a condition as it may stand on the Node: the API stores any text,
// and what people look at it with obeys control characters. What is clean and
// short enough stays as it is.
func acceptable(c pipeline.Condition) pipeline.Condition {
	c.Reason = bounded(c.Reason, maxReasonBytes)
	tail := c.Message[max(0, len(c.Message)-len(" (and 999999999 more)")):]
	more := moreCauses.FindString(tail)
	c.Message = bounded(strings.TrimSuffix(c.Message, more), condition.MaxMessageBytes) + more
	return c
}

// bounded is text without controls and of at most limit bytes, cut between
// characters and marked where it was longer.
func bounded(text string, limit int) string {
	if len(text) > limit+utf8.UTFMax {
		text = text[:limit+utf8.UTFMax] // escapes make it longer, never shorter
	}
	text = withoutControls(text)
	if len(text) <= limit {
		return text
	}
	end := limit - len(cutMark)
	for !utf8.RuneStart(text[end]) { // valid: it has no four such bytes in a row
		end--
	}
	return text[:end] + cutMark
}

// withoutControls shows controls, bidirectional ones and bytes that are not UTF-8
// as escapes. Newline and tab stay.
func withoutControls(text string) string {
	if clean(text) {
		return text
	}
	made := make([]byte, 0, len(text)+16)
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if allowed(r, size) {
			made = append(made, text[i:i+size]...)
		} else {
			made = terminal.AppendText(made, text[i:i+size])
		}
		i += size
	}
	return string(made)
}

func clean(text string) bool {
	for _, r := range text {
		if !allowed(r, 0) {
			return false
		}
	}
	return utf8.ValidString(text)
}

// allowed tells whether a character may stand on the Node. A size of 1 tells a
// byte that is not UTF-8 from the character U+FFFD.
func allowed(r rune, size int) bool {
	switch r {
	case '\n', '\t':
		return true
	case utf8.RuneError:
		return size != 1
	default:
		return !unicode.In(r, unicode.Cc, unicode.Bidi_Control)
	}
}
