// Package logcounter counts lines of the journal or of the kernel's log, once: it is
// what the plugin log-counter of node-problem-detector does.
package logcounter
