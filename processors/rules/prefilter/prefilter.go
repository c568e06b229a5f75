package prefilter

import (
	"regexp/syntax"
	"slices"
)

// The lengths in bytes by which literals are sorted.
const (
	// minLength is that of the shortest literal that is searched for.
	minLength = blockLength
	// longLength is that from which a literal is searched for in long jumps: one
	// short literal beside them would shorten every jump.
	longLength = 8
)

// Filter holds the literals of many expressions. It keeps scratch memory: one
// goroutine at a time may use it.
type Filter struct {
	long, short *blocks
	owners      [][]int32 // by literal: the expressions that require it
	always      []int32   // expressions without a required literal, ascending

	found   []int32
	named   []int32
	stamps  []uint32 // by expression: the line that last named it
	current uint32
}

// New returns a filter over expressions, known by their indexes from then on.
func New(expressions []*syntax.Regexp) *Filter {
	f := &Filter{stamps: make([]uint32, len(expressions))}
	known := map[string]int32{}
	var literals []string
	for i, expression := range expressions {
		required := Required(expression)
		if required == nil {
			f.always = append(f.always, int32(i))
		}
		for _, literal := range required {
			id, ok := known[literal]
			if !ok {
				id = int32(len(literals)) //nolint:gosec // maxSet for each rule at most
				known[literal] = id
				literals = append(literals, literal)
				f.owners = append(f.owners, nil)
			}
			f.owners[id] = append(f.owners[id], int32(i))
		}
	}
	f.long = f.pick(literals, func(n int) bool { return n >= longLength })
	f.short = f.pick(literals, func(n int) bool { return n < longLength })
	return f
}

func (f *Filter) pick(literals []string, wanted func(length int) bool) *blocks {
	var texts []string
	var ids []int32
	for id, literal := range literals {
		if wanted(len(literal)) {
			texts = append(texts, literal)
			ids = append(ids, int32(id))
		}
	}
	return newBlocks(texts, ids)
}

// Always returns the expressions that every line has to be asked for, ascending.
func (f *Filter) Always() []int32 { return f.always }

// Candidates returns the expressions that may match the line, ascending. The
// slice is valid until the next call.
func (f *Filter) Candidates(line []byte) []int32 {
	f.found = f.found[:0]
	if f.long != nil {
		f.found = f.long.find(line, f.found)
	}
	if f.short != nil {
		f.found = f.short.find(line, f.found)
	}
	if len(f.found) == 0 {
		return f.always
	}
	return f.expressions()
}

// expressions returns the owners of the literals found, and those always asked.
func (f *Filter) expressions() []int32 {
	f.current++
	if f.current == 0 { // after four billion lines
		clear(f.stamps)
		f.current = 1
	}
	f.named = append(f.named[:0], f.always...)
	for _, literal := range f.found {
		for _, expression := range f.owners[literal] {
			if f.stamps[expression] != f.current {
				f.stamps[expression] = f.current
				f.named = append(f.named, expression)
			}
		}
	}
	slices.Sort(f.named)
	return f.named
}
