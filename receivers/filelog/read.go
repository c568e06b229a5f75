package filelog

import (
	"time"

	"github.com/otelnpd/otelnpd/pipeline/source/file"
)

// fill has the follower read.
func (w *work) fill(t *tail, now time.Duration) (more bool) {
	w.ask(t.name)
	defer w.answered()
	return t.follower.Fill(now)
}

// read takes the lines of one read of a path, and tells whether there may be more.
func (w *work) read(t *tail) (more bool) {
	w.batch.now = w.receiver.settings.Clock.Now()
	more = w.fill(t, w.batch.now.Boot)
	w.endStreams(t)
	t.stream = nil // there is another time
	for more {
		line, of, ok := t.follower.Line()
		if !ok {
			break
		}
		w.take(t, &line, of)
	}
	w.flush(t)
	w.count(t)
	return more && !w.refused
}

func (w *work) take(t *tail, line *file.Line, of *file.Stream) {
	if t.stream == nil || t.stream.key.ID != of.ID {
		w.turnTo(t, of)
	}
	s := t.stream
	if s.assembler.isIdle() { // as most are: each line is a record
		w.emit(t, s, s.assembler.line(line))
		return
	}
	s.assembler.take(line, &s.when, &w.batch.scratch)
}

// turnTo takes lines of a file from now on.
func (w *work) turnTo(t *tail, of *file.Stream) {
	s := w.streamOf(t, of.ID)
	if s.key != *of {
		s.key, s.source = *of, "file:"+t.name+":"+of.Key
	}
	s.takenAt, s.when.Now = w.batch.now.Boot, w.batch.now.Wall
	t.stream, t.dirty = s, true
}

// streamOf returns what is known of a file that is read.
func (w *work) streamOf(t *tail, id uint64) *stream {
	s := t.streams[id]
	if s == nil {
		s = w.newStream(t)
		t.streams[id] = s
	}
	return s
}

func (w *work) newStream(t *tail) *stream {
	s := w.receiver.newStream()
	s.assembler.emit = func(p *piece) { w.emit(t, s, p) }
	return s
}

// endStreams gives what is held back of files that have ended.
func (w *work) endStreams(t *tail) {
	for _, id := range t.follower.TakeEnded() {
		if s := t.streams[id]; s != nil {
			s.assembler.flush()
			delete(t.streams, id)
			t.stream = nil
		}
		t.dirty = true
	}
}
