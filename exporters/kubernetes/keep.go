package kubernetes

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/nodeevents"
	"github.com/otelnpd/otelnpd/pipeline"
)

// kept is what outlives the exporter. Conditions are not in it: the store has them,
// and the Node shows what it was told.
type kept struct {
	Events json.RawMessage `json:"events"`
}

// Keep implements [pipeline.Keeper]: how the Events stand.
func (e *exporter) Keep() pipeline.Encode {
	if e.recorder == nil {
		return nil
	}
	encode := e.recorder.Keep()
	return func() ([]byte, error) {
		text, err := encode()
		// As json.Marshal of kept has it, without going through all of it again.
		return slices.Concat([]byte(`{"events":`), text, []byte(`}`)), err
	}
}

// Inherit implements [pipeline.Heir]: what is known of the Node, and that what will
// be resumed has been counted in this process.
func (e *exporter) Inherit(from pipeline.Component) {
	predecessor, ok := from.(*exporter)
	if !ok {
		return
	}
	e.before = predecessor.recorder
	e.patcher.Inherit(predecessor.patcher)
	e.health.inherit(predecessor.health)
}

// Resume implements [pipeline.Keeper]. Events that wait, and are no longer to be
// written, are given up and counted.
func (e *exporter) Resume(text []byte) error {
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("read what is kept of exporter %s: %w", Type, err)
	}
	if k.Events == nil {
		return nil
	}
	if e.recorder == nil {
		return e.giveUp(k.Events)
	}
	e.recorder.Inherit(e.before)
	return e.recorder.Resume(k.Events)
}

func (e *exporter) giveUp(events []byte) error {
	recorder, err := nodeevents.New(nodeevents.DefaultConfig(), e.events)
	if err != nil {
		return err
	}
	recorder.Inherit(e.before)
	if err := recorder.Resume(events); err != nil {
		return err
	}
	if left := recorder.Discard(); left > 0 {
		e.events.Logger.Warn("occurrences that waited to become Events are given up: events.enabled is false", "occurrences", left)
	}
	return nil
}
