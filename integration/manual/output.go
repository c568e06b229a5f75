package manual

import (
	"regexp"
	"strings"
)

// Missing returns the first of the expected lines that is not in the output behind those
// before it. A line is compared as a whole, runs of white space as one blank; … stands
// for any text.
func Missing(expected []Expected, output string) (missing Expected, ok bool) {
	lines := strings.Split(output, "\n")
	for _, want := range expected {
		pattern := linePattern(want.Text)
		for {
			if len(lines) == 0 {
				return want, true
			}
			found := pattern.MatchString(oneBlank(lines[0]))
			lines = lines[1:]
			if found {
				break
			}
		}
	}
	return Expected{}, false
}

func linePattern(text string) *regexp.Regexp {
	parts := strings.Split(oneBlank(text), "…")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$")
}

func oneBlank(line string) string { return strings.Join(strings.Fields(line), " ") }
