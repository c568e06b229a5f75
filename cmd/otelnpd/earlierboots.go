package main

import (
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/receivers/pstore"
)

// tellsOfThisBoot tells whether a receiver has anything to say of the boot that runs.
// Without one that has, nothing is watched.
func tellsOfThisBoot(receiver string) bool {
	id, err := pipeline.ParseID(receiver)
	return err != nil || id.Type != pstore.Type
}

// sourceDegraded tells the store which receivers cannot be read. No cause waits for
// one that only knows of earlier boots.
func (a *agent) sourceDegraded(receiver string, degraded bool) {
	if tellsOfThisBoot(receiver) {
		a.store.SourceDegraded(receiver, degraded)
	}
}
