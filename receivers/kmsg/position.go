package kmsg

import (
	"time"

	source "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

// position is how far the receivers of this boot, one after the other, have come in
// the log.
type position struct {
	// generation counts how often the log's numbers began anew in this boot: never,
	// for the kernel's own.
	generation uint64
	// started is the boot clock when the first of the receivers began; 0: none has.
	started time.Duration
	// begun tells that a line was reached by the lookback, or that the backlog is
	// over. Before that nothing has been looked at.
	begun bool
	// first is the sequence number of the first line that was looked at, next the
	// one behind what the pipelines have accepted.
	first, next uint64
	// complete tells that nothing of this boot up to next is missing or was left out.
	complete bool
	// untold are the losses that no record has told of.
	untold source.Loss
}

// begin notes the first line that is looked at.
func (p *position) begin(sequence uint64) {
	if !p.begun {
		p.begun, p.first = true, sequence
	}
}

// continues tells whether a batch begins where the one before it ended. The
// kernel numbers the records of a boot from 0.
func (p *position) continues(batch *source.Batch) bool {
	return len(batch.Records) == 0 || batch.Records[0].Sequence == p.next
}

// begin returns what the source needs to know to go on from the position.
func (r *Receiver) begin() source.Subscriber {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.position
	if p.started == 0 {
		p.started = max(1, r.settings.Clock.Now().Boot)
	} else {
		r.late = !p.begun // since the first start, lines have been new
	}
	if !p.begun {
		p.complete = r.config.takesAll()
		return source.Subscriber{Offsets: r.offsets}
	}
	p.complete = p.complete && r.config.leavesNothingOut()
	return source.Subscriber{Resume: p.next, Offsets: r.offsets}
}

// renumbered returns the position of a first start: the log is another one.
func (r *Receiver) renumbered() position {
	r.settings.Logger.Warn("the kernel's log ends before the saved position: it is another one, and read from its beginning",
		"path", r.config.Path, "saved_position", r.position.next)
	return position{
		generation: r.position.generation + 1, started: r.settings.Clock.Now().Boot, complete: r.config.takesAll(),
	}
}

// move notes that the pipelines have accepted the batch under way.
func (r *Receiver) move() {
	r.mu.Lock()
	moved := r.reached != r.position
	r.position = r.reached
	r.mu.Unlock()
	if moved {
		r.settings.Keeping.Moved()
	}
}
