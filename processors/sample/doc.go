// Package sample is the processor that lets a part of the lines pass: for a pipeline
// that ships raw lines. What it takes out it counts.
package sample
