// Package packs holds the built-in rule packs: files of conditions and rules
// that the rules processor takes by name (packs: [kernel]).
package packs

import "embed"

// FS holds one file NAME.yaml for each built-in pack.
//
//go:embed *.yaml
var FS embed.FS
