package main

import (
	"slices"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/receivers/checks"
	"github.com/otelnpd/otelnpd/receivers/health"
	"github.com/otelnpd/otelnpd/receivers/plugin"
	"github.com/otelnpd/otelnpd/receivers/pstore"
)

// readsLines tells whether a receiver reads lines of the boot that runs: one does not
// that only knows of earlier boots, or that asks. Without one that does, no log
// is watched.
func readsLines(receiver string) bool {
	id, err := pipeline.ParseID(receiver)
	return err != nil || !slices.Contains([]string{pstore.Type, checks.Type, health.Type, plugin.Type}, id.Type)
}

// sourceDegraded tells the store which receivers cannot be read. No cause waits for
// one from which no line can come.
func (a *agent) sourceDegraded(receiver string, degraded bool) {
	if readsLines(receiver) {
		a.store.SourceDegraded(receiver, degraded)
	}
}
