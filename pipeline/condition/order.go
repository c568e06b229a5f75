package condition

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// maxBoots is how many earlier boots the state can tell the order of.
const maxBoots = 16

// rank orders boots: unknown ones come first, the current one last.
func (s *State) rank(boot string) int {
	if boot == s.Boot.ID {
		return len(s.Boots) + 1
	}
	return slices.IndexFunc(s.Boots, func(b BootSpan) bool { return b.ID == boot }) + 1
}

// compare orders what belongs to different boots too.
func (s *State) compare(x, y pipeline.Order) int {
	if x.Boot.ID == y.Boot.ID {
		return x.Compare(y)
	}
	return cmp.Or(cmp.Compare(s.rank(x.Boot.ID), s.rank(y.Boot.ID)), strings.Compare(x.Boot.ID, y.Boot.ID))
}

// within tells whether an order is not after a limit. There may be none.
func (s *State) within(order, limit pipeline.Order) bool {
	return limit != (pipeline.Order{}) && s.compare(order, limit) <= 0
}

// raise moves an order forward.
func (s *State) raise(to *pipeline.Order, order pipeline.Order) {
	if *to == (pipeline.Order{}) || s.compare(order, *to) > 0 {
		*to = order
	}
}

// before is the order just before an instant of the boot clock.
func before(at pipeline.BootTime) pipeline.Order {
	at.At--
	return pipeline.Order{Boot: at}
}

// later tells whether x was activated after y. It is a total order, so that it
// does not matter who asks first: pairs of one source by place would contradict
// pairs of two sources by clock, hence the clock comes first here.
func (s *State) later(x, y *Cause) bool {
	return cmp.Or(
		cmp.Compare(s.rank(x.T.Boot.ID), s.rank(y.T.Boot.ID)),
		cmp.Compare(x.T.Boot.At, y.T.Boot.At),
		strings.Compare(x.T.Boot.ID, y.T.Boot.ID),
		comparePlaces(x.T.Place, y.T.Place),
		x.Key.compare(y.Key),
	) > 0
}

func comparePlaces(x, y pipeline.Place) int {
	return cmp.Or(strings.Compare(x.Scope, y.Scope), strings.Compare(x.Source, y.Source),
		cmp.Compare(x.Generation, y.Generation), cmp.Compare(x.Position, y.Position))
}

// wholeSecond cuts a time as the API does.
func wholeSecond(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
