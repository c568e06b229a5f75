package file

import (
	"encoding/base64"
	"slices"
)

const (
	// forgottenParts are the positions that keep what is known of forgotten files, and
	// partSize how many bytes each holds: as text, the longest key that is read back.
	forgottenParts = 4
	partSize       = maxKey / 4 * 3
	// forgottenBits are set of those for each key.
	forgottenBits = 4
)

// forgotten is what is still known of files that are no longer remembered: a Bloom
// filter of their keys. A file with a key that is not in it is the first with that key,
// as far as this follower knows; one with a key that may be in it gets a generation
// that none of them had. After a hundred files three of a thousand new keys are taken
// for old ones, which costs them no more than another number.
type forgotten struct {
	bits [forgottenParts * partSize]byte
	next uint64 // above the generations of all of them; 0: there are none
}

// add takes in a file that is forgotten now.
func (g *forgotten) add(p *Position) {
	if p.Key == "" {
		return
	}
	g.next = max(g.next, p.Generation+1)
	for at := range bitsOf(p.Key) {
		g.bits[at/8] |= 1 << (at % 8)
	}
}

// generation is that of a file with a key that no remembered one has.
func (g *forgotten) generation(key string) uint64 {
	for at := range bitsOf(key) {
		if g.bits[at/8]&(1<<(at%8)) == 0 {
			return 0
		}
	}
	return g.next
}

// bitsOf yields the bits of a key.
func bitsOf(key string) func(yield func(uint64) bool) {
	return func(yield func(uint64) bool) {
		sum := printOf([]byte(key)).Sum
		for range forgottenBits {
			if !yield(sum % (forgottenParts * partSize * 8)) {
				return
			}
			sum >>= 64 / forgottenBits
		}
	}
}

// positions are its form among those of files: each holds a part of the filter where
// files have their keys, and is of no file.
func (g *forgotten) positions(path string) (list []Position) {
	if g.next == 0 {
		return nil
	}
	for part := range slices.Chunk(g.bits[:], partSize) {
		list = append(list, Position{
			Path: Name(path), Device: uint64(len(list)), Key: base64.RawURLEncoding.EncodeToString(part), Generation: g.next, Done: true,
		})
	}
	return list
}

// take reads a position back, if it is one of those.
func (g *forgotten) take(p *Position) bool {
	if !p.Done || p.Inode != 0 || p.Offset != 0 || len(p.Key) != maxKey || p.Device >= forgottenParts {
		return false
	}
	part, err := base64.RawURLEncoding.DecodeString(p.Key)
	if err != nil {
		return false
	}
	copy(g.bits[int(p.Device)*partSize:], part)
	g.next = max(g.next, p.Generation)
	return true
}
