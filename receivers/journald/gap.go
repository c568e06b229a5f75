package journald

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/source/journal"
)

// What the record that tells of removed entries says.
const (
	// RuleLost is the id of the rule that it names.
	RuleLost = "otelnpd/journal-entries-lost"
	// ReasonLost is its reason.
	ReasonLost = "JournalEntriesLost"
)

// lostRule is what the condition store needs to know of that record.
func lostRule() condition.Rule {
	return condition.Rule{ID: RuleLost, Reason: ReasonLost, Source: "otelnpd", Severity: log.SeverityWarn}
}

// Declare brings the rule of the record that tells of removed entries. Every journald
// receiver brings it.
func (*Config) Declare() condition.Declarations {
	return condition.Declarations{Rules: []condition.DeclaredRule{{Rule: lostRule(), Shared: true}}}
}

// tellGaps counts entries that were removed before they were read, and appends the
// records that tell of it.
func (r *Receiver) tellGaps(ctx context.Context, records []pipeline.Record, gaps []journal.Gap) []pipeline.Record {
	for i := range gaps {
		r.losses.Add(ctx, lostRemoved, gaps[i].Missing)
		records = append(records, r.gapRecord(&gaps[i]))
	}
	return records
}

// gapRecord tells of a gap. Its place is made of the numbers that are missing, so that
// the same loss is known as one, whenever and in whichever boot it is told.
func (r *Receiver) gapRecord(gap *journal.Gap) pipeline.Record {
	now, rule := r.settings.Clock.Now(), lostRule()
	place := pipeline.Place{Scope: gap.Series.String(), Source: "journal:removed", Generation: gap.Last, Position: gap.First}
	message := "an unknown number of journal entries was removed before it was read"
	if gap.Missing > 0 {
		message = fmt.Sprintf("up to %d journal entries were removed before they were read", gap.Missing)
	}
	return pipeline.Record{
		Time: now.Wall, ObservedTime: now.Wall,
		Boot:      pipeline.BootTime{ID: r.settings.Boot.ID, At: now.Boot},
		Severity:  rule.Severity,
		EventName: pipeline.EventProblem,
		Receiver:  r.id,
		Place:     place,
		Problem: &pipeline.Problem{
			UID:      pipeline.ProblemUID(r.settings.Node, place, rule.ID),
			Rule:     rule.ID,
			Reason:   rule.Reason,
			Message:  message,
			Severity: rule.Severity,
			Source:   rule.Source,
			State:    pipeline.StateProblem,
			Count:    1,
		},
	}
}
