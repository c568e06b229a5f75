package state

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strconv"
)

// migration brings a payload from one schema to the next.
type migration func(payload []byte) ([]byte, error)

// format is a schema and the way to it from all before.
type format struct {
	schema int
	// migrations has, at n-1, the one from schema n to n+1: one less than there
	// are schemas.
	migrations []migration
}

// current is the form that is written. Who changes the form of the payload, or of
// any section in it, raises Schema, adds the migration here, and keeps what is
// frozen of the schemas before as it is (see README.md).
func current() format {
	return format{schema: Schema, migrations: []migration{withoutRuns}}
}

// withoutRuns brings a payload of schema 1 to 2, in which the conditions keep what the
// newest run of a check has said, and of a verdict whether it lies between two limits
// and whether its run was complete. Where nothing of that is there, no check has said
// such a thing.
func withoutRuns(payload []byte) ([]byte, error) { return payload, nil }

// newerError is a file of a newer schema.
type newerError struct{ schema int }

func (e *newerError) Error() string {
	return fmt.Sprintf("%v: it has schema %d, this one reads up to %d", ErrNewer, e.schema, Schema)
}

func (*newerError) Unwrap() error { return ErrNewer }

func (f format) decode(data []byte) (Document, error) {
	if len(data) > MaxBytes {
		return Document{}, corrupt("it has more than %d bytes", MaxBytes)
	}
	schema, rest, err := f.cutSchema(data)
	if err != nil {
		return Document{}, err
	}
	payload, err := cutPayload(rest)
	if err != nil {
		return Document{}, err
	}
	for ; schema < f.schema; schema++ {
		if payload, err = f.migrations[schema-1](payload); err != nil {
			return Document{}, corrupt("bring it from schema %d to %d: %w", schema, schema+1, err)
		}
	}
	return decodePayload(payload)
}

// cutSchema reads the schema. Of a newer one nothing more is looked at: all that
// follows may be different there.
func (f format) cutSchema(data []byte) (schema int, rest []byte, err error) {
	data, ok := bytes.CutPrefix(data, []byte(prefixSchema))
	if !ok {
		return 0, nil, corrupt("it does not begin with %s", prefixSchema)
	}
	const digits = 9
	end := bytes.IndexByte(data[:min(len(data), digits+1)], ',')
	if end < 0 {
		return 0, nil, corrupt("its schema is no number")
	}
	number := data[:end]
	schema, err = strconv.Atoi(string(number))
	if err != nil || schema < 1 || number[0] < '1' {
		return 0, nil, corrupt("its schema %q is no number", number)
	}
	if schema > f.schema {
		return 0, nil, &newerError{schema: schema}
	}
	return schema, data[end:], nil
}

// cutPayload returns the payload, which has the right checksum.
func cutPayload(data []byte) ([]byte, error) {
	data, ok := bytes.CutPrefix(data, []byte(prefixChecksum))
	if !ok || len(data) < 2*sha256.Size {
		return nil, corrupt("it has no checksum")
	}
	checksum, data := data[:2*sha256.Size], data[2*sha256.Size:]
	payload, ok := bytes.CutPrefix(data, []byte(prefixPayload))
	if !ok {
		return nil, corrupt("it has no payload")
	}
	payload, ok = bytes.CutSuffix(payload, []byte(suffix))
	if !ok {
		return nil, corrupt("it is cut off")
	}
	sum := sha256.Sum256(payload)
	if subtle.ConstantTimeCompare(checksum, hex.AppendEncode(nil, sum[:])) != 1 {
		return nil, corrupt("its checksum is wrong")
	}
	return payload, nil
}
