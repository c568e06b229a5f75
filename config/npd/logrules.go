package npd

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
)

const (
	typeTemporary = "temporary"
	typePermanent = "permanent"
)

// readConditions reads the conditions of a monitor.
func readConditions(file object) []healthy {
	var list []healthy
	for _, item := range file.list("conditions") {
		if one, ok := readCondition(item); ok {
			list = append(list, one)
		}
	}
	return list
}

func readCondition(v jsonValue) (one healthy, ok bool) {
	o, ok := v.object("type", "reason", "message", "status", "transition")
	if !ok {
		return healthy{}, false
	}
	for _, key := range []string{"status", "transition"} {
		if o.text(key); o.has(key) {
			o.at(key).warn("has no effect: a condition starts healthy, now")
		}
	}
	written, reason, message := o.text("type"), o.text("reason"), o.text("message")
	if written == "" {
		o.at("type").warn("is missing: the condition is left out; write its type, for example KernelDeadlock")
		return healthy{}, false
	}
	one = healthy{at: v, name: typeWord(written), reason: reason, message: message}
	if one.name != written {
		o.at("type").warn("%s is told as %s: a type is letters, digits and any of . _ -, at most %d", quoted(written), one.name, typeWording.limit)
	}
	if one.reason == "" {
		o.at("reason").warn("is missing: Healthy is told instead; write what the condition says while all is well")
		one.reason = "Healthy"
	} else {
		one.reason = reasonWord(o.at("reason"), one.reason)
	}
	if cut := cutText(one.message, maxMessage); cut != one.message {
		o.at("message").warn("has %d bytes, and is cut to %d", len(one.message), maxMessage)
		one.message = cut
	}
	return one, true
}

// readRules reads the rules of a log monitor.
func readRules(file object) []rule {
	var list []rule
	for _, item := range file.list("rules") {
		if one, ok := readRule(item); ok {
			list = append(list, one)
		}
	}
	return list
}

func readRule(v jsonValue) (one rule, ok bool) {
	o, ok := v.object("type", "condition", "reason", "pattern", "patternGeneratedMessageSuffix")
	if !ok {
		return rule{}, false
	}
	one = rule{at: v, named: o.at("condition"), suffix: o.text("patternGeneratedMessageSuffix")}
	if cut := cutText(one.suffix, maxMessage); cut != one.suffix {
		o.at("patternGeneratedMessageSuffix").warn("has %d bytes, and is cut to %d", len(one.suffix), maxMessage)
		one.suffix = cut
	}
	acts := ruleCondition(o, &one)
	written := o.text("reason")
	one.pattern, ok = readPattern(o)
	if !acts || !ok {
		return rule{}, false
	}
	one.reason = ruleReason(o, written)
	return one, true
}

// ruleCondition sets the condition of a permanent rule. ok is false where the
// rule would act on none.
func ruleCondition(o object, one *rule) (ok bool) {
	kind, condition := o.text("type"), o.text("condition")
	if kind == typeTemporary {
		if condition != "" {
			one.named.warn("has no effect on a temporary rule, which makes an Event alone: write type permanent, or leave it out")
		}
		return true
	}
	if kind != typePermanent {
		o.at("type").warn("%s is read as permanent, as node-problem-detector does: write temporary or permanent", quoted(kind))
	}
	if condition == "" {
		one.named.warn("is missing: the rule has no effect and is left out; write a condition that the file lists, or type temporary")
		return false
	}
	one.condition = typeWord(condition)
	return true
}

func ruleReason(o object, written string) string {
	if written != "" {
		return reasonWord(o.at("reason"), written)
	}
	o.at("reason").warn("is missing: Unknown is told instead; write a CamelCase word")
	return "Unknown"
}

// readPattern reads a rule's pattern as processors/rules will take it: in a group,
// up to the end of the newest line.
func readPattern(o object) (pattern string, ok bool) {
	pattern = o.text("pattern")
	at := o.at("pattern")
	if _, err := regexp.Compile(pattern); err != nil {
		at.fail("%s", patternFault(pattern, err))
		return "", false
	}
	grouped, err := regexp.Compile(`(?:` + pattern + `)\z`)
	if err != nil { // \Q without \E quotes the bracket too
		pattern += `\E`
		grouped, err = regexp.Compile(`(?:` + pattern + `)\z`)
	}
	switch {
	case err != nil:
		at.warn("%s; the rule is left out", patternFault(pattern, err))
		return "", false
	case grouped.MatchString(""):
		at.warn("%s matches the empty text, and so every line: the rule is left out; write what the line must hold", quoted(pattern))
		return "", false
	}
	if branches(pattern) {
		at.warn("every branch of %s must match up to the end of the line here; for node-problem-detector only the last: write .* behind the others if text may follow", quoted(pattern))
	}
	return pattern, true
}

// branches tells whether the end that node-problem-detector adds to a pattern
// belongs to its last branch alone.
func branches(pattern string) bool {
	plain, err := syntax.Parse(pattern+`\z`, syntax.Perl)
	if err != nil {
		return false
	}
	grouped, err := syntax.Parse(`(?:`+pattern+`)\z`, syntax.Perl)
	return err == nil && !plain.Equal(grouped)
}

func patternFault(pattern string, err error) string {
	reason := err.Error()
	if fault, ok := errors.AsType[*syntax.Error](err); ok {
		reason = fault.Code.String() + ": " + quoted(fault.Expr)
	}
	return fmt.Sprintf("%s is no regular expression (%s): write RE2 syntax", quoted(pattern), reason)
}
