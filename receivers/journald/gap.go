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

// tellGap counts entries that were removed before they were read, and makes the
// record that tells of it. Its place is that of the position behind which they were.
func (r *Receiver) tellGap(ctx context.Context, gap *journal.Gap, at journal.Cursor) pipeline.Record {
	r.losses.Add(ctx, lostRemoved, gap.Missing)
	e := journal.Entry{}
	e.SeqnumID, e.BootID = at.SeqnumID, at.BootID
	now, n := r.settings.Clock.Now(), r.names.of(&e)
	rule := lostRule()
	place := pipeline.Place{Scope: r.settings.Boot.ID, Source: n.source, Position: at.Seqnum}
	message := "an unknown number of journal entries was removed before it was read"
	if gap.Known {
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
