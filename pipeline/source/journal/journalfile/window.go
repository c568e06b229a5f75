package journalfile

import (
	"errors"
	"io"
)

const (
	windowBits = 14
	windowSize = 1 << windowBits
	// ways is how many windows may be where one is looked for: what every entry
	// refers to then stays, while all else passes through.
	ways = 4
)

// Cache holds parts of files in memory: at most the size that it was made with,
// however many files share it. It is for one goroutine at a time.
type Cache struct {
	sets  [][ways]*window // in each, the one that was used last comes first
	known [knownSlots]knownData
	items [maxFields * regularItem]byte // of the entry that is being read
	room  []byte                        // for what is decompressed
	files uint32
}

// window is a part of a file as it was when it was read.
type window struct {
	file    uint32 // 0: none
	version uint32
	block   uint64
	data    []byte // shorter at the end of the file
	memory  []byte
}

// NewCache makes a cache of about size bytes, 256 KiB at least. Memory is taken when
// it is needed.
func NewCache(size int) *Cache {
	c := &Cache{sets: make([][ways]*window, max(2, size/windowSize/ways))}
	for i := range c.sets {
		for way := range c.sets[i] {
			c.sets[i][way] = &window{}
		}
	}
	return c
}

// register gives a file its number in the cache.
func (c *Cache) register() uint32 {
	c.files++
	return c.files
}

// window returns the bytes of a file from offset to the end of the window that it
// is in; none behind the end of the file. They stay until window is called again.
func (c *Cache) window(f *File, offset uint64) ([]byte, error) {
	block := offset >> windowBits
	set := &c.sets[(block+uint64(f.number)*7)%uint64(len(c.sets))]
	w := set[0]
	if !w.holds(f, block) {
		var err error
		if w, err = c.choose(set, f, block); err != nil {
			return nil, err
		}
	}
	start := offset & (windowSize - 1)
	if start >= uint64(len(w.data)) {
		return nil, nil
	}
	return w.data[start:], nil
}

// choose finds or loads a window and puts it first.
func (c *Cache) choose(set *[ways]*window, f *File, block uint64) (*window, error) {
	way := 1
	for way < ways-1 && !set[way].holds(f, block) {
		way++
	}
	w := set[way]
	if !w.holds(f, block) {
		if err := w.load(f, block); err != nil {
			return nil, err
		}
	}
	copy(set[1:way+1], set[:way])
	set[0] = w
	return w, nil
}

func (w *window) holds(f *File, block uint64) bool {
	return w.block == block && w.file == f.number && w.version == f.version
}

func (w *window) load(f *File, block uint64) error {
	if w.memory == nil {
		w.memory = make([]byte, windowSize)
	}
	w.file = 0
	n, err := f.readAt(w.memory, block<<windowBits)
	if err != nil {
		return err
	}
	w.data, w.file, w.version, w.block = w.memory[:n], f.number, f.version, block
	return nil
}

// readAt reads what the file has at offset: less at its end.
func (f *File) readAt(to []byte, offset uint64) (int, error) {
	if offset > f.header.end && f.header.end > 0 {
		return 0, nil
	}
	f.stats.Reads++
	n, err := f.file.ReadAt(to, int64(offset)) //nolint:gosec // bounded by the check of the header
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	return n, nil
}
