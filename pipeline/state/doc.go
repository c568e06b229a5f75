// Package state keeps what must survive a restart of the agent: positions,
// conditions, thresholds, queues. It is one file, which is read once, at the start,
// and replaced as a whole by one goroutine while the agent runs.
//
// The file is a JSON object with its schema, a SHA-256 of the payload, and the
// payload: who wrote it, and a section for each that has something to keep. It is
// replaced atomically: written beside, fsynced, renamed, and the directory fsynced.
// Whenever the process or the machine dies, the file is the old or the new one.
//
// A disk that is full, read-only, slow or gone delays nothing: state is degraded
// then, and says so, and what the agent reports goes its way.
package state
