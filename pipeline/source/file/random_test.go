package file_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/file"
)

// world does to a log what may happen to one, in any order.
type world struct {
	*rig
	random  *rand.Rand
	written int
	writer  *os.File
	kept    []file.Resumed    // at the last commit
	places  map[string]string // of the lines that were taken
	doubt   map[string]int    // places that may come again, by the life that took them
	life    int
	log     []string // what was done
	// truncates is 1 where the log is copied and truncated, 0 where it is renamed.
	truncates int
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	w := &world{
		rig: newRig(t), truncates: int(seed % 2), random: rand.New(rand.NewPCG(seed, 1)), places: map[string]string{}, doubt: map[string]int{}, life: 1,
	}
	w.reopen()
	t.Cleanup(func() { _ = w.writer.Close() })
	w.start()
	w.take()
	w.commit()
	return w
}

func (w *world) reopen() {
	if w.writer != nil {
		_ = w.writer.Close()
	}
	var err error
	w.writer, err = os.OpenFile(w.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(w.t, err)
}

func (w *world) write() {
	var text strings.Builder
	for range 1 + w.random.IntN(20) {
		w.written++
		fmt.Fprintf(&text, "line %d%s\n", w.written, strings.Repeat(".", w.random.IntN(60)))
	}
	_, err := w.writer.WriteString(text.String())
	require.NoError(w.t, err)
	time.Sleep(5 * time.Millisecond) // the kernel stamps files by its tick
}

// shift renames log.N to log.N+1.
func (w *world) shift() {
	for n := 60; n > 0; n-- {
		for _, end := range []string{"", ".gz"} {
			from := fmt.Sprintf("log.%d%s", n, end)
			if _, err := os.Stat(w.in(from)); err == nil {
				w.rename(from, fmt.Sprintf("log.%d%s", n+1, end))
			}
		}
	}
}

// renameLog rotates; the writer goes on with the old file for a while.
func (w *world) renameLog() {
	w.shift()
	w.rename("log", "log.1")
	for range w.random.IntN(3) {
		w.write()
	}
	w.reopen()
}

// truncateLog copies the log piece by piece; anything may happen in between.
func (w *world) truncateLog() {
	w.shift()
	text, err := os.ReadFile(w.path)
	require.NoError(w.t, err)
	out, err := os.Create(w.in("log.1"))
	require.NoError(w.t, err)
	w.meanwhile()
	half := w.random.IntN(len(text) + 1)
	for _, part := range [][]byte{text[:half], text[half:]} {
		_, err = out.Write(part)
		require.NoError(w.t, err)
		w.meanwhile()
	}
	require.NoError(w.t, out.Close())
	require.NoError(w.t, os.Truncate(w.path, 0))
	time.Sleep(5 * time.Millisecond)
}

// meanwhile is what may happen while somebody rotates.
func (w *world) meanwhile() {
	switch w.random.IntN(6) {
	case 0:
		w.take()
	case 1:
		w.commit()
	case 2:
		w.kill()
		w.take()
	}
}

func (w *world) compressOne() {
	found, err := filepath.Glob(w.in("log.?"))
	require.NoError(w.t, err)
	for _, path := range found {
		if w.random.IntN(2) == 0 && !strings.HasSuffix(path, ".gz") {
			w.beginToCompress(filepath.Base(path))
			w.meanwhile()
			w.compress(filepath.Base(path))
		}
	}
}

// beginToCompress leaves a part of what gzip makes beside a file.
func (w *world) beginToCompress(name string) {
	text, err := os.ReadFile(w.in(name))
	require.NoError(w.t, err)
	var packed bytes.Buffer
	out := gzip.NewWriter(&packed)
	_, err = out.Write(text)
	require.NoError(w.t, errors.Join(err, out.Close()))
	require.NoError(w.t, os.WriteFile(w.in(name+".gz"), packed.Bytes()[:w.random.IntN(packed.Len()+1)], 0o600))
}

// take reads all or a part of what there is.
func (w *world) take() {
	w.follower.Changed()
	for w.follower.Fill(w.now) {
		for line, of, ok := w.follower.Line(); ok; line, of, ok = w.follower.Line() {
			place, text := fmt.Sprint(of.Key, of.Generation, line.Offset), string(line.Text)
			before, known := w.places[place]
			require.True(w.t, !known || w.doubt[place] > 0, "%q came again as %q: %s", before, text, w.log)
			require.True(w.t, !known || before == text, "%q is now %q: %s", before, text, w.log)
			w.places[place] = text
			w.doubt[place] = w.life
			if w.random.IntN(50) == 0 {
				return // in the middle
			}
		}
	}
}

// commit keeps where the follower has come to.
func (w *world) commit() {
	text, err := json.Marshal(w.follower.Files())
	require.NoError(w.t, err)
	w.kept = nil
	require.NoError(w.t, json.Unmarshal(text, &w.kept))
	for i := range w.kept {
		require.NoError(w.t, w.kept[i].Check())
		w.kept[i].From = w.kept[i].Offset
	}
	maps.DeleteFunc(w.doubt, func(_ string, life int) bool { return life == w.life })
}

func (w *world) kill() {
	w.life++
	w.follower.Close()
	w.start()
	w.follower.Resume(w.kept)
}

func (w *world) step() {
	steps := []struct {
		name   string
		likely int
		do     func()
	}{
		{"write", 6, w.write}, {"take", 8, w.take}, {"commit", 4, w.commit}, {"kill", 2, w.kill},
		{"rename", 4 * (1 - w.truncates), w.renameLog}, {"truncate", 4 * w.truncates, w.truncateLog}, {"compress", 1, w.compressOne},
		{"wait", 1, func() { w.now += time.Duration(w.random.IntN(8000)) * time.Millisecond }},
	}
	sum := 0
	for _, s := range steps {
		sum += s.likely
	}
	at := w.random.IntN(sum)
	for _, s := range steps {
		if at -= s.likely; at < 0 {
			w.log = append(w.log, s.name)
			s.do()
			return
		}
	}
}

// missing are the lines that nobody has been given.
func (w *world) missing() []int {
	given := map[string]bool{}
	for _, text := range w.places {
		given[strings.TrimRight(text, ".")] = true
	}
	var missing []int
	for i := 1; i <= w.written; i++ {
		if !given[fmt.Sprintf("line %d", i)] {
			missing = append(missing, i)
		}
	}
	return missing
}

// Whatever happens to the log, and whenever the agent is killed, each line comes,
// always at the same place, and none comes twice that is known to have been taken.
func TestRandomRotations(t *testing.T) {
	seeds := 60
	if os.Getenv("OTELNPD_SOAK") == "1" {
		seeds = 20_000
	}
	for seed := range seeds {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, uint64(seed))
			for range 40 {
				w.step()
			}
			for range 40 {
				w.take()
				w.now += time.Second
			}
			require.Empty(t, w.missing(), "of %d; %s", w.written, w.log)
			texts := map[string]string{}
			for place, text := range w.places {
				require.Empty(t, texts[text], "%q has the places %s and %s: %s", text, texts[text], place, w.log)
				texts[text] = place
			}
			require.True(t, slices.Contains(w.log, "take"))
		})
	}
}
