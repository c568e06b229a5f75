// Package dedupe is the processor that drops lines a source has given before:
// after a restart or reconnect a source reads from its saved position again, and
// what was accepted already must not be counted twice.
package dedupe
