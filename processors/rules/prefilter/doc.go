// Package prefilter tells, in one look at a line, which of many regular
// expressions can match it at all: those of whose required literals one stands
// in the line. What it does not name cannot match; what it names still has to
// be asked.
//
// Upper and lower case of ASCII letters are the same to it, so that expressions
// that fold case need no look of their own. The cost of a line that holds no
// literal does not grow with the number of expressions.
package prefilter
