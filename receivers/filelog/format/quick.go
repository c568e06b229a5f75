package format

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

// expression finds a text in records: the last group of a regular expression, or all
// that it matches.
type expression struct {
	regexp *regexp.Regexp

	// What node-problem-detector's own configurations ask for is found without it, at
	// a tenth of the cost, in records of one line, all of which a dot matches: the first
	// so many characters (^.{15}), or what is behind a
	// text, and perhaps behind the last of another one after that
	// (kernel: \[.*\] (.*)). Other expressions have none of these.
	first         int
	behind, after []byte
}

func newExpression(of *regexp.Regexp) *expression {
	if of == nil {
		return nil
	}
	e := &expression{regexp: of}
	tree, err := syntax.Parse(of.String(), syntax.Perl)
	if err != nil || tree.Op != syntax.OpConcat {
		return e
	}
	sub := tree.Sub
	switch {
	case len(sub) == 2 && sub[0].Op == syntax.OpBeginText && sub[1].Op == syntax.OpRepeat &&
		sub[1].Min == sub[1].Max && sub[1].Sub[0].Op == syntax.OpAnyCharNotNL:
		e.first = sub[1].Min
	case len(sub) == 2 && isText(sub[0]) && isRest(sub[1]):
		e.behind = []byte(string(sub[0].Rune))
	case len(sub) == 4 && isText(sub[0]) && isAnything(sub[1]) && isText(sub[2]) && isRest(sub[3]):
		e.behind, e.after = []byte(string(sub[0].Rune)), []byte(string(sub[2].Rune))
	}
	return e
}

func isText(tree *syntax.Regexp) bool {
	return tree.Op == syntax.OpLiteral && tree.Flags&syntax.FoldCase == 0
}

// isAnything tells whether it is .*
func isAnything(tree *syntax.Regexp) bool {
	return tree.Op == syntax.OpStar && tree.Flags&syntax.NonGreedy == 0 && tree.Sub[0].Op == syntax.OpAnyCharNotNL
}

// isRest tells whether it is (.*)
func isRest(tree *syntax.Regexp) bool {
	return tree.Op == syntax.OpCapture && isAnything(tree.Sub[0])
}

// find returns the last group, or all of the match where there is none.
func (e *expression) find(line []byte) ([]byte, bool) {
	switch {
	case bytes.IndexByte(line, '\n') >= 0: // it is of several lines
		return lastGroup(e.regexp, line)
	case e.first > 0:
		return firstOf(line, e.first)
	case e.behind != nil:
		at := bytes.Index(line, e.behind)
		if at < 0 {
			return nil, false
		}
		rest := line[at+len(e.behind):]
		last := bytes.LastIndex(rest, e.after) // of an empty text: its end
		switch {
		case last < 0:
			return nil, false
		case len(e.after) > 0:
			rest = rest[last+len(e.after):]
		}
		return rest, true
	default:
		return lastGroup(e.regexp, line)
	}
}

// firstOf returns so many characters; bytes that are none count as one each.
func firstOf(line []byte, characters int) ([]byte, bool) {
	at := 0
	for range characters {
		if at >= len(line) {
			return nil, false
		}
		if line[at] < utf8.RuneSelf {
			at++
			continue
		}
		_, size := utf8.DecodeRune(line[at:])
		at += size
	}
	return line[:at], true
}
