package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEverySchemaHasItsMigration(t *testing.T) {
	require.Len(t, current().migrations, current().schema-1)
	require.Equal(t, Schema, current().schema)
}

// A made-up future: in schema 2 "node" was called "host", and in schema 1
// "node_name".
func TestMigrationsRunInOrder(t *testing.T) {
	rename := func(from, to string) migration {
		return func(payload []byte) ([]byte, error) {
			if !bytes.Contains(payload, []byte(from)) {
				return nil, errors.New(from + " is missing")
			}
			return bytes.Replace(payload, []byte(from), []byte(to), 1), nil
		}
	}
	future := format{schema: 3, migrations: []migration{rename(`"node_name"`, `"host"`), rename(`"host"`, `"node"`)}}
	for schema, key := range map[string]string{"1": "node_name", "2": "host", "3": "node"} {
		data := withSchema(schema, `{"`+key+`":"node-1","sections":{"a":1}}`)
		document, err := future.decode(data)
		require.NoError(t, err, schema)
		require.Equal(t, "node-1", document.Node)
		require.Equal(t, map[string][]byte{"a": []byte("1")}, document.Sections)
	}
	_, err := future.decode(withSchema("1", `{"sections":{}}`))
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, `bring it from schema 1 to 2: "node_name" is missing`)
	_, err = future.decode(withSchema("4", `{"sections":{}}`))
	require.ErrorIs(t, err, ErrNewer)
	damaged := withSchema("1", `{"node_name":"node-1","sections":{}}`)
	damaged[len(damaged)-5] ^= 1
	_, err = future.decode(damaged)
	require.ErrorContains(t, err, "its checksum is wrong", "what is damaged is not migrated")
}

// A future reads today's fixture through its migrations.
func TestMigrationOfTheFixture(t *testing.T) {
	data, err := os.ReadFile("testdata/schema-1.json")
	require.NoError(t, err)
	future := format{schema: 2, migrations: []migration{func(payload []byte) ([]byte, error) {
		return bytes.Replace(payload, []byte(`"conditions"`), []byte(`"store"`), 1), nil
	}}}
	document, err := future.decode(data)
	require.NoError(t, err)
	require.Contains(t, document.Sections, "store")
	require.Len(t, document.Sections, 5)
}

func TestNewerSchemaIsNamed(t *testing.T) {
	_, err := Decode(withSchema("12", `{}`))
	require.EqualError(t, err, "the state file is of a newer otelnpd: it has schema 12, this one reads up to 2")
	var newer *newerError
	require.ErrorAs(t, err, &newer)
	require.Equal(t, 12, newer.schema)
}

// withSchema makes a file of a payload.
func withSchema(schema, payload string) []byte {
	sum := sha256.Sum256([]byte(payload))
	return []byte(prefixSchema + schema + prefixChecksum + hex.EncodeToString(sum[:]) + prefixPayload + payload + suffix)
}
