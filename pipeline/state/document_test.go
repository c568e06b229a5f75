package state_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/state"
	"github.com/otelnpd/otelnpd/pipeline/state/statetest"
)

var written = time.Date(2026, 3, 4, 5, 6, 7, 80_900_000, time.UTC)

// small is the document of testdata/schema-1.json.
func small() state.Document {
	return state.Document{
		Written: written,
		Version: "v1.2.3",
		Node:    "node-1",
		BootID:  "5d2b3c1e-0000-4000-8000-00000000b007",
		Sections: map[string][]byte{
			"receiver kmsg":         []byte(`{"boot_id":"5d2b3c1e-0000-4000-8000-00000000b007","sequence":4711,"offset":"1767323045.25s"}`),
			"processor logs dedupe": []byte(`{"watermarks":{"kmsg":4711}}`),
			"exporter kubernetes":   []byte(`{"series":[{"uid":"00112233445566778899aabbccddeeff","reason":"TaskHung","message":"INFO: task \"docker\":7 blocked <é>","count":3}],"queue":[]}`),
			"conditions":            []byte(`{"KernelDeadlock":{"status":"True","causes":[{"rule":"kernel/task-hung","instance":""}]},"ReadonlyFilesystem":{"status":"False","causes":[]}}`),
			"offset":                []byte(`-1.5e3`),
		},
	}
}

// TestFixtures reads what each schema's writer wrote: files that users have.
func TestFixtures(t *testing.T) {
	want := map[string]state.Document{"schema-1.json": small(), "schema-2.json": small()}
	paths, err := filepath.Glob("testdata/schema-*.json")
	require.NoError(t, err)
	require.Len(t, paths, state.Schema, "one fixture a schema")
	for _, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		document, err := state.Decode(data)
		require.NoError(t, err, path)
		require.Equal(t, want[filepath.Base(path)], document, path)
		require.True(t, json.Valid(data), "any JSON tool can read it")
	}
}

// A fixture is frozen: other bytes need a new schema.
func TestEncodeWritesTheFixture(t *testing.T) {
	data, err := state.Encode(small())
	require.NoError(t, err)
	path := fmt.Sprintf("testdata/schema-%d.json", state.Schema)
	fixture := statetest.Frozen(t, path, func() []byte { return data })
	require.Equal(t, string(fixture), string(data))
}

// What agents had left when they were killed is read, and that of this schema would
// be written again to the byte.
func TestTheFrozenStatesOfAgentsAreRead(t *testing.T) {
	paths, err := filepath.Glob("testdata/agent-schema-*.json")
	require.NoError(t, err)
	require.Len(t, paths, 2*state.Schema, "two of each schema")
	for _, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		document, err := state.Decode(data)
		require.NoError(t, err, path)
		require.Subset(t, slices.Collect(maps.Keys(document.Sections)), []string{
			"conditions", "exporter console", "exporter kubernetes", "processor logs dedupe", "receiver kmsg",
		})
		if strings.HasPrefix(path, fmt.Sprintf("testdata/agent-schema-%d", state.Schema)) {
			again, err := state.Encode(document)
			require.NoError(t, err)
			require.Equal(t, string(data), string(again), path)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for want, change := range map[string]func(*state.Document){
		`section "x" is no JSON`:     func(d *state.Document) { d.Sections["x"] = []byte(`{"a":1`) },
		`section "two" is no JSON`:   func(d *state.Document) { d.Sections["two"] = []byte(`{} {}`) },
		`section "empty" is no JSON`: func(d *state.Document) { d.Sections["empty"] = nil },
		`"a\xff" is no UTF-8`:        func(d *state.Document) { d.Sections["a\xff"] = []byte(`1`) },
		`"node\xc3" is no UTF-8`:     func(d *state.Document) { d.Node = "node\xc3" },
		"the state has 67109619 bytes, more than a state file may have (67108864)": func(d *state.Document) {
			d.Sections["large"] = []byte(`"` + strings.Repeat("x", 64<<20) + `"`)
		},
	} {
		document := small()
		change(&document)
		_, err := state.Encode(document)
		require.ErrorContains(t, err, want)
	}
}

// Whatever byte of a file changes, and wherever it ends, it is known to be no
// good.
func TestDamageIsSeen(t *testing.T) {
	data, err := os.ReadFile("testdata/schema-1.json")
	require.NoError(t, err)
	for i := range data {
		for bit := range 8 {
			damaged := bytes.Clone(data)
			damaged[i] ^= 1 << bit
			requireRefused(t, damaged, i)
		}
		damaged := bytes.Clone(data)
		damaged[i] = 0
		requireRefused(t, damaged, i)
		requireRefused(t, append(bytes.Clone(data[:i]), data[i+1:]...), i)
	}
	for size := range data {
		_, err := state.Decode(data[:size])
		require.ErrorIs(t, err, state.ErrCorrupt, "cut off at %d", size)
		zeros := append(bytes.Clone(data[:size]), make([]byte, len(data)-size)...)
		_, err = state.Decode(zeros)
		require.ErrorIs(t, err, state.ErrCorrupt, "zeros from %d on", size)
	}
}

// newer begins a file of the next schema.
func newer() string { return fmt.Sprintf(`{"otelnpd_state":%d,`, state.Schema+1) }

// requireRefused demands that damage at a byte is seen. In the number of the
// schema it may look like a newer one.
func requireRefused(t *testing.T, data []byte, at int) {
	t.Helper()
	_, err := state.Decode(data)
	if at == len(`{"otelnpd_state":`) {
		require.True(t, errorsIsOne(err, state.ErrCorrupt, state.ErrNewer), "byte %d: %v", at, err)
		return
	}
	require.ErrorIs(t, err, state.ErrCorrupt, "byte %d", at)
}

func TestDecodeRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ data, want string }{
		"empty":                {"", "it does not begin with"},
		"something else":       {"hello", "it does not begin with"},
		"no number":            {`{"otelnpd_state":"1",`, "is no number"},
		"schema 0":             {`{"otelnpd_state":0,`, "is no number"},
		"schema 01":            {`{"otelnpd_state":01,`, "is no number"},
		"schema -1":            {`{"otelnpd_state":-1,`, "is no number"},
		"schema +1":            {`{"otelnpd_state":+1,`, "is no number"},
		"a huge number":        {`{"otelnpd_state":1234567890,`, "is no number"},
		"no checksum":          {`{"otelnpd_state":1,"payload":{}}` + "\n", "it has no checksum"},
		"a short checksum":     {`{"otelnpd_state":1,"sha256":"00","payload":{}}` + "\n", "it has no"},
		"a wrong checksum":     {`{"otelnpd_state":1,"sha256":"` + strings.Repeat("0", 64) + `","payload":{}}` + "\n", "its checksum is wrong"},
		"an upper checksum":    {upperChecksum(file(`{"sections":{}}`)), "its checksum is wrong"},
		"more behind it":       {file(`{}`) + "{}\n", "its checksum is wrong"},
		"no line end":          {strings.TrimSuffix(file(`{}`), "\n"), "it is cut off"},
		"no sections":          {file(`{}`), "it has no sections"},
		"sections are null":    {file(`{"sections":null}`), "it has no sections"},
		"no object":            {file(`[]`), "read its payload"},
		"no JSON":              {file(`{"sections":{"a":}}`), "read its payload"},
		"a key it cannot know": {file(`{"sections":{},"more":1}`), `unknown field "more"`},
		"two payloads":         {file(`{"sections":{}},"x":{}`), "something follows its payload"},
		"a wrong time":         {file(`{"written":"yesterday","sections":{}}`), "read its payload"},
		"a wrong type":         {file(`{"node":7,"sections":{}}`), "read its payload"},
		"nested without end":   {file(`{"sections":{"a":` + strings.Repeat("[", 100_000)), "read its payload"},
		"too large":            {file(`{"sections":{"a":"` + strings.Repeat("x", 64<<20) + `"}}`), "it has more than 67108864 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := state.Decode([]byte(tt.data))
			require.ErrorIs(t, err, state.ErrCorrupt)
			require.NotErrorIs(t, err, state.ErrNewer)
			require.ErrorContains(t, err, tt.want)
		})
	}
	for _, data := range []string{newer(), `{"otelnpd_state":999999999,"anything": goes}`} {
		_, err := state.Decode([]byte(data))
		require.ErrorIs(t, err, state.ErrNewer)
		require.NotErrorIs(t, err, state.ErrCorrupt)
	}
}

// upperChecksum writes the right checksum in the wrong letters.
func upperChecksum(file string) string {
	before, rest, _ := strings.Cut(file, `"sha256":"`)
	return before + `"sha256":"` + strings.ToUpper(rest[:64]) + rest[64:]
}

// What is decoded does not share memory with the file.
func TestSectionsOwnTheirMemory(t *testing.T) {
	data, err := state.Encode(small())
	require.NoError(t, err)
	document, err := state.Decode(data)
	require.NoError(t, err)
	clear(data)
	require.Equal(t, small(), document)
}

func TestOrderOfSectionsIsFixed(t *testing.T) {
	first, err := state.Encode(small())
	require.NoError(t, err)
	for range 20 {
		again, err := state.Encode(small())
		require.NoError(t, err)
		require.Equal(t, first, again)
	}
}

func FuzzDecode(f *testing.F) {
	fixture, err := os.ReadFile("testdata/schema-1.json")
	require.NoError(f, err)
	f.Add(fixture)
	f.Add([]byte(newer()))
	f.Add([]byte(file(`{"sections":{}}`)))
	f.Fuzz(func(t *testing.T, data []byte) { checkDecode(t, data) })
}

// FuzzPayload gets past the checksum.
func FuzzPayload(f *testing.F) {
	for _, payload := range []string{
		`{}`, `{"sections":{}}`, `{"written":"2026-03-04T05:06:07.0809Z","version":"v1","node":"n","boot_id":"b","sections":{"a":[1,{"b":null}]}}`,
		`{"sections":{"a":1,"a":2},"Node":"x"}`, `{"sections":{"\ud800":"\ud800"}}`, `{"written":"2026-03-04T05:06:07+14:00","sections":{}}`,
	} {
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload string) { checkDecode(t, []byte(file(payload))) })
}

// checkDecode demands that data is refused, or read and written without loss.
func checkDecode(t *testing.T, data []byte) {
	t.Helper()
	document, err := state.Decode(data)
	if err != nil {
		require.True(t, errorsIsOne(err, state.ErrCorrupt, state.ErrNewer), "%v", err)
		return
	}
	again, err := state.Encode(document)
	require.NoError(t, err)
	same, err := state.Decode(again)
	require.NoError(t, err)
	require.Equal(t, document, same)
}
