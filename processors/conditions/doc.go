// Package conditions is the processor that brings problems and verdicts to the
// condition store, and passes on what fires without a condition.
package conditions
