package prefilter

import (
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// The bounds of what is gathered from one expression.
const (
	// maxSet is how many literals may stand for one expression.
	maxSet = 64
	// maxExact is how many texts a part of an expression may be spelt out into.
	maxExact = 32
	// maxClass is how many runes of a character class are spelt out.
	maxClass = 10
	// goodLength is the length in bytes from which a longer literal is no better.
	goodLength = 16
	// maxWork is how many branches are looked at together with what surrounds
	// them.
	maxWork = 2000
)

// Required returns literals of which every text that the expression matches
// holds at least one, once ASCII letters are lower-cased in both. None holds a
// newline, so that a match over several lines has one within a single line. nil
// means that no literal of at least minLength bytes is required.
func Required(re *syntax.Regexp) []string {
	g := gatherer{work: maxWork}
	set := g.gather(re.Simplify()).required()
	for _, literal := range set {
		if len(literal) < minLength {
			return nil
		}
	}
	slices.Sort(set)
	return slices.Compact(set)
}

// knowledge is what is known of the texts that a part of an expression matches.
type knowledge struct {
	// exact holds every text it can match; nil: they are too many.
	exact []string
	// best holds literals of which one is in every text; nil: none is known.
	best []string
}

// required returns the better of exact and best.
func (k knowledge) required() []string { return better(k.exact, k.best) }

var emptyText = []string{""}

// gatherer gathers knowledge of one expression.
type gatherer struct{ work int }

func (g *gatherer) gather(re *syntax.Regexp) knowledge {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return knowledge{exact: emptyText}
	case syntax.OpLiteral:
		return gatherLiteral(re)
	case syntax.OpCharClass:
		return knowledge{exact: spellClass(re.Rune)}
	case syntax.OpCapture:
		return g.gather(re.Sub[0])
	case syntax.OpConcat:
		return g.concat(re.Sub)
	case syntax.OpAlternate:
		return g.alternate(re.Sub)
	case syntax.OpPlus:
		return knowledge{best: g.gather(re.Sub[0]).required()}
	case syntax.OpQuest:
		return knowledge{exact: unionOf(g.gather(re.Sub[0]).exact, emptyText, maxExact)}
	default: // any character, stars: nothing is known
		return knowledge{}
	}
}

// gatherLiteral spells a literal out, rune by rune: folding turns a rune into
// several, some of them outside ASCII (k is also the Kelvin sign).
func gatherLiteral(re *syntax.Regexp) knowledge {
	if text, plain := spellPlain(re); plain {
		return knowledge{exact: []string{text}}
	}
	run := newRun()
	for _, r := range re.Rune {
		spelt := []rune{r}
		if re.Flags&syntax.FoldCase != 0 {
			for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
				spelt = append(spelt, next)
			}
		}
		run.add(knowledge{exact: spell(spelt)})
	}
	return run.done()
}

func (g *gatherer) concat(parts []*syntax.Regexp) knowledge {
	run := newRun()
	for _, part := range parts {
		run.add(g.gather(part))
	}
	known := run.done()
	if known.exact == nil && shortest(known.best) < longLength {
		known.best = better(known.best, g.spread(parts))
	}
	return known
}

// spread looks at each branch of an alternation together with what surrounds it:
// package syntax turns ABC|AD.* into A(?:BC|D.*), whose parts are short.
func (g *gatherer) spread(parts []*syntax.Regexp) []string {
	var best []string
	for i, part := range parts {
		for part.Op == syntax.OpCapture {
			part = part.Sub[0]
		}
		if part.Op != syntax.OpAlternate || len(part.Sub) > g.work {
			continue
		}
		g.work -= len(part.Sub)
		union := []string{}
		for _, branch := range part.Sub {
			whole := slices.Concat(parts[:i], flat(branch), parts[i+1:])
			union = unionOf(union, g.concat(whole).required(), maxSet)
		}
		best = better(best, union)
	}
	return best
}

// flat returns the parts of a concatenation.
func flat(re *syntax.Regexp) []*syntax.Regexp {
	if re.Op == syntax.OpConcat {
		return re.Sub
	}
	return []*syntax.Regexp{re}
}

func (g *gatherer) alternate(branches []*syntax.Regexp) knowledge {
	exact, best := []string{}, []string{}
	for _, branch := range branches {
		k := g.gather(branch)
		exact = unionOf(exact, k.exact, maxExact)
		best = unionOf(best, k.required(), maxSet)
	}
	return knowledge{exact: exact, best: best}
}

// run is a concatenation under way.
type run struct {
	current []string // what the parts since the last break spell out
	best    []string
	broken  bool
}

func newRun() *run { return &run{current: emptyText} }

func (r *run) add(next knowledge) {
	if joined := cross(r.current, next.exact); joined != nil {
		r.current = joined
		return
	}
	r.broken = true
	r.best = better(r.best, r.current)
	r.best = better(r.best, next.best)
	r.current = emptyText
	if next.exact != nil {
		r.current = next.exact
	}
}

func (r *run) done() knowledge {
	if !r.broken {
		return knowledge{exact: r.current, best: r.best}
	}
	return knowledge{best: better(r.best, r.current)}
}

// spell returns each rune as text, ASCII lower-cased; nil if one of them is a
// newline, or the rune that also stands for every invalid byte.
func spell(runes []rune) []string {
	var texts []string
	for _, r := range runes {
		if r == '\n' || r == utf8.RuneError {
			return nil
		}
		if r < utf8.RuneSelf {
			r = rune(lower[byte(r)]) //nolint:gosec // below 0x80
		}
		if text := string(r); !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts
}

// spellPlain returns a literal that does not fold as text, ASCII lower-cased;
// not plain is what spell has to look at rune by rune.
func spellPlain(re *syntax.Regexp) (text string, plain bool) {
	if re.Flags&syntax.FoldCase != 0 || slices.ContainsFunc(re.Rune, func(r rune) bool { return r == '\n' || r == utf8.RuneError }) {
		return "", false
	}
	bytes := []byte(string(re.Rune))
	for i, b := range bytes {
		bytes[i] = lower[b]
	}
	return string(bytes), true
}

// spellClass returns the runes of a class given as ranges; nil if they are many.
func spellClass(ranges []rune) []string {
	var runes []rune
	for i := 0; i+1 < len(ranges); i += 2 {
		if ranges[i+1]-ranges[i] >= maxClass {
			return nil
		}
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			runes = append(runes, r)
		}
		if len(runes) > maxClass {
			return nil
		}
	}
	return spell(runes)
}

// cross returns every text of x followed by every text of y; nil if either is
// nil or they would be too many.
func cross(x, y []string) []string {
	if x == nil || y == nil || len(x)*len(y) > maxExact {
		return nil
	}
	texts := make([]string, 0, len(x)*len(y))
	for _, head := range x {
		for _, tail := range y {
			texts = append(texts, head+tail)
		}
	}
	return texts
}

// unionOf returns the texts of both; nil if either is nil or they are too many.
func unionOf(x, y []string, limit int) []string {
	if x == nil || y == nil {
		return nil
	}
	texts := slices.Clone(x)
	for _, text := range y {
		if !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	if len(texts) > limit {
		return nil
	}
	return texts
}

// better returns the set that lets fewer lines through: whose shortest literal
// is longer, or which has fewer. nil and the empty set say nothing.
func better(x, y []string) []string {
	switch dx, dy := shortest(x), shortest(y); {
	case dx > dy:
		return x
	case dy > dx:
		return y
	case len(y) > 0 && (len(x) == 0 || len(y) < len(x)):
		return y
	default:
		return x
	}
}

func shortest(set []string) int {
	if len(set) == 0 {
		return -1
	}
	least := goodLength
	for _, literal := range set {
		least = min(least, len(literal))
	}
	return least
}
