package file_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Logs without times begin with the same lines again and again, in any order, and
// perhaps long after. No two lines have one place, over restarts too.
func TestFirstLinesThatComeAgain(t *testing.T) {
	r := newRig(t)
	r.start()
	for n := range 150 {
		r.append("log", fmt.Sprintf("starting worker %d\nthe same everywhere\n", n*n%31))
		r.read()
		if n%2 == 0 {
			r.rename("log", "log.1")
		} else {
			r.copyTruncate("log", "log.1")
		}
		r.later(6 * time.Second) // it is done with
		if n%7 == 0 {
			r.restart()
		}
	}
	require.Equal(t, 2*150, len(r.all)) //nolint:testifylint // Len would print them
	requireOwnPlaces(t, r.all)
}

// The first of many have no number, if they begin with lines of their own: what was
// told of them has the same identity where all that was known is gone.
func TestFirstLinesThatAreNew(t *testing.T) {
	r := newRig(t)
	r.start()
	for n := range 100 {
		r.append("log", fmt.Sprintf("2026-11-28 23:%02d:%02d start\n", n/60, n%60))
		r.read()
		r.rename("log", "log.1")
		r.later(6 * time.Second)
	}
	numbered := 0
	for _, one := range r.all {
		if one.of.Generation > 0 {
			numbered++
		}
	}
	require.LessOrEqual(t, numbered, 2)
	require.Len(t, r.follower.Files(), 16+4+1)
}

func requireOwnPlaces(t *testing.T, all []got) {
	t.Helper()
	places := map[string]bool{}
	for _, one := range all {
		place := fmt.Sprint(one.of.Key, one.of.Generation, one.Offset)
		require.False(t, places[place], "two lines have the place %s", place)
		places[place] = true
	}
}
