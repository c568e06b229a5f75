// Package faultpoint marks the places at which tests end the process, or let it
// hang. In an ordinary build a point is nothing at all. Built with the tag
// faultpoints, the environment variable OTELNPD_FAULTPOINTS says what happens:
//
//	state.fsync=kill         the process is killed (SIGKILL) when it gets there
//	state.fsync=kill:3       … for the third time
//	state.write=stall:10s    everybody who gets there waits for so long
//
// with commas between several.
package faultpoint
