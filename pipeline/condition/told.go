package condition

import "github.com/otelnpd/otelnpd/pipeline"

// maxTold bounds the newer half of what [told] remembers.
const maxTold = 8192

// told remembers the newest transitions that were told while the Node's
// conditions were not known: between maxTold and twice as many.
type told struct {
	newer, older map[pipeline.UID]struct{}
}

func (t *told) add(uid pipeline.UID) {
	if len(t.newer) >= maxTold {
		t.older, t.newer = t.newer, nil
	}
	if t.newer == nil {
		t.newer = map[pipeline.UID]struct{}{}
	}
	t.newer[uid] = struct{}{}
}

func (t *told) has(uid pipeline.UID) bool {
	_, newer := t.newer[uid]
	_, older := t.older[uid]
	return newer || older
}
