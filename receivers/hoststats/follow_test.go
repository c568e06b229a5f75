package hoststats

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// twin has a counter of each width.
type twin struct{ wide, narrow uint64 }

func twins() *follower[twin, uint64, struct{}] {
	return &follower[twin, uint64, struct{}]{fields: []field[twin, uint64]{
		{of: func(t *twin) *uint64 { return &t.wide }},
		{of: func(t *twin) *uint64 { return &t.narrow }, narrow: true},
	}}
}

// take brings one more reading of a thing.
func (f *follower[T, N, L]) take(name string, now T) (T, bool) {
	f.begin(100)
	return f.next(f.find(name), now)
}

func TestCountersGoOn(t *testing.T) {
	f := twins()
	for _, step := range []struct {
		told      string
		now, want twin
		begunAnew bool
	}{
		{"the first reading", twin{100, 4e9}, twin{100, 4e9}, true},
		{"both grow", twin{150, 4.1e9}, twin{150, 4.1e9}, false},
		{"32 bits run over", twin{160, 1000}, twin{160, 1<<32 + 1000}, false},
		{"the wide one begins anew", twin{10, 2000}, twin{170, 1<<32 + 2000}, true},
		{"and grows", twin{30, 3000}, twin{190, 1<<32 + 3000}, false},
		{"the narrow one begins anew: what it held was too little to run over", twin{30, 10}, twin{190, 1<<32 + 3010}, true},
	} {
		got, anew := f.take("a", step.now)
		require.Equal(t, step.want, got, step.told)
		require.Equal(t, step.begunAnew, anew, step.told)
	}
}

// A driver that counts below zero tells of 2^64-1.
func TestWhatIsNoCount(t *testing.T) {
	f := &follower[twin, uint64, struct{}]{fields: []field[twin, uint64]{
		{of: func(t *twin) *uint64 { return &t.wide }, most: math.MaxInt64},
	}}
	for _, step := range []struct{ now, want uint64 }{
		{math.MaxUint64, 0},
		{5, 5},
		{math.MaxUint64, 5},
		{7, 7},
		{math.MaxInt64, math.MaxInt64},
		{1, math.MaxInt64 + 1},
		{math.MaxInt64, math.MaxUint64 - 1},
		{2, math.MaxInt64 + 2},
	} {
		got, _ := f.take("a", twin{wide: step.now})
		require.Equal(t, min(step.want, math.MaxInt64), min(got.wide, math.MaxInt64))
	}
}

func TestTimesOfCPUsGoBackALittle(t *testing.T) {
	one := func(x float64) *follower[float64, float64, struct{}] {
		return &follower[float64, float64, struct{}]{fields: []field[float64, float64]{{of: func(v *float64) *float64 { return v }, slack: x}}}
	}
	f := one(3)
	for _, step := range []struct{ now, want float64 }{{100, 100}, {98.5, 100}, {99, 100}, {101, 101}, {5, 106}, {6, 107}} {
		got, _ := f.take("", step.now)
		require.InDelta(t, step.want, got, 1e-9)
	}
}

// What is gone for a while and comes again goes on; what is gone for good is forgotten.
func TestThingsThatAreGone(t *testing.T) {
	f := twins()
	f.take("a", twin{wide: 100})
	for range memory - 1 {
		f.begin(100)
	}
	got, anew := f.take("a", twin{wide: 1})
	require.Equal(t, twin{wide: 101}, got)
	require.True(t, anew)
	for range memory + 2 {
		f.begin(100)
	}
	require.Empty(t, f.things)
}

// However many come and go, no more are remembered than twice what there may be.
func TestThingsThatComeAndGo(t *testing.T) {
	f := twins()
	for i := range 1000 {
		f.begin(10)
		for j := range 10 {
			f.next(f.find(series("thing", i, j)), twin{wide: 1})
		}
		require.LessOrEqual(t, len(f.things), 30)
	}
}

// Whatever the kernel says, what is told never falls, and loses nothing that was counted.
func TestCountersNeverFall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, told, counted := twins(), twin{}, uint64(0)
		raw := uint64(0)
		for range rapid.IntRange(1, 30).Draw(t, "readings") {
			step := rapid.Uint64Range(0, 1<<28).Draw(t, "step")
			if rapid.IntRange(0, 9).Draw(t, "fate") == 0 {
				raw = 0
			}
			raw += step
			counted += step
			now, _ := f.take("a", twin{wide: raw, narrow: uint64(uint32(raw))})
			if now.wide < told.wide || now.narrow < told.narrow {
				t.Fatalf("%+v fell to %+v", told, now)
			}
			if now.wide > counted {
				t.Fatalf("told %d of %d", now.wide, counted)
			}
			told = now
		}
	})
}
