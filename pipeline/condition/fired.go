package condition

import (
	"slices"

	"github.com/otelnpd/otelnpd/pipeline"
)

// maxFired is how many problems that have fired are known again: more than the
// receivers of one source are apart, which get its lines batch by batch.
const maxFired = 1024

// FiredLog remembers the newest problems that fired without a condition.
type FiredLog struct {
	// All are the newest ones; the oldest is at Next once there are maxFired.
	All  []Fired `json:"all,omitempty"`
	Next int     `json:"next,omitempty"`

	counts map[pipeline.UID]int // by All; nil: not made yet
}

// Fired is a problem that fired.
type Fired struct {
	UID pipeline.UID `json:"uid"`
	// Count is how many matches it stands for.
	Count int `json:"count"`
}

// count returns what a problem that has fired stood for.
func (l *FiredLog) count(uid pipeline.UID) (count int, known bool) {
	count, known = l.index()[uid]
	return count, known
}

func (l *FiredLog) add(uid pipeline.UID, count int) {
	index := l.index()
	if len(l.All) < maxFired {
		l.All = append(l.All, Fired{uid, count})
	} else {
		delete(index, l.All[l.Next].UID)
		l.All[l.Next] = Fired{uid, count}
		l.Next = (l.Next + 1) % maxFired
	}
	index[uid] = count
}

func (l *FiredLog) index() map[pipeline.UID]int {
	if l.counts == nil {
		l.counts = make(map[pipeline.UID]int, len(l.All))
		for _, fired := range l.All {
			l.counts[fired.UID] = fired.Count
		}
	}
	return l.counts
}

// IsZero tells encoding/json that there is nothing to write.
func (l FiredLog) IsZero() bool { return len(l.All) == 0 }

func (l *FiredLog) clone() FiredLog { return FiredLog{All: slices.Clone(l.All), Next: l.Next} }
