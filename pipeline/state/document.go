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
	"unicode/utf8"
)

// Schema is the newest form of the file, which is the one that is written.
const Schema = 2

// MaxBytes is how large a file may be.
const MaxBytes = 64 << 20

var (
	// ErrCorrupt is a file that is not what a writer wrote: damaged, cut off, or
	// no state file at all.
	ErrCorrupt = errors.New("the state file is corrupt")
	// ErrNewer is a file that a newer otelnpd wrote, in a form that this one does
	// not know.
	ErrNewer = errors.New("the state file is of a newer otelnpd")
	// errTooLarge is a document that Decode would refuse.
	errTooLarge = errors.New("more than a state file may have")
)

// Document is what a state file holds.
type Document struct {
	// Written is when the file was written, by the wall clock, in UTC.
	Written time.Time
	// Version of the agent that wrote it.
	Version string
	// Node is the node's name.
	Node string
	// BootID is the boot in which it was written.
	BootID string
	// Sections is what each part of the agent has kept, as JSON, by its name.
	Sections map[string][]byte
}

// The parts around the payload, in this order and without any space: the checksum
// is over the payload's very bytes.
const (
	prefixSchema   = `{"otelnpd_state":`
	prefixChecksum = `,"sha256":"`
	prefixPayload  = `","payload":`
	suffix         = "}\n"
)

// Encode returns the file of a document, with the sections in the order of their
// names. A section that is not one JSON value, a string that is not UTF-8, and
// more than [MaxBytes] are errors.
func Encode(document Document) ([]byte, error) {
	data, _, err := encode(document)
	return data, err
}

// encode returns the file and, of it, the value of "sections".
func encode(document Document) (data, sections []byte, err error) {
	data = append(make([]byte, 0, sizeOf(document)), prefixSchema...)
	data = append(strconv.AppendInt(data, Schema, 10), prefixChecksum...)
	checksum := len(data)
	data = append(data, make([]byte, hex.EncodedLen(sha256.Size))...)
	data = append(data, prefixPayload...)
	payload := len(data)
	if data, err = appendHead(data, document); err != nil {
		return nil, nil, err
	}
	begin := len(data)
	if data, err = appendSections(data, document.Sections); err != nil {
		return nil, nil, err
	}
	end := len(data)
	data = append(data, '}')
	sum := sha256.Sum256(data[payload:])
	hex.Encode(data[checksum:], sum[:])
	data = append(data, suffix...)
	if len(data) > MaxBytes {
		return nil, nil, fmt.Errorf("the state has %d bytes, %w (%d)", len(data), errTooLarge, MaxBytes)
	}
	return data, data[begin:end], nil
}

// sizeOf is about how large the file will be.
func sizeOf(document Document) int {
	size := 512
	for name, section := range document.Sections {
		size += len(name) + len(section) + 8
	}
	return size
}

// appendHead writes all of the payload that comes before the sections.
func appendHead(out []byte, document Document) ([]byte, error) {
	for _, field := range []struct{ key, value string }{
		{`{"written":`, document.Written.UTC().Format(time.RFC3339Nano)},
		{`,"version":`, document.Version},
		{`,"node":`, document.Node},
		{`,"boot_id":`, document.BootID},
	} {
		var err error
		if out, err = appendString(append(out, field.key...), field.value); err != nil {
			return nil, err
		}
	}
	return append(out, `,"sections":`...), nil
}

func appendSections(out []byte, sections map[string][]byte) ([]byte, error) {
	out = append(out, '{')
	for i, name := range slices.Sorted(maps.Keys(sections)) {
		if !json.Valid(sections[name]) {
			return nil, fmt.Errorf("section %q is no JSON", name)
		}
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = appendString(out, name); err != nil {
			return nil, err
		}
		out = append(append(out, ':'), sections[name]...)
	}
	return append(out, '}'), nil
}

func appendString(out []byte, text string) ([]byte, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("%q is no UTF-8", text)
	}
	quoted, err := json.Marshal(text)
	return append(out, quoted...), err
}

// Decode reads a file. It trusts nothing: the error is [ErrCorrupt] or
// [ErrNewer]. The sections own their memory.
func Decode(data []byte) (Document, error) {
	return current().decode(data)
}

// wirePayload is the payload of the newest schema.
type wirePayload struct {
	Written  time.Time                  `json:"written"`
	Version  string                     `json:"version"`
	Node     string                     `json:"node"`
	BootID   string                     `json:"boot_id"`
	Sections map[string]json.RawMessage `json:"sections"`
}

func decodePayload(payload []byte) (Document, error) {
	var wire wirePayload
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wire); err != nil {
		return Document{}, corrupt("read its payload: %w", err)
	}
	if decoder.InputOffset() != int64(len(payload)) {
		return Document{}, corrupt("something follows its payload")
	}
	if wire.Sections == nil {
		return Document{}, corrupt("it has no sections")
	}
	document := Document{
		Written: wire.Written.UTC(), Version: wire.Version, Node: wire.Node, BootID: wire.BootID,
		Sections: make(map[string][]byte, len(wire.Sections)),
	}
	for name, section := range wire.Sections {
		document.Sections[name] = section
	}
	return document, nil
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrCorrupt, fmt.Errorf(format, args...))
}
