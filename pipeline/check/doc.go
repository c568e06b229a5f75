// Package check is what receivers that ask rather than listen have in common: how
// the verdicts of a check are judged ([Declaration]), what one run of it found
// ([Finding]), and when it runs ([Runner]).
//
// A check reports what it measured. Whether that turns a condition, after how many
// runs and for how long, the condition store alone decides.
package check
