package sample

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/otelnpd/otelnpd/pipeline"
)

// ratio is a part of all lines.
type ratio struct {
	all bool
	// below is the chance that lines of the sample are below.
	below uint64
}

func newRatio(part float64) ratio {
	if part >= 1 {
		return ratio{all: true}
	}
	return ratio{below: uint64(part * (1 << 64))} // less than 1<<64: the largest part below 1 is that much smaller
}

// holds tells whether a line is in the sample: for ever the same answer for the same
// line, wherever and however often it is read.
func (r ratio) holds(node string, record *pipeline.Record) bool {
	return r.all || chance(node, record) < r.below
}

// chance is a number made of a line's place, or of its text where it has none. Golden
// values freeze it: a sample goes on as it was over restarts and upgrades.
func chance(node string, record *pipeline.Record) uint64 {
	var digest xxhash.Digest
	digest.Reset()
	for _, field := range [...]string{node, record.Place.Scope, record.Place.Source} {
		number(&digest, uint64(len(field)))
		_, _ = digest.WriteString(field) // it never fails
	}
	number(&digest, record.Place.Generation)
	number(&digest, record.Place.Position)
	if record.Place.Source == "" {
		_, _ = digest.Write(record.Body)
	}
	return digest.Sum64()
}

func number(digest *xxhash.Digest, n uint64) {
	var text [8]byte
	binary.LittleEndian.PutUint64(text[:], n)
	_, _ = digest.Write(text[:])
}
