package dedupe

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/otelnpd/otelnpd/pipeline"
)

// The bounds of what is read back.
const (
	maxKept = 32 << 20
	maxName = 8 << 10 // bytes of a receiver, scope or source
)

type kept struct {
	Watermarks []keptWatermark `json:"watermarks"`
}

type keptWatermark struct {
	Receiver   string `json:"receiver"`
	Scope      string `json:"scope"`
	Source     string `json:"source"`
	Generation uint64 `json:"generation,omitempty"`
	Position   uint64 `json:"position"`
}

// Keep returns the watermarks; nil where nothing was seen.
func (p *Processor) Keep() pipeline.Encode {
	marks := p.Snapshot()
	if len(marks) == 0 {
		return nil
	}
	return func() ([]byte, error) {
		k := kept{Watermarks: make([]keptWatermark, 0, len(marks))}
		for _, m := range marks {
			k.Watermarks = append(k.Watermarks, keptWatermark{
				Receiver: m.Receiver, Scope: m.Place.Scope, Source: m.Place.Source,
				Generation: m.Place.Generation, Position: m.Place.Position,
			})
		}
		return json.Marshal(k)
	}
}

// Resume sets the watermarks to those that were kept. Of too many it takes the ones
// used last; what no Keep can have written is an error.
func (p *Processor) Resume(text []byte) error {
	if len(text) > maxKept {
		return fmt.Errorf("the kept watermarks have %d bytes; at most %d are read", len(text), maxKept)
	}
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("read the kept watermarks: %w", err)
	}
	var marks []Watermark
	for i, m := range k.Watermarks[max(0, len(k.Watermarks)-maxSources):] {
		mark := Watermark{Receiver: m.Receiver, Place: pipeline.Place{
			Scope: m.Scope, Source: m.Source, Generation: m.Generation, Position: m.Position,
		}}
		if m.Source == "" || max(len(m.Receiver), len(m.Scope), len(m.Source)) > maxName {
			return fmt.Errorf("read the kept watermarks: number %d has no source, or a name of more than %d bytes", i+1, maxName)
		}
		if slices.ContainsFunc(marks, mark.sameSource) {
			return fmt.Errorf("read the kept watermarks: number %d is of a source that has one already", i+1)
		}
		marks = append(marks, mark)
	}
	p.Restore(marks)
	return nil
}
