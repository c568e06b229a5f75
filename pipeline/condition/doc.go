// Package condition holds the node conditions: a pure machine and the [Store]
// around it.
//
// The machine is [State] and its method [State.Step]: an input, judged at a time,
// changes the state and brings about transitions. It reads no clock, starts no
// goroutine and does no I/O, so that the same inputs at the same times always give
// the same.
//
// A condition is an OR over its causes. A cause is one rule about one instance: a
// line activates it, and a recovery, a timer, a check's ok, a boot or the operator
// ends it; a check's cause holds what the check said last. Silence is not health:
// no restart, reload or lost source ends a cause.
//
// The Store feeds the machine with what processors, timers, the operator, reloads
// and the Node bring, one input at a time, and gives each transition to the sinks.
package condition
