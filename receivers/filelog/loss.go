package filelog

import (
	"fmt"
	"time"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// What the record that tells of lost lines says.
const (
	// RuleLost is the id of the rule that it names.
	RuleLost = "otelnpd/log-file-lost"
	// ReasonLost is its reason.
	ReasonLost = "LogFileLost"
)

// lostRule is what the condition store needs to know of that record.
func lostRule() condition.Rule {
	return condition.Rule{ID: RuleLost, Reason: ReasonLost, Source: "otelnpd", Severity: log.SeverityWarn}
}

// Declare brings the rule of the record that tells of lost files. Every filelog
// receiver brings it.
func (*Config) Declare() condition.Declarations {
	return condition.Declarations{Rules: []condition.DeclaredRule{{Rule: lostRule(), Shared: true}}}
}

// lossInterval is how far the records that tell of losses are apart at least.
const lossInterval = time.Second

// lostFiles are files that no record has told of.
type lostFiles struct {
	count  uint64
	path   string // of the last one
	toldAt time.Duration
}

// count counts what became of the files of a path, and tells of those that were lost.
func (w *work) count(t *tail) {
	counts := t.follower.TakeCounts()
	w.receiver.counters.files.Add(w.ctx, fileTruncated, counts.Truncated)
	w.receiver.counters.files.Add(w.ctx, fileLost, counts.Lost)
	l := &w.lostFiles
	if counts.Lost > 0 {
		l.count += counts.Lost
		l.path = t.name
	}
	now := w.receiver.settings.Clock.Now()
	if l.count == 0 || l.toldAt != 0 && now.Boot-l.toldAt < lossInterval || w.refused {
		return
	}
	rule := lostRule()
	place := pipeline.Place{Scope: w.receiver.settings.Boot.ID, Source: "file:" + l.path + ":lost", Position: uint64(now.Boot)} //nolint:gosec // since boot
	record := pipeline.Record{
		Time: now.Wall, ObservedTime: now.Wall, Boot: pipeline.BootTime{ID: w.receiver.settings.Boot.ID, At: now.Boot},
		Severity: rule.Severity, EventName: pipeline.EventProblem, Receiver: w.receiver.id, Place: place,
		Problem: &pipeline.Problem{
			UID: pipeline.ProblemUID(w.receiver.settings.Node, place, rule.ID), Rule: rule.ID, Reason: rule.Reason,
			Message:  fmt.Sprintf("lines may be lost: %d rotated files of %s were gone, or could not be read, before their ends", l.count, l.path),
			Severity: rule.Severity, Source: rule.Source, State: pipeline.StateProblem, Count: 1,
		},
	}
	if pipeline.Send(w.ctx, w.receiver.next, []pipeline.Record{record}, func() {}) == nil {
		*l = lostFiles{toldAt: now.Boot}
	}
}
