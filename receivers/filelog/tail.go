package filelog

import (
	"time"

	"github.com/otelnpd/otelnpd/pipeline/source/file"
)

// tail is a path that is followed, and what is known of the files there.
type tail struct {
	path     string
	name     string // the path as text
	follower *file.Follower
	streams  map[uint64]*stream
	stream   *stream // that of the line before
	pattern  bool    // it was found by a pattern
	// since is the time of the oldest line that the lookback takes, while live is
	// false; zero: all are taken.
	since time.Time
	live  bool // all has been given that was there at the first start
	// caughtUp: likewise at the start of this receiver.
	caughtUp bool
	dirty    bool // it has moved since it was kept
	more     bool // there was more to read in the last round
	kept     *keptPath
	// gone is when nothing was at the path any more.
	gone time.Duration
}

// keptPath is the form of what outlives a tail. It is not changed once made.
type keptPath struct {
	Since int64      `json:"since_ns,omitempty"`
	Live  bool       `json:"live,omitempty"`
	Files []keptFile `json:"files"`
}

// keptFile is a file that was being read.
type keptFile struct {
	file.Position

	From  int64  `json:"from"`
	Told  uint64 `json:"told"`
	Marks []mark `json:"marks,omitempty"`
}

// snapshot is how far the tail has come, once the batch under way is accepted.
func (t *tail) snapshot() *keptPath {
	k := &keptPath{Live: t.live}
	if !t.since.IsZero() {
		k.Since = t.since.UnixNano()
	}
	for _, one := range t.follower.Files() {
		kept := keptFile{Position: one.Position, From: one.Offset}
		if s := t.streams[one.Stream]; s != nil && !one.Done {
			kept.From = s.from(one.Offset)
			kept.Told = max(s.told, s.next)
			kept.Marks = append([]mark(nil), s.marks...)
		}
		k.Files = append(k.Files, kept)
	}
	return k
}

// resume makes the tail go on from where another one had come to.
func (t *tail) resume(k *keptPath, newStream func() *stream) {
	t.kept, t.live = k, k.Live
	if k.Since != 0 {
		t.since = time.Unix(0, k.Since)
	}
	var files []file.Resumed
	for i := range k.Files {
		one := &k.Files[i]
		files = append(files, file.Resumed{Position: one.Position, From: one.From})
		if !one.Done {
			s := newStream()
			s.told = one.Told
			s.marks = append(s.marks, one.Marks...)
			if len(s.marks) > 0 {
				s.recall(s.marks[0].Offset)
			}
			t.streams[uint64(i)+1] = s // as Resume numbers them
		}
	}
	t.follower.Resume(files)
}
