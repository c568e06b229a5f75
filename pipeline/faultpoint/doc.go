// Package faultpoint marks the points of the program at which a test kills it, or
// makes it wait, to see what it leaves behind.
//
// In ordinary builds a point is nothing at all. In builds with the tag
// faultpoints the environment variable [Variable] arms points:
//
//	OTELNPD_FAULTPOINT=state.rename              SIGKILL when state.rename is reached
//	OTELNPD_FAULTPOINT=state.rename:3            … for the third time
//	OTELNPD_FAULTPOINT=state.fsync=stall:10s     block there for 10 s, the first time
//	OTELNPD_FAULTPOINT=state.fsync:2=stall:10s,state.rename:5
//
// A plan that cannot be read ends the program with a message: a fault that never
// comes would make a test pass.
package faultpoint

// Variable is the environment variable with the plan.
const Variable = "OTELNPD_FAULTPOINT"
