package config

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed schema.json
var schemaJSON []byte

// SchemaOfPacks is the one of the schema's $defs that describes rule packs.
const SchemaOfPacks = "pack"

// Schema returns the JSON Schema (draft 2020-12) of the configuration file, which is
// made from the types that the file is decoded into. The caller must not change it.
func Schema() []byte { return schemaJSON }

// PackSchema returns the JSON Schema of the files of rule packs.
func PackSchema() ([]byte, error) {
	var whole struct {
		Schema string                     `json:"$schema"`
		Defs   map[string]json.RawMessage `json:"$defs"`
	}
	if err := json.Unmarshal(schemaJSON, &whole); err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	text, err := json.MarshalIndent(struct {
		Schema string                     `json:"$schema"`
		Title  string                     `json:"title"`
		Ref    string                     `json:"$ref"`
		Defs   map[string]json.RawMessage `json:"$defs"`
	}{whole.Schema, "Rule pack of otelnpd", "#/$defs/" + SchemaOfPacks, whole.Defs}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema of packs: %w", err)
	}
	return append(text, '\n'), nil
}
