package journaltest

import (
	"encoding/binary"
)

type array struct{ offset, used, count uint64 }

// link appends an entry to the chain whose first array and length stand at these
// offsets. Data objects hold the first entry themselves, before the array.
func (w *Writer) link(first, length, entry uint64, inline bool) {
	count := w.get(length)
	if inline && count == 0 {
		w.put(first-8, entry)
		w.put(length, 1)
		return
	}
	last := w.chains[first]
	if last == nil || last.used == last.count {
		last = w.newArray(first, last)
	}
	w.putElement(last, entry)
	w.put(length, count+1)
	if inline && w.layout.Compact {
		text := binary.LittleEndian.AppendUint32(nil, uint32(last.offset))
		w.write(first+16, binary.LittleEndian.AppendUint32(text, uint32(last.used)))
	}
}

func (w *Writer) newArray(first uint64, last *array) *array {
	next := &array{count: 4}
	width := uint64(8)
	if w.layout.Compact {
		width = 4
	}
	if last != nil {
		next.count = last.count * 2
	}
	next.offset = w.object(6, 0, make([]byte, 8+next.count*width))
	w.counts.arrays++
	w.put(232, w.counts.arrays)
	if last != nil {
		w.put(last.offset+16, next.offset)
	} else {
		w.put(first, next.offset)
	}
	w.chains[first] = next
	return next
}

func (w *Writer) putElement(a *array, entry uint64) {
	if w.layout.Compact {
		w.write(a.offset+24+a.used*4, binary.LittleEndian.AppendUint32(nil, uint32(entry)))
	} else {
		w.put(a.offset+24+a.used*8, entry)
	}
	a.used++
}
