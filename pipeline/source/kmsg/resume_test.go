package kmsg

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

// resumed is a witness that goes on from a number and keeps what came as context.
type resumed struct {
	witness
	context    []uint64
	renumbered int
}

func (r *resumed) from(number uint64) Subscriber {
	return Subscriber{Resume: number, State: r.state, Batch: func(batch Batch) {
		r.mu.Lock()
		for i := range batch.Context {
			r.context = append(r.context, batch.Context[i].Sequence)
		}
		if batch.Renumbered {
			r.renumbered++
		}
		r.mu.Unlock()
		r.batch(batch)
	}}
}

func TestResume(t *testing.T) {
	for name, c := range map[string]struct {
		content    string
		at         uint64
		context    []uint64
		texts      []string
		lost       Loss
		renumbered int
	}{
		"in the middle":              {records(0, 10), 7, []uint64{0, 1, 2, 3, 4, 5, 6}, lineTexts(7, 3), Loss{}, 0},
		"at the end":                 {records(0, 3), 3, []uint64{0, 1, 2}, []string{}, Loss{}, 0},
		"what was overwritten":       {records(9, 2), 5, nil, lineTexts(9, 2), Loss{Overrun: 4}, 0},
		"gaps before are none":       {records(0, 1) + records(4, 2), 5, []uint64{0, 4}, lineTexts(5, 1), Loss{}, 0},
		"a gap over the number":      {records(0, 1) + records(7, 1), 5, []uint64{0}, lineTexts(7, 1), Loss{Overrun: 2}, 0},
		"junk before is none":        {"junk\n" + records(0, 3), 3, []uint64{0, 1, 2}, []string{}, Loss{}, 0},
		"junk behind":                {records(0, 3) + "junk\n" + records(4, 1), 3, []uint64{0, 1, 2}, lineTexts(4, 1), Loss{Malformed: 1}, 0},
		"numbers that end before":    {records(0, 3), 4, nil, lineTexts(0, 3), Loss{}, 1},
		"nothing":                    {"", 4, nil, []string{}, Loss{}, 0},
		"junk alone":                 {"junk\n", 4, nil, []string{}, Loss{}, 0},
		"more than a batch, context": {records(0, 1000), 999, numbers(999), lineTexts(999, 1), Loss{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			path, shared := writeFile(t, c.content), newShared(t)
			for _, which := range []string{"the first", "one that catches up"} {
				w := &resumed{}
				sub := shared.Subscribe(path, "/proc", w.from(c.at))
				w.await(t, "the end of the backlog", func() bool { return len(w.ends) > 0 })
				defer closeSubscription(t, sub)
				require.Equal(t, c.context, w.context, which)
				require.Equal(t, c.texts, w.texts(), which)
				require.Equal(t, c.lost, w.lost, which)
				require.Equal(t, c.renumbered, w.renumbered, which)
				if c.lost[Malformed] == 0 {
					requireExact(t, &w.witness, sub)
				}
			}
		})
	}
}

func numbers(n uint64) (all []uint64) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

// TestResumeOverALogThatComesLate: what its numbers say is asked once it is there.
func TestResumeOverALogThatComesLate(t *testing.T) {
	path := writeFile(t, "")
	require.NoError(t, os.Remove(path))
	shared, again, other := newShared(t), &resumed{}, &resumed{}
	subs := []*Subscription{shared.Subscribe(path, "/proc", again.from(3)), shared.Subscribe(path, "/proc", other.from(9))}
	require.NoError(t, os.WriteFile(path, []byte(records(0, 5)), 0o600))
	for i, w := range []*resumed{again, other} {
		w.await(t, "the end of the backlog", func() bool { return len(w.ends) > 0 })
		closeSubscription(t, subs[i])
	}
	require.Equal(t, []uint64{0, 1, 2}, again.context)
	require.Equal(t, lineTexts(3, 2), again.texts())
	require.Equal(t, 1, other.renumbered)
	require.Equal(t, lineTexts(0, 5), other.texts())
}

// TestOffsetsOfBefore hold for the path: those that came first.
func TestOffsetsOfBefore(t *testing.T) {
	path, shared := writeFile(t, records(0, 2)), newShared(t)
	now := pipeline.SystemClock{}.Now()
	before := Offsets{Wall: now.Wall.UnixNano() - int64(now.Raw) + int64(tolerance/2), Boot: int64(now.Boot - now.Raw)}
	first, second := &witness{}, &witness{}
	to := first.subscriber()
	to.Offsets = &before
	subs := []*Subscription{shared.Subscribe(path, "/proc", to)}
	to = second.subscriber()
	to.Offsets = &Offsets{Wall: before.Wall + 1, Boot: before.Boot + 1}
	subs = append(subs, shared.Subscribe(path, "/proc", to))
	for i, w := range []*witness{first, second} {
		w.await(t, "the end of the backlog", func() bool { return len(w.ends) > 0 })
		require.Equal(t, before, *subs[i].Offsets())
		require.True(t, w.seen[1].time.Equal(time.Unix(0, before.Wall+1_000_000)))
		closeSubscription(t, subs[i])
	}
}
