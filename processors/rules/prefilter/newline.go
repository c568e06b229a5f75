package prefilter

import (
	"regexp/syntax"
	"slices"
)

// CanMatchNewline tells whether a match can hold a newline: one line alone then does
// not decide.
func CanMatchNewline(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpAnyChar:
		return true
	case syntax.OpLiteral:
		return slices.Contains(re.Rune, '\n')
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			if re.Rune[i] <= '\n' && '\n' <= re.Rune[i+1] {
				return true
			}
		}
	default:
		return slices.ContainsFunc(re.Sub, CanMatchNewline)
	}
	return false
}
