package rules

import (
	"regexp"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// reference is node-problem-detector's way of matching, written down as plainly
// as can be: all rules, in file order, each over the whole joined ring.
type reference struct {
	size  int
	lines []referenceLine // oldest first, at most size
	rules []referenceRule
}

type referenceLine struct {
	text string
	time time.Time
}

type referenceRule struct {
	id, suffix string
	re         *regexp.Regexp
}

// referenceFinding is what a rule saw.
type referenceFinding struct {
	Rule    string
	Message string
	Time    time.Time
}

func newReference(size int, rules []Rule) *reference {
	r := &reference{size: size}
	for _, rule := range rules {
		r.rules = append(r.rules, referenceRule{
			id: rule.ID, suffix: rule.Window.Suffix, re: regexp.MustCompile(`(?:` + rule.Pattern + `)\z`),
		})
	}
	return r
}

// push adds a line and returns what the rules see at it.
func (r *reference) push(text string, at time.Time) []referenceFinding {
	r.lines = append(r.lines, referenceLine{text: strings.TrimSpace(text), time: at})
	if len(r.lines) > r.size {
		r.lines = r.lines[1:]
	}
	joined := r.join()
	var found []referenceFinding
	for _, rule := range r.rules {
		place := rule.re.FindStringIndex(joined)
		if place == nil {
			continue
		}
		matched := r.matchedLines(len(joined) - place[0])
		found = append(found, referenceFinding{Rule: rule.id, Message: message(matched, rule.suffix), Time: matched[0].time})
	}
	return found
}

// join joins the ring; slots that have held no line yet are empty lines.
func (r *reference) join() string {
	texts := make([]string, r.size)
	for i, line := range r.lines {
		texts[r.size-len(r.lines)+i] = line.text
	}
	return strings.Join(texts, "\n")
}

// matchedLines goes back from the newest line until length bytes are covered,
// each line counted with one newline.
func (r *reference) matchedLines(length int) []referenceLine {
	covered := 0
	for i := len(r.lines) - 1; ; i-- {
		covered += len(r.lines[i].text) + 1
		if covered >= length || i == 0 {
			return r.lines[i:]
		}
	}
}

func message(lines []referenceLine, suffix string) string {
	texts := make([]string, len(lines))
	for i, line := range lines {
		texts[i] = line.text
	}
	joined := strings.Join(texts, "\n")
	if suffix != "" {
		joined += "; " + suffix
	}
	cleaned, _ := condition.CleanMessage(nil, []byte(joined))
	return string(cleaned)
}
