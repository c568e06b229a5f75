// Package npd reads the command line and the JSON files of node-problem-detector
// and writes the YAML configuration of otelnpd that does the same, so that there
// is one way from either into the agent.
//
// The flags, the JSON keys and what is refused are those of node-problem-detector's
// line 1.36 (cmd/options and pkg/*/config.go of that project). What it accepts is
// accepted, with a warning where it is odd; what ends it at start is an error.
package npd
