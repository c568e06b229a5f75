// Package journaltest makes journals for tests: small files of its own writing, in
// every layout, and those of systemd's programs.
package journaltest

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalhash"
)

// Layout says how a file is written.
type Layout struct {
	Compact, Keyed bool
	// Compression is zstd, lz4, xz or empty; payloads of 64 bytes and more are
	// compressed.
	Compression string
	// Buckets of the data hash table; 0: 32, so that some are shared.
	Buckets uint64
}

// Entry is what is written.
type Entry struct {
	Realtime, Monotonic uint64
	Boot                journalfile.ID
	Fields              []string // FIELD=value
}

// Series numbers the entries of the files that are written one after the other.
type Series struct {
	ID   journalfile.ID
	Last uint64
}

// Writer writes a file as journald does, in the same order: it may be read
// meanwhile.
type Writer struct {
	// FileID, MachineID as in the header.
	FileID, MachineID journalfile.ID
	// AfterWrite is called after each single change of the file; nil: not.
	AfterWrite func()

	t          testing.TB
	file       *os.File
	layout     Layout
	series     *Series
	end        uint64
	data       map[string]uint64
	fields     map[string]uint64
	buckets    map[uint64]uint64 // the last object of each bucket, by the bucket's offset
	chains     map[uint64]*array // the last array of each chain, by the offset of its start
	dataTable  uint64
	fieldTable uint64
	counts     struct{ objects, data, fields, arrays, entries uint64 }
}

const (
	headerSize   = 256
	fieldBuckets = 8
)

// Create makes a file. It is closed when the test ends.
func Create(t testing.TB, path string, layout Layout, series *Series) *Writer {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	w := &Writer{
		t: t, file: file, layout: layout, series: series, end: headerSize, FileID: NewID(), MachineID: MachineID,
		data: map[string]uint64{}, fields: map[string]uint64{}, buckets: map[uint64]uint64{}, chains: map[uint64]*array{},
	}
	if w.layout.Buckets == 0 {
		w.layout.Buckets = 32
	}
	w.begin()
	return w
}

func (w *Writer) begin() {
	header := make([]byte, headerSize)
	copy(header, "LPKSHHRH")
	binary.LittleEndian.PutUint32(header[12:], w.flags())
	header[16] = 1 // online
	copy(header[24:], w.FileID[:])
	copy(header[40:], w.MachineID[:])
	copy(header[72:], w.series.ID[:])
	binary.LittleEndian.PutUint64(header[88:], headerSize)
	binary.LittleEndian.PutUint64(header[160:], w.series.Last) // of the file before
	w.write(0, header)
	w.dataTable = w.object(4, 0, make([]byte, w.layout.Buckets*16)) + 16
	w.fieldTable = w.object(5, 0, make([]byte, fieldBuckets*16)) + 16
	w.put(112, w.layout.Buckets*16)
	w.put(120, w.fieldTable)
	w.put(128, fieldBuckets*16)
	w.put(104, w.dataTable)
}

func (w *Writer) flags() (flags uint32) {
	flags = map[string]uint32{"": 0, "xz": 1, "lz4": 2, "zstd": 8}[w.layout.Compression]
	if w.layout.Keyed {
		flags |= 4
	}
	if w.layout.Compact {
		flags |= 16
	}
	return flags
}

func (w *Writer) write(offset uint64, text []byte) {
	if _, err := w.file.WriteAt(text, int64(offset)); err != nil {
		w.t.Fatal(err)
	}
	if w.AfterWrite != nil {
		w.AfterWrite()
	}
}

func (w *Writer) put(offset, value uint64) {
	w.write(offset, binary.LittleEndian.AppendUint64(nil, value))
}

func (w *Writer) get(offset uint64) uint64 {
	var text [8]byte
	if _, err := w.file.ReadAt(text[:], int64(offset)); err != nil {
		w.t.Fatal(err)
	}
	return binary.LittleEndian.Uint64(text[:])
}

// object appends an object and returns its offset.
func (w *Writer) object(kind, flags byte, body []byte) uint64 {
	offset, size := w.end, uint64(len(body))+16
	text := make([]byte, 16, size+8)
	text[0], text[1] = kind, flags
	binary.LittleEndian.PutUint64(text[8:], size)
	text = append(text, body...)
	text = append(text, make([]byte, (8-size%8)%8)...)
	w.write(offset, text)
	w.end += uint64(len(text))
	w.counts.objects++
	w.put(96, w.end-headerSize)
	w.put(136, offset)
	w.put(144, w.counts.objects)
	return offset
}

// hash is what the file finds a payload by.
func (w *Writer) hash(payload []byte) uint64 {
	if w.layout.Keyed {
		return journalhash.Siphash((*[16]byte)(&w.FileID), payload)
	}
	return journalhash.Jenkins(payload)
}

// Append writes an entry and returns its sequence number.
func (w *Writer) Append(e Entry) uint64 {
	xor := uint64(0)
	var items []uint64
	for _, field := range e.Fields {
		items = append(items, w.dataObject(field))
		xor ^= journalhash.Jenkins([]byte(field))
	}
	slices.Sort(items)
	items = slices.Compact(items)
	w.series.Last++
	w.put(160, w.series.Last) // before the entry is there
	offset := w.object(3, 0, w.entryBody(e, xor, items))
	w.counts.entries++
	w.link(176, 152, offset, false)
	w.tellTail(e)
	for _, item := range items {
		w.link(item+48, item+56, offset, true)
	}
	return w.series.Last
}

func (w *Writer) entryBody(e Entry, xor uint64, items []uint64) []byte {
	var body []byte
	for _, number := range []uint64{w.series.Last, e.Realtime, e.Monotonic} {
		body = binary.LittleEndian.AppendUint64(body, number)
	}
	body = append(body, e.Boot[:]...)
	body = binary.LittleEndian.AppendUint64(body, xor)
	for _, item := range items {
		if w.layout.Compact {
			body = binary.LittleEndian.AppendUint32(body, uint32(item))
			continue
		}
		body = binary.LittleEndian.AppendUint64(body, item)
		body = binary.LittleEndian.AppendUint64(body, w.get(item+16))
	}
	return body
}

func (w *Writer) tellTail(e Entry) {
	if w.counts.entries == 1 {
		w.put(168, w.series.Last)
		w.put(184, e.Realtime)
	}
	w.put(192, e.Realtime)
	w.put(200, e.Monotonic)
	w.write(56, e.Boot[:])
}

// dataObject returns the offset of the object of FIELD=value.
func (w *Writer) dataObject(field string) uint64 {
	if offset, there := w.data[field]; there {
		return offset
	}
	payload, flags := []byte(field), byte(0)
	if w.layout.Compression != "" && len(field) >= 64 {
		payload, flags = compress(w.t, w.layout.Compression, payload)
	}
	body := binary.LittleEndian.AppendUint64(nil, w.hash([]byte(field)))
	body = append(body, make([]byte, 40)...)
	if w.layout.Compact {
		body = append(body, make([]byte, 8)...)
	}
	offset := w.object(1, flags, append(body, payload...))
	w.counts.data++
	w.put(208, w.counts.data)
	w.data[field] = offset
	w.enter(w.dataTable+w.hash([]byte(field))%w.layout.Buckets*16, offset)
	name, _, _ := strings.Cut(field, "=")
	owner := w.fieldObject(name)
	w.put(offset+32, w.get(owner+32))
	w.put(owner+32, offset)
	return offset
}

func (w *Writer) fieldObject(name string) uint64 {
	if offset, there := w.fields[name]; there {
		return offset
	}
	hash := w.hash([]byte(name))
	body := binary.LittleEndian.AppendUint64(nil, hash)
	offset := w.object(2, 0, slices.Concat(body, make([]byte, 16), []byte(name)))
	w.counts.fields++
	w.put(216, w.counts.fields)
	w.fields[name] = offset
	w.enter(w.fieldTable+hash%fieldBuckets*16, offset)
	return offset
}

// enter puts an object at the end of a bucket's chain.
func (w *Writer) enter(bucket, offset uint64) {
	if last, there := w.buckets[bucket]; there {
		w.put(last+24, offset)
	} else {
		w.put(bucket, offset)
	}
	w.put(bucket+8, offset)
	w.buckets[bucket] = offset
}

// SetState sets the state: 0 offline, 1 online, 2 archived.
func (w *Writer) SetState(state byte) { w.write(16, []byte{state}) }

// GiveNumber counts an entry that is then not written, as where a file is full.
func (w *Writer) GiveNumber() {
	w.series.Last++
	w.put(160, w.series.Last)
}
