package main

import (
	"cmp"
	"os"
	"path/filepath"

	"github.com/otelnpd/otelnpd/config"
)

// stateDirVariable is the environment's word on the directory for state: flag over
// environment over file.
const stateDirVariable = "OTELNPD_STATE_DIR"

// socketFallbacks are where the operator socket is if it cannot be at path. Only
// the default has one: who names a path wants that and no other.
func socketFallbacks(path, stateDir string) []string {
	if path != config.DefaultService().Socket || stateDir == config.StateDirNone {
		return nil
	}
	return []string{filepath.Join(stateDir, filepath.Base(path))}
}

// socketPaths are where a command looks for the agent's operator socket, first
// the likely one. It knows no configuration: the agent's may be another.
func socketPaths(path string) []string {
	stateDir := cmp.Or(os.Getenv(stateDirVariable), config.DefaultStateDir)
	return append([]string{path}, socketFallbacks(path, stateDir)...)
}
