package file_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/file"
)

// copying is a log that is copied, truncated and compressed, as logrotate does it, in
// steps between which anything else may happen.
type copying struct {
	*rig
	steps   []func()
	at      time.Time // of what is written, on the kernel's clock
	written int
	unread  map[string]bool // may be in no file that anybody sees
	places  map[string]string
	texts   map[string]string
}

// tick is how far the kernel's clock goes on before some of the steps.
const tick = 4 * time.Millisecond

func newCopying(t *testing.T, quick bool) *copying {
	t.Helper()
	c := &copying{rig: newRig(t), at: time.Now(), unread: map[string]bool{}, places: map[string]string{}, texts: map[string]string{}}
	c.step(func() { c.write(3) })
	c.step(func() { c.write(2) })
	for n := range 2 {
		c.rotation(n, quick)
	}
	return c
}

func (c *copying) step(do func()) { c.steps = append(c.steps, do) }

// rotation are the steps of a rotation. In a quick one all that is written between the
// beginning of the copy and the first line after it has one time.
func (c *copying) rotation(n int, quick bool) {
	later := func() {
		if !quick {
			c.at = c.at.Add(tick)
		}
	}
	if n > 0 {
		c.step(func() { c.rename("log.1.gz", "log.2.gz") })
	}
	c.step(func() { c.at = c.at.Add(tick); c.put("log.1", nil) })
	c.step(func() { later(); c.copyPart(0.1) })
	c.step(func() { later(); c.copyPart(0.7) })
	c.step(func() { later(); c.write(2) })
	c.step(func() { later(); c.copyPart(1) })
	c.step(func() {
		later()
		c.write(2)
		for i := range 2 { // nobody has copied them
			c.unread[fmt.Sprintf("line %d", c.written-i)] = true
		}
	})
	c.step(func() { later(); c.truncate() })
	c.step(func() { later(); c.write(2) })
	c.step(func() { c.at = c.at.Add(tick); c.put("log.1.gz", nil) })
	c.step(func() { c.at = c.at.Add(tick); c.pack(0.5) })
	c.step(func() { c.at = c.at.Add(tick); c.pack(1) })
	c.step(func() { c.sameTime("log.1.gz", "log.1") })
	c.step(func() { require.NoError(c.t, os.Remove(c.in("log.1"))) })
	c.step(func() { c.at = c.at.Add(tick); c.write(2) })
}

// put writes a file anew, as who holds it open: in place.
func (c *copying) put(name string, text []byte) {
	c.t.Helper()
	f, err := os.OpenFile(c.in(name), os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(c.t, err)
	_, err = f.Write(text)
	require.NoError(c.t, err)
	require.NoError(c.t, f.Close())
	c.stamp(name)
}

func (c *copying) stamp(name string) {
	c.t.Helper()
	require.NoError(c.t, os.Chtimes(c.in(name), c.at, c.at))
}

func (c *copying) text(name string) []byte {
	c.t.Helper()
	text, err := os.ReadFile(c.in(name))
	require.NoError(c.t, err)
	return text
}

func (c *copying) write(lines int) {
	c.t.Helper()
	text := numbered(c.written+1, c.written+lines)
	c.written += lines
	f, err := os.OpenFile(c.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(c.t, err)
	_, err = f.WriteString(text)
	require.NoError(c.t, err)
	require.NoError(c.t, f.Close())
	c.stamp("log")
}

func (c *copying) copyPart(share float64) {
	text := c.text("log")
	c.put("log.1", text[:int(share*float64(len(text)))])
}

func (c *copying) truncate() {
	require.NoError(c.t, os.Truncate(c.path, 0))
	c.stamp("log")
}

func (c *copying) pack(share float64) {
	c.t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(c.text("log.1"))
	require.NoError(c.t, err)
	require.NoError(c.t, w.Close())
	c.put("log.1.gz", packed.Bytes()[:int(share*float64(packed.Len()))])
}

func (c *copying) sameTime(name, as string) {
	info, err := os.Stat(c.in(as))
	require.NoError(c.t, err)
	require.NoError(c.t, os.Chtimes(c.in(name), info.ModTime(), info.ModTime()))
}

// take reads what there is, at most so many lines, and keeps where they are.
func (c *copying) take(most int) error {
	c.now += 10 * time.Millisecond
	c.follower.Changed()
	for rounds := 0; c.follower.Fill(c.now); rounds++ {
		if rounds > 1000 {
			return errors.New("it reads the same again and again")
		}
		for line, of, ok := c.follower.Line(); ok; line, of, ok = c.follower.Line() {
			place, text := fmt.Sprint(of.Key, " ", of.Generation, " ", line.Offset), string(line.Text)
			if before, known := c.texts[place]; known && before != text {
				return fmt.Errorf("%q and %q are both at %s", before, text, place)
			}
			if before, known := c.places[text]; known && before != place {
				return fmt.Errorf("%q is at %s and at %s", text, before, place)
			}
			c.places[text], c.texts[place] = place, text
			if most--; most == 0 {
				return nil
			}
		}
	}
	return nil
}

// life is how the agents look at the log.
type life struct {
	save, kill, resume int  // before the steps with these numbers
	blind              bool // the first one looks only where it saves and is killed
	most               int  // lines that are taken before it saves; 0: all
}

// looks tells whether an agent looks at the log before a step.
func (l life) looks(step int) bool {
	switch {
	case step == l.save || step == l.kill || step >= l.resume:
		return true
	case step > l.kill:
		return false
	default:
		return !l.blind || step <= 1
	}
}

// run lets an agent be killed, and another one go on from what was saved.
func (c *copying) run(l life) error {
	var kept []byte
	c.start()
	for i := range len(c.steps) + 1 {
		if i == l.save {
			if err := c.take(l.most); err != nil {
				return err
			}
			kept = c.kept()
		}
		if i == l.resume && i > l.kill {
			c.goOn(kept)
		}
		if l.looks(i) {
			if err := c.take(0); err != nil {
				return fmt.Errorf("before step %d: %w", i, err)
			}
		}
		if i == l.kill {
			c.follower.Close()
			if i == l.resume {
				c.goOn(kept)
				if err := c.take(0); err != nil {
					return fmt.Errorf("before step %d, again: %w", i, err)
				}
			}
		}
		if i < len(c.steps) {
			c.steps[i]()
		}
	}
	return c.end()
}

func (c *copying) kept() []byte {
	c.t.Helper()
	text, err := json.Marshal(c.follower.Files())
	require.NoError(c.t, err)
	return text
}

func (c *copying) goOn(kept []byte) {
	c.t.Helper()
	var files []file.Resumed
	require.NoError(c.t, json.Unmarshal(kept, &files))
	for i := range files {
		require.NoError(c.t, files[i].Check())
		files[i].From = files[i].Offset
	}
	c.follower = file.New(c.path, c.options)
	c.follower.Resume(files)
}

// end waits, and tells what has not come.
func (c *copying) end() error {
	defer c.follower.Close()
	for range 20 {
		c.now += time.Second
		if err := c.take(0); err != nil {
			return fmt.Errorf("at the end: %w", err)
		}
	}
	for i := range c.written {
		line := fmt.Sprintf("line %d", i+1)
		if _, known := c.places[line]; !known && !c.unread[line] {
			return fmt.Errorf("%q is missing", line)
		}
	}
	if lost := c.follower.TakeCounts().Lost; lost > 0 {
		return fmt.Errorf("%d files are told to be lost", lost)
	}
	return nil
}

// Whenever in a rotation by copy and truncation the agent saved what it knew, was
// killed, and went on: each line has one place, and none is missing that was to be read.
func TestKilledAtEachStepOfACopy(t *testing.T) {
	every := 61 // all of them are tried in long runs
	if os.Getenv("OTELNPD_SOAK") == "1" {
		every = 1
	}
	for _, quick := range []bool{false, true} {
		t.Run(fmt.Sprintf("quick=%t", quick), func(t *testing.T) {
			t.Parallel()
			all := lives(len(newCopying(t, quick).steps))
			for i := int(time.Now().UnixNano()) % every; i < len(all); i += every {
				require.NoError(t, newCopying(t, quick).run(all[i]), "%+v", all[i])
			}
		})
	}
}

// An agent that is killed again and again before it has read what was there finds all
// of it, while more is rotated.
func TestKilledAgainAndAgainInABacklog(t *testing.T) {
	c := newCopying(t, false)
	rotate := func() {
		for n := 60; n > 0; n-- {
			if _, err := os.Stat(c.in(fmt.Sprintf("log.%d.gz", n))); err == nil {
				c.rename(fmt.Sprintf("log.%d.gz", n), fmt.Sprintf("log.%d.gz", n+1))
			}
		}
		for _, do := range []func(){
			func() { c.write(4) }, func() { c.put("log.1", nil) }, func() { c.copyPart(1) }, c.truncate, func() { c.pack(1) },
			func() { c.sameTime("log.1.gz", "log.1") },
		} {
			c.at = c.at.Add(tick)
			do()
		}
		require.NoError(t, os.Remove(c.in("log.1")))
	}
	c.write(2)
	c.start()
	require.NoError(t, c.take(0))
	kept := c.kept()
	for n := range 70 {
		if n < 20 || n%3 == 0 {
			rotate()
		}
		c.follower.Close()
		c.goOn(kept)
		require.NoError(t, c.take(1+n%3))
		kept = c.kept()
		require.NoError(t, c.take(n%5))
	}
	require.NoError(t, c.end())
}

func lives(steps int) (list []life) {
	for save := 1; save <= steps; save++ { // of what was there before the first look nobody knows
		for kill := save; kill <= steps; kill++ {
			for _, resume := range []int{kill, min(kill+1, steps), min(kill+3, steps)} {
				for _, blind := range []bool{false, true} {
					for most := range 3 {
						list = append(list, life{save, kill, resume, blind, most})
					}
				}
			}
		}
	}
	return list
}
