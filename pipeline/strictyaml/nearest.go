package strictyaml

import (
	"fmt"
	"slices"
	"strings"
)

// maxWord is the longest word that a nearest one is looked for.
const maxWord = 64

// Nearest returns the known word that the written one is most likely meant to
// be; ok is false if none is close. Of equally near words the first wins.
func Nearest(written string, known []string) (nearest string, ok bool) {
	if len(written) > maxWord {
		return "", false
	}
	best := 1 + max(1, len(written)/3)
	for _, word := range known {
		if len(word) > maxWord {
			continue
		}
		if d := distance(strings.ToLower(written), strings.ToLower(word)); d < best {
			nearest, best, ok = word, d, true
		}
	}
	return nearest, ok
}

// Suggest returns what to write instead of an unknown word: the nearest known
// one, else all of them, sorted.
func Suggest(written string, known []string) string {
	if nearest, ok := Nearest(written, known); ok {
		return fmt.Sprintf("did you mean %q?", nearest)
	}
	if len(known) == 0 {
		return "none exists"
	}
	return "write one of " + strings.Join(slices.Compact(slices.Sorted(slices.Values(known))), ", ")
}

// distance is the number of letters to insert, delete, replace or swap with
// their neighbor to make a out of b (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(last[j]+1, row[j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
