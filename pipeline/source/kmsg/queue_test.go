package kmsg

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/otelnpd/otelnpd/pipeline"
)

// pushText pushes a record or says that there is no space.
func pushText(q *queue, text string) bool {
	space := q.space()
	if space == nil {
		return false
	}
	q.push(copy(space, text), false)
	return true
}

// takeAll takes what is committed, as words: records, and what was noted.
func takeAll(q *queue) (words []string) {
	add := func(n note) {
		if total := n.lost.Total(); total > 0 {
			words = append(words, fmt.Sprintf("lost %d", total))
		}
		if n.backlogEnd {
			words = append(words, "end")
		}
	}
	for {
		entries, behind := q.take()
		if entries == nil && behind.isZero() {
			return words
		}
		add(behind)
		for rest := entries; len(rest) > 0; {
			var kind byte
			var entry []byte
			if kind, entry, rest = nextEntry(rest); kind == kindNote {
				add(noteFrom(entry))
				continue
			}
			raw := entry
			words = append(words, string(raw))
		}
		if entries != nil {
			q.release(entries)
		}
	}
}

func TestQueueKeepsOrder(t *testing.T) {
	q := newQueue(2)
	q.note(note{lost: Loss{Overrun: 2}})
	require.True(t, pushText(q, "a"))
	require.True(t, pushText(q, "b"))
	q.note(note{lost: Loss{TooLong: 1}})
	q.note(note{lost: Loss{TooLong: 1}, next: 7, backlogEnd: true})
	q.commit()
	q.rewind()
	require.True(t, pushText(q, "c"))
	q.close(errors.New("gone"))
	require.Equal(t, []string{"lost 2", "a", "b", "lost 2", "end", "c"}, takeAll(q))
	require.EqualError(t, q.failure(), "gone")
}

func TestQueueMarksTheFirstLiveRecord(t *testing.T) {
	q := newQueue(1)
	q.push(copy(q.space(), "x"), true)
	q.push(copy(q.space(), "y"), false)
	q.commit()
	entries, _ := q.take()
	kind, entry, rest := nextEntry(entries)
	require.Equal(t, []any{kindFirstLive, "x"}, []any{kind, string(entry)})
	kind, entry, _ = nextEntry(rest)
	require.Equal(t, []any{kindRecord, "y"}, []any{kind, string(entry)})
}

func TestQueueIsBoundedAndShrinks(t *testing.T) {
	q := newQueue(maxChunks)
	big := string(make([]byte, MaxRecord))
	pushed := 0
	for pushText(q, big) {
		pushed++
	}
	require.Len(t, q.chunks, maxChunks)
	require.Greater(t, pushed*MaxRecord, 3<<20, "some 3.5 MiB fit")
	q.note(note{lost: Loss{QueueFull: 3}})
	require.False(t, pushText(q, big), "full is full")
	q.close(nil)
	words := takeAll(q)
	require.Len(t, words, pushed+1)
	require.Equal(t, "lost 3", words[pushed])
	require.Len(t, q.chunks, 1, "one chunk is enough for an idle queue")
	require.Nil(t, q.spare)
}

func TestIdleQueueStaysInItsFirstPages(t *testing.T) {
	q := newQueue(maxChunks)
	for range 10_000 {
		q.rewind()
		require.True(t, pushText(q, "6,1,2,-;now and then a line\n"))
		q.commit()
		entries, _ := q.take()
		q.release(entries)
	}
	require.Len(t, q.chunks, 1)
	require.Less(t, q.at, 4096)
}

// TestQueueLosesNothing compares the queue with a plain list, whatever the order
// of pushing, committing, taking and releasing.
func TestQueueLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newQueue(rapid.IntRange(1, 3).Draw(t, "chunks"))
		var want, got []string
		full, dropped := 0, 0
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{"push", "push", "push", "commit", "rewind", "take"}), 1, 120).Draw(t, "steps")
		for i, step := range steps {
			switch step {
			case "push":
				text := fmt.Sprintf("%d:%s", i, make([]byte, rapid.SampledFrom([]int{1, 100, 8000}).Draw(t, "size")))
				if pushText(q, text) {
					if full > 0 {
						want = append(want, fmt.Sprintf("lost %d", full))
						full = 0
					}
					want = append(want, text)
				} else {
					q.note(note{lost: Loss{QueueFull: 1}})
					full++
					dropped++
				}
			case "commit":
				q.commit()
			case "rewind":
				q.commit()
				q.rewind()
			case "take":
				got = append(got, takeCommitted(q)...)
			}
		}
		if full > 0 {
			want = append(want, fmt.Sprintf("lost %d", full))
		}
		q.close(nil)
		got = append(got, takeAll(q)...)
		require.Equal(t, mergeLosses(want), mergeLosses(got))
	})
}

// takeCommitted takes one round, if there is one, without waiting.
func takeCommitted(q *queue) (words []string) {
	q.mu.Lock()
	q.dropUsed()
	empty := (len(q.chunks) == 0 || q.taken == q.chunks[0].committed) && q.overflow.isZero()
	q.mu.Unlock()
	if empty {
		return nil
	}
	entries, behind := q.take()
	if !behind.isZero() {
		words = append(words, fmt.Sprintf("lost %d", behind.lost.Total()))
	}
	for rest := entries; len(rest) > 0; {
		var kind byte
		var entry []byte
		if kind, entry, rest = nextEntry(rest); kind == kindNote {
			lost := noteFrom(entry).lost
			words = append(words, fmt.Sprintf("lost %d", lost.Total()))
			continue
		}
		raw := entry
		words = append(words, string(raw))
	}
	if entries != nil {
		q.release(entries)
	}
	return words
}

// mergeLosses adds up losses that follow each other: the queue may tell them in
// parts.
func mergeLosses(words []string) (merged []string) {
	for _, word := range words {
		var n, before int
		_, err := fmt.Sscanf(word, "lost %d", &n)
		if err == nil && len(merged) > 0 {
			if _, err := fmt.Sscanf(merged[len(merged)-1], "lost %d", &before); err == nil {
				merged[len(merged)-1] = fmt.Sprintf("lost %d", n+before)
				continue
			}
		}
		merged = append(merged, word)
	}
	return merged
}

func TestLossFits(t *testing.T) {
	for name, c := range map[string]struct {
		lost    Loss
		missing uint64
		want    Loss
	}{
		"nothing":                          {Loss{}, 0, Loss{}},
		"what nobody explains":             {Loss{TooLong: 1}, 5, Loss{Overrun: 4, TooLong: 1}},
		"all explained":                    {Loss{QueueFull: 2, TooLong: 1}, 3, Loss{QueueFull: 2, TooLong: 1}},
		"others missed more":               {Loss{Overrun: 2, QueueFull: 5, TooLong: 1}, 2, Loss{QueueFull: 1, TooLong: 1}},
		"junk without a number is counted": {Loss{Malformed: 2}, 0, Loss{Malformed: 2}},
		"junk beside a gap":                {Loss{QueueFull: 3, Malformed: 2}, 4, Loss{QueueFull: 2, Malformed: 2}},
	} {
		c.lost.fit(c.missing)
		require.Equal(t, c.want, c.lost, name)
	}
	require.Equal(t, "overrun", Overrun.String())
	require.Equal(t, "Reason(9)", Reason(9).String())
	require.Len(t, Reasons(), int(reasons))
}

func TestOffsets(t *testing.T) {
	times := func(o *offsets, now pipeline.Instant, seconds int64) (wall int64, boot time.Duration) {
		o.measure(now)
		records := []Record{{Microseconds: seconds * 1e6}}
		o.times(records, now)
		return records[0].Time.Unix(), records[0].Boot
	}
	at := func(wall int64, boot, raw time.Duration) pipeline.Instant {
		return pipeline.Instant{Wall: time.Unix(wall, 0), Boot: boot * time.Second, Raw: raw * time.Second}
	}
	var o offsets
	for _, step := range []struct {
		name  string
		now   pipeline.Instant
		stamp int64
		wall  int64
		boot  time.Duration
	}{
		{"before any suspend", at(1000, 400, 400), 100, 700, 100},
		{"read long after it was written", at(1060, 460, 460), 100, 700, 100},
		{"asleep for 50 s: the stamps stood still, both clocks did not", at(1120, 520, 470), 465, 1115, 515},
		{"the wall clock is set back by a minute: the boot clock stays", at(1065, 525, 475), 475, 1065, 525},
		{"never later than now", at(1066, 526, 476), 490, 1066, 526},
	} {
		wall, boot := times(&o, step.now, step.stamp)
		require.Equal(t, []any{step.wall, step.boot * time.Second}, []any{wall, boot}, step.name)
	}

	slewed := at(1067, 527, 477)
	slewed.Wall = slewed.Wall.Add(600 * time.Millisecond)
	wall, _ := times(&o, slewed, 470)
	require.Equal(t, int64(1060), wall, "less than a second off: a record that is read again keeps its time")
}
