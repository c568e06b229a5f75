// Package state keeps what must outlive the agent: one file, written by one
// goroutine when something has changed, read once at start.
//
// The file, state.json in the state directory, is one JSON object and a line end,
// without any space outside the payload:
//
//	{"otelnpd_state":1,"sha256":"HEX","payload":{"written":TIME,"version":…,"node":…,"boot_id":…,"sections":{NAME:…}}}
//
// otelnpd_state is the schema, sha256 is over the very bytes of the payload, TIME
// is RFC 3339 in UTC, and each section is what one part of the agent has kept.
//
// It is replaced as a whole: state.json.new is written and synced, renamed, and
// the directory is synced. Whenever the agent is killed or the power fails, the
// old file or the new one is there. Nobody but the writer's goroutine ever waits
// for the disk; what cannot be written is reported as degraded, and tried again.
//
// The points state.create, state.write, state.fsync, state.rename and
// state.directory are passed after each step: see package faultpoint.
package state
