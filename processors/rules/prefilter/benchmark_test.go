package prefilter

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cloudflare/ahocorasick"
)

// automaton is Aho and Corasick's method as a dense table of transitions, the
// case of ASCII letters folded into it: what blocks is measured against.
type automaton struct {
	next   [][256]int32
	accept []bool
}

func newAutomaton(texts []string) *automaton {
	a := &automaton{next: make([][256]int32, 1), accept: make([]bool, 1)}
	for _, text := range texts {
		state := int32(0)
		for i := range len(text) {
			if a.next[state][text[i]] == 0 {
				a.next = append(a.next, [256]int32{})
				a.accept = append(a.accept, false)
				a.next[state][text[i]] = int32(len(a.next) - 1)
			}
			state = a.next[state][text[i]]
		}
		a.accept[state] = true
	}
	a.link()
	return a
}

// link turns the trie into an automaton, breadth first.
func (a *automaton) link() {
	fail := make([]int32, len(a.next))
	var queue []int32
	for c := range 256 {
		if state := a.next[0][c]; state != 0 {
			queue = append(queue, state)
		}
	}
	for len(queue) > 0 {
		state := queue[0]
		queue = queue[1:]
		a.accept[state] = a.accept[state] || a.accept[fail[state]]
		for c := range 256 {
			if to := a.next[state][c]; to != 0 {
				fail[to] = a.next[fail[state]][c]
				queue = append(queue, to)
			} else {
				a.next[state][c] = a.next[fail[state]][c]
			}
		}
	}
	for state := range a.next {
		for c := 'A'; c <= 'Z'; c++ {
			a.next[state][c] = a.next[state][lower[byte(c)]]
		}
	}
}

func (a *automaton) contains(text []byte) bool {
	state := int32(0)
	for _, c := range text {
		state = a.next[state][c]
		if a.accept[state] {
			return true
		}
	}
	return false
}

// BenchmarkSearch looks for literals, none of which is there, in a line of 98
// bytes: long literals as rules usually have, and short ones.
func BenchmarkSearch(b *testing.B) {
	line := []byte("cni0: port 12(veth4f21c3d0) entered forwarding state after it had been learning for 15 seconds now")
	for _, length := range []struct {
		name     string
		min, max int
	}{{"long", 8, 24}, {"short", 3, 7}} {
		for _, n := range []int{14, 1000} {
			texts, ids := randomLiterals(n, length.min, length.max)
			name := func(method string) string { return fmt.Sprintf("method=%s/literals=%s/n=%d", method, length.name, n) }
			found := make([]int32, 0, 16)
			search := newBlocks(texts, ids)
			b.Run(name("blocks"), func(b *testing.B) {
				for b.Loop() {
					found = search.find(line, found[:0])
				}
			})
			dense := newAutomaton(texts)
			b.Run(name("automaton"), func(b *testing.B) {
				for b.Loop() {
					dense.contains(line)
				}
			})
			library := ahocorasick.NewStringMatcher(texts)
			b.Run(name("cloudflare"), func(b *testing.B) {
				for b.Loop() {
					library.Contains(line)
				}
			})
		}
	}
}

// randomLiterals returns the same literals each time: letters that are frequent
// in log lines, none of them in the benchmark's line.
func randomLiterals(n, shortest, longest int) (texts []string, ids []int32) {
	random := rand.New(rand.NewPCG(3, 4))
	known := map[string]bool{}
	for len(texts) < n {
		text := make([]byte, shortest+random.IntN(longest-shortest+1))
		for i := range text {
			text[i] = "etaoinsrhldcu "[random.IntN(14)]
		}
		text[random.IntN(len(text))] = 'q'
		if !known[string(text)] {
			known[string(text)] = true
			texts = append(texts, string(text))
			ids = append(ids, int32(len(ids)))
		}
	}
	return texts, ids
}
