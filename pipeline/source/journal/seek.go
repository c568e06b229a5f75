package journal

import (
	"time"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

// SeekHead goes before the first entry.
func (r *Reader) SeekHead() {
	r.begin(func(f *file) error {
		f.i.SeekHead()
		return nil
	})
}

// SeekTail goes behind the last entry. A file that appears later is read from that
// moment on, by its wall time.
func (r *Reader) SeekTail() {
	now := uint64(time.Now().UnixMicro())
	r.begin(func(f *file) error { return f.i.SeekTail() })
	r.seek = func(f *file) error { return f.i.SeekRealtime(now) }
	r.location = r.tail(func(f *file, last *journalfile.Key) {
		f.series.told = max(f.series.told, last.Seqnum)
	})
}

// Tail returns the place of the last entry of all, whether it matches or not; zero:
// there is none.
func (r *Reader) Tail() Cursor {
	return Cursor(r.tail(func(*file, *journalfile.Key) {}))
}

func (r *Reader) tail(each func(*file, *journalfile.Key)) (tail journalfile.Key) {
	for _, f := range r.files {
		last, ok, err := f.last()
		if err != nil {
			r.fail(f, err)
		}
		if !ok {
			continue
		}
		each(f, &last)
		if tail == (journalfile.Key{}) || compare(&last, &tail) > 0 {
			tail = last
		}
	}
	return tail
}

// SeekRealtime goes before the first entry of that time or later.
func (r *Reader) SeekRealtime(at time.Time) {
	micros := uint64(max(0, at.UnixMicro()))
	r.begin(func(f *file) error { return f.i.SeekRealtime(micros) })
}

// SeekBoot goes before the first entry of a boot, or behind the last entry of all
// where there is none. It tells whether there is one. A file that appears later is read
// from the boot's first entry in it on, or from this moment.
func (r *Reader) SeekBoot(boot journalfile.ID) bool {
	since := r.bootSince(boot)
	found := since > 0
	if !found {
		since = uint64(time.Now().UnixMicro())
	}
	seek := func(f *file) error {
		there, err := f.i.SeekMonotonic(boot, 0)
		if err != nil || there {
			return err
		}
		return f.i.SeekRealtime(since)
	}
	r.begin(seek)
	if !found {
		r.SeekTail()
		r.seek = seek
	}
	return found
}

// bootSince returns the wall time of a boot's first entry; 0: there is none.
func (r *Reader) bootSince(boot journalfile.ID) (since uint64) {
	for _, f := range r.files {
		if found, err := f.all.SeekMonotonic(boot, 0); err != nil || !found {
			continue
		}
		if key, ok, err := f.all.Next(); err == nil && ok && (since == 0 || key.Realtime < since) {
			since = key.Realtime
		}
	}
	return since
}

// begin puts all files, and those that come later, where reading begins.
func (r *Reader) begin(seek func(*file) error) {
	r.seek, r.location, r.between, r.direction, r.resumed = seek, journalfile.Key{}, true, forward, false
	r.setTold(nil)
	for _, f := range r.files {
		r.put(f, seek)
	}
}

func (r *Reader) put(f *file, seek func(*file) error) {
	f.peeked, f.ready, f.unsettled, f.drained = false, false, false, false
	err := seek(f)
	if f.unplaced = err != nil; err != nil {
		r.fail(f, err)
	}
}

// place puts a file that is new where reading begins. Of a series that was told of,
// that is behind what was told.
func (r *Reader) place(f *file) {
	seek := r.seek
	if told := f.series.told; told > 0 {
		seek = func(f *file) error { return f.i.SeekSeqnum(told + 1) }
	}
	r.put(f, seek)
}

// countLate counts what a file has that should have been told before what was.
func (r *Reader) countLate(f *file) {
	if r.resumed || f.series.told == 0 || r.seek(f) != nil {
		return
	}
	for {
		key, ok, err := f.i.Next()
		if err != nil || !ok || key.Seqnum > f.series.told {
			return
		}
		r.stats.Late++
	}
}
