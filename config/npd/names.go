package npd

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/otelnpd/otelnpd/pipeline/condition"
)

const (
	maxMessage = condition.MaxMessageBytes
	maxName    = 100 // of the 128 that an id may have
	maxRuleID  = 180 // of 200, for a namesake's number
)

// wording is what a kind of word may be made of.
type wording struct {
	bad     *regexp.Regexp // what is replaced
	instead string
	end     string // what it cannot end in
	prefix  string // what it begins with where it begins with no letter
	limit   int
}

// The grammars of condition types and reasons are those of pipeline/condition,
// that of names is pipeline.ParseID's.
var (
	typeWording   = wording{regexp.MustCompile(`[^A-Za-z0-9._-]+`), ".", "._-", "Condition", 63}
	reasonWording = wording{regexp.MustCompile(`[^A-Za-z0-9_,:]+`), "_", ",:", "Reason", 128}
	nameWording   = wording{regexp.MustCompile(`[^A-Za-z0-9_.-]+`), "-", "._-", "monitor-", maxName}
)

// word returns what is written as the wording allows it.
func (w wording) word(written string) string {
	word := w.bad.ReplaceAllString(written, w.instead)
	if word = strings.Trim(word, w.instead); word == "" {
		digest := sha256.Sum256([]byte(written))
		word = hex.EncodeToString(digest[:4])
		return w.prefix + word
	}
	if first := word[0] | 0x20; first < 'a' || first > 'z' {
		word = w.prefix + word
	}
	return strings.TrimRight(cutText(word, w.limit), w.end)
}

// reasonWord returns a reason as it is told, and warns where that is not what is
// written.
func reasonWord(at jsonValue, written string) string {
	if condition.ValidateReason(written) == nil {
		return written
	}
	word := reasonWording.word(written)
	at.warn("%s is told as %s: a reason is letters, digits and any of _ , : at most %d", quoted(written), word, reasonWording.limit)
	return word
}

var conditionType = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)

// typeWord returns the type of a condition as it is told.
func typeWord(written string) string {
	if conditionType.MatchString(written) {
		return written
	}
	return typeWording.word(written)
}

// names gives out names that are unique.
type names map[string]bool

// unique returns name, with a number behind it where it is taken. between stands
// between the two.
func (n names) unique(name, between string) string {
	one := name
	for i := 2; n[one]; i++ {
		one = fmt.Sprintf("%s%s%d", name, between, i)
	}
	n[one] = true
	return one
}

// ruleID is SOURCE/REASON.
func ruleID(component, reason string) string {
	return cutText(component+"/"+strings.NewReplacer(",", "-", ":", "-").Replace(reason), maxRuleID)
}

// cutText cuts text to at most limit bytes, at the border of a character.
func cutText(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
