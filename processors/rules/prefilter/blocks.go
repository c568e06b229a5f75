package prefilter

import (
	"encoding/binary"
	"math/bits"
)

// blockLength is how many bytes are looked up at once.
const blockLength = 3

// blocks finds many literals in a text by Wu and Manber's method: a window as
// long as the shortest literal moves over the text; the last three bytes in it
// tell how far it can jump (A Fast Algorithm for Multi-Pattern Searching,
// University of Arizona TR-94-17, 1994).
type blocks struct {
	window int
	jump   []uint8 // by block: how far the window can move; 0: look closer
	head   []int32 // by block: the first literal whose window ends with it, less 1
	after  []int32 // by literal: the next with the same block, less 1
	mask   uint32
	texts  []string // lower-cased
	ids    []int32
}

// maxWindow keeps jumps within a byte and start-up short.
const maxWindow = 32

// newBlocks finds texts, all of at least blockLength bytes and lower-cased, and
// tells of texts[i] by ids[i].
func newBlocks(texts []string, ids []int32) *blocks {
	if len(texts) == 0 {
		return nil
	}
	b := &blocks{window: maxWindow, texts: texts, ids: ids, after: make([]int32, len(texts))}
	for _, text := range texts {
		b.window = min(b.window, len(text))
	}
	size := tableSize(len(texts) * (b.window - blockLength + 1))
	b.mask = uint32(size - 1) //nolint:gosec // at most 1<<16
	b.head = make([]int32, size)
	b.jump = make([]uint8, size)
	for i := range b.jump {
		b.jump[i] = uint8(b.window - blockLength + 1) //nolint:gosec // at most maxWindow
	}
	for i, text := range texts {
		b.enter(int32(i), text)
	}
	return b
}

// tableSize leaves nine slots of ten empty, within bounds that a cache holds.
func tableSize(entries int) int {
	return 1 << min(16, max(10, bits.Len(uint(entries*10))))
}

func (b *blocks) enter(literal int32, text string) {
	for end := blockLength; end <= b.window; end++ {
		slot := b.slot(block(text[end-blockLength : end]))
		b.jump[slot] = min(b.jump[slot], uint8(b.window-end)) //nolint:gosec // at most maxWindow
	}
	last := b.slot(block(text[b.window-blockLength : b.window]))
	b.after[literal] = b.head[last]
	b.head[last] = literal + 1
}

func block(text string) uint32 {
	return uint32(text[0]) | uint32(text[1])<<8 | uint32(text[2])<<16
}

// slot spreads blocks over the table. Bit 5 of each byte, by which upper and
// lower case differ, has no part in it.
func (b *blocks) slot(block uint32) uint32 {
	const caseBits = 0x202020
	return ((block | caseBits) * 0x9e3779b1 >> 12) & b.mask
}

// find appends the ids of all literals in text, one as often as it is there.
func (b *blocks) find(text []byte, found []int32) []int32 {
	if b.window < worthJumping {
		return b.findStepping(text, found)
	}
	for last := b.window - 1; last < len(text); {
		slot := b.slot(blockAt(text, last))
		if jump := b.jump[slot]; jump != 0 {
			last += int(jump)
			continue
		}
		found = b.compare(text, last, slot, found)
		last++
	}
	return found
}

// worthJumping is the window from which jumps pay: each has to wait for the one
// before it, while steps of one byte overlap in the processor.
const worthJumping = 6

// findStepping is find byte by byte.
func (b *blocks) findStepping(text []byte, found []int32) []int32 {
	if len(text) < b.window {
		return found
	}
	var window uint32 // the last four bytes
	for _, c := range text[:b.window-1] {
		window = window>>8 | uint32(c)<<24
	}
	for i, c := range text[b.window-1:] {
		window = window>>8 | uint32(c)<<24
		if slot := b.slot(window >> 8); b.jump[slot] == 0 {
			found = b.compare(text, i+b.window-1, slot, found)
		}
	}
	return found
}

// compare appends the literals that begin where the window does.
func (b *blocks) compare(text []byte, last int, slot uint32, found []int32) []int32 {
	for next := b.head[slot]; next != 0; next = b.after[next-1] {
		if hasPrefix(text[last-b.window+1:], b.texts[next-1]) {
			found = append(found, b.ids[next-1])
		}
	}
	return found
}

// blockAt returns the block whose last byte is text[last].
func blockAt(text []byte, last int) uint32 {
	if last >= blockLength {
		return binary.LittleEndian.Uint32(text[last-blockLength:]) >> 8
	}
	return uint32(text[0]) | uint32(text[1])<<8 | uint32(text[2])<<16
}

func hasPrefix(text []byte, literal string) bool {
	if len(text) < len(literal) {
		return false
	}
	for i := range len(literal) {
		if lower[text[i]] != literal[i] {
			return false
		}
	}
	return true
}

// lower maps upper-case ASCII letters to lower case, all else to itself.
var lower = func() (table [256]byte) {
	for i := range table {
		table[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			table[i] = byte(i) + 'a' - 'A'
		}
	}
	return table
}()
