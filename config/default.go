package config

import _ "embed"

//go:embed default.yaml
var defaultYAML string

// Default returns the commented configuration that the agent runs with where it
// is given none, and that `otelnpd config default` prints.
func Default() []byte { return []byte(defaultYAML) }
