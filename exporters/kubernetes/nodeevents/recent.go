package nodeevents

import (
	"slices"

	"github.com/otelnpd/otelnpd/pipeline"
)

// maxRecent is how many occurrences are known again: more than the pipelines that
// bring the same ones are apart.
const maxRecent = 1024

// recent remembers the UIDs of the newest occurrences.
type recent struct {
	// All are the newest; the oldest is at Next once there are maxRecent.
	All  []pipeline.UID
	Next int

	index map[pipeline.UID]struct{} // of All; nil: not made yet
}

// add notes an occurrence and tells whether it is new.
func (r *recent) add(uid pipeline.UID) bool {
	r.prepare()
	if _, known := r.index[uid]; known {
		return false
	}
	if len(r.All) < maxRecent {
		r.All = append(r.All, uid)
	} else {
		delete(r.index, r.All[r.Next])
		r.All[r.Next] = uid
		r.Next = (r.Next + 1) % maxRecent
	}
	r.index[uid] = struct{}{}
	return true
}

// inOrder is a copy of all, the oldest first.
func (r *recent) inOrder() []pipeline.UID { return slices.Concat(r.All[r.Next:], r.All[:r.Next]) }

func (r *recent) prepare() {
	if r.index != nil {
		return
	}
	r.index = make(map[pipeline.UID]struct{}, len(r.All))
	for _, uid := range r.All {
		r.index[uid] = struct{}{}
	}
}
