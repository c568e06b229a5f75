package hoststats

// Counters of the kernel begin anew: a driver is loaded again, a disk or an interface
// goes and another one of its name comes, a field of 32 bits runs over. The SDK cannot
// tell that of an observable counter (the start of its series stays where it is),
// and by the data model of OpenTelemetry a sum that never falls may not fall without it.
// So a counter goes on from where it was: what it counts from then on is added.

// field is one counter of a thing.
type field[T any, N uint64 | float64] struct {
	of func(*T) *N
	// narrow tells that the kernel prints 32 bits of it.
	narrow bool
	// slack is how much it may go back without having begun anew.
	slack N
	// most is the highest number that it can be told as; 0: any. Drivers that count below zero
	// tell of more: that is no count, and the last one stays.
	most N
}

// followed is a thing over several readings.
type followed[T, L any] struct {
	last T
	// behind is what is added to each counter; nil: nothing.
	behind *T
	// labels are those of its series; nil: they have not been made.
	labels *L
	// round is that of the reading that had it last.
	round uint64
	known bool
}

// follower follows all things of a kind.
type follower[T any, N uint64 | float64, L any] struct {
	fields []field[T, N]
	things map[string]*followed[T, L]
	round  uint64
}

// memory is for how many readings a thing that is gone is remembered, so that its
// counters go on if it comes back.
const memory = 10

// begin begins a new reading. What has been gone for long, or is one of too many, is
// forgotten.
func (f *follower[T, N, L]) begin(most int) {
	if f.things == nil {
		f.things = map[string]*followed[T, L]{}
	}
	for name, one := range f.things {
		if gone := f.round - one.round; gone > memory || gone > 0 && len(f.things) > 2*most {
			delete(f.things, name)
		}
	}
	f.round++
}

// find returns the thing of that name, which this reading has.
func (f *follower[T, N, L]) find(name string) *followed[T, L] {
	one, known := f.things[name]
	if !known {
		one = &followed[T, L]{}
		f.things[name] = one
	}
	one.round = f.round
	return one
}

// seen tells whether this reading has had a thing of that name already: names that differ
// in what no label can hold are one.
func (f *follower[T, N, L]) seen(name string) bool {
	one := f.things[name]
	return one != nil && one.round == f.round
}

// served is what was served of a thing at the last reading.
func (f *follower[T, N, L]) served(one *followed[T, L]) T {
	sum := one.last
	if one.behind != nil {
		for i := range f.fields {
			*f.fields[i].of(&sum) += *f.fields[i].of(one.behind)
		}
	}
	return sum
}

// next takes the counters of a new reading, and returns what to serve. anew tells that one
// of them has begun anew, or that the thing was not known: what grew since the last
// reading is not known then.
func (f *follower[T, N, L]) next(one *followed[T, L], now T) (sum T, anew bool) {
	anew = !one.known
	for i := range f.fields {
		anew = f.goOn(&f.fields[i], one, &now) || anew
	}
	one.last, one.known = now, true
	return f.served(one), anew
}

// goOn lets one counter go on, and tells whether it has begun anew.
func (f *follower[T, N, L]) goOn(c *field[T, N], one *followed[T, L], now *T) (anew bool) {
	last, next := *c.of(&one.last), c.of(now)
	if c.most > 0 && *next > c.most {
		*next = last
	}
	if *next >= last {
		return false
	}
	if last-*next <= c.slack {
		*next = last
		return false
	}
	if one.behind == nil {
		one.behind = new(T)
	}
	if c.narrow && ranOver(uint64(last), uint64(*next)) {
		c.add(one.behind, 1<<32)
		return false
	}
	c.add(one.behind, last)
	return true
}

// add adds to a counter, to no more than it can be told as.
func (c *field[T, N]) add(to *T, n N) {
	sum := *c.of(to) + n
	if c.most > 0 {
		sum = min(sum, c.most)
	}
	*c.of(to) = sum
}

// ranOver tells whether a counter of 32 bits has run over, by a step that is no more than
// a quarter of what it holds: 12 days of milliseconds.
func ranOver(last, next uint64) bool {
	const whole = 1 << 32
	return last < whole && next+whole-last < whole/4
}
