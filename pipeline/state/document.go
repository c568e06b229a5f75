package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Schema is the schema of the documents that this version writes. It reads all
// before it.
const Schema = 1

// MaxBytes bounds a file that is read: several times what all bounded parts of the
// state come to together.
const MaxBytes = 64 << 20

var (
	// ErrCorrupt is a file that is not as it was written.
	ErrCorrupt = errors.New("the state file is corrupt")
	// ErrNewer is a file that a newer version has written.
	ErrNewer = errors.New("the state file is of a newer version")
)

// Document is what is kept.
type Document struct {
	// Written is when, by the wall clock.
	Written time.Time `json:"written"`
	// Version of the agent that wrote it.
	Version string `json:"version"`
	// Node and BootID are those that the agent ran on and in.
	Node   string `json:"node"`
	BootID string `json:"boot_id"`
	// Sections are what components keep, by name.
	Sections map[string]json.RawMessage `json:"sections"`
}

// The file is one JSON object. Its keys stand in this order, so that the checksum
// can be that of the payload's bytes.
const (
	opening  = `{"otelnpd_state":`
	checksum = `,"sha256":"`
	payload  = `","payload":`
	closing  = "}\n"
)

// encode writes a document of the newest schema. Sections are taken as they are:
// their makers answer for them being JSON.
func encode(d *Document) ([]byte, error) {
	about := *d
	about.Sections = nil
	text, err := json.Marshal(&about)
	if err != nil {
		return nil, fmt.Errorf("write the state as JSON: %w", err)
	}
	text = append(bytes.TrimSuffix(text, []byte("null}")), '{')
	for i, name := range slices.Sorted(maps.Keys(d.Sections)) {
		key, err := json.Marshal(name)
		if err != nil {
			return nil, fmt.Errorf("write the state as JSON: section %q: %w", name, err)
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(append(append(text, key...), ':'), d.Sections[name]...)
	}
	return frame(Schema, append(text, "}}"...)), nil
}

// frame puts a payload between what tells its schema and checksum.
func frame(schema int, text []byte) []byte {
	sum := sha256.Sum256(text)
	file := make([]byte, 0, len(text)+len(opening)+len(checksum)+len(payload)+len(closing)+2*len(sum)+8)
	file = strconv.AppendInt(append(file, opening...), int64(schema), 10)
	file = hex.AppendEncode(append(file, checksum...), sum[:])
	file = append(append(file, payload...), text...)
	return append(file, closing...)
}

// Decode reads what a file holds. Its errors are [ErrCorrupt] and [ErrNewer].
func Decode(file []byte) (*Document, error) {
	return decode(file, Schema, migrations)
}

// migration brings the payload of one schema to the next.
type migration func(payload []byte) ([]byte, error)

// migrations has, by schema, how its payload becomes one of the next. There has
// been one schema so far.
var migrations = map[int]migration{}

func decode(file []byte, newest int, steps map[int]migration) (*Document, error) {
	schema, text, err := unframe(file)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	case schema > newest:
		return nil, fmt.Errorf("%w: its schema is %d, this version reads up to %d", ErrNewer, schema, newest)
	}
	for ; schema < newest; schema++ {
		step := steps[schema]
		if step == nil {
			return nil, fmt.Errorf("%w: there is no schema %d", ErrCorrupt, schema)
		}
		if text, err = step(text); err != nil {
			return nil, fmt.Errorf("%w: bring schema %d to %d: %w", ErrCorrupt, schema, schema+1, err)
		}
	}
	var d Document
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return &d, nil
}

// unframe takes a file apart and checks its sum.
func unframe(file []byte) (schema int, text []byte, err error) {
	rest, ok := bytes.CutPrefix(file, []byte(opening))
	if !ok {
		return 0, nil, errors.New("it does not begin as one")
	}
	number, rest, ok := bytes.Cut(rest, []byte(checksum))
	if !ok || len(number) > 9 {
		return 0, nil, errors.New("it tells no schema")
	}
	if schema, err = strconv.Atoi(string(number)); err != nil || schema < 1 || number[0] == '+' {
		return 0, nil, fmt.Errorf("its schema is %q", number)
	}
	sum, text, ok := bytes.Cut(rest, []byte(payload))
	if !ok {
		return 0, nil, errors.New("it tells no checksum")
	}
	text, ok = bytes.CutSuffix(text, []byte(closing))
	if !ok {
		return 0, nil, errors.New("its end is missing")
	}
	if is := sha256.Sum256(text); string(sum) != hex.EncodeToString(is[:]) {
		return 0, nil, errors.New("its checksum is another")
	}
	return schema, text, nil
}
