// Package rules is the processor that looks at each line with all rules and
// passes on a record with a [pipeline.Problem] for each match. Ordinary lines
// end here: they cost one look by a prefilter over all rules and no memory.
package rules
