package kmsg

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	source "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

// What the record that tells of lost records says.
const (
	// RuleLost is the id of the rule that it names.
	RuleLost = "otelnpd/kmsg-records-lost"
	// ReasonLost is its reason.
	ReasonLost = "KernelLogRecordsLost"
)

// lostRule is what the condition store needs to know of that record.
func lostRule() condition.Rule {
	return condition.Rule{ID: RuleLost, Reason: ReasonLost, Source: "otelnpd", Severity: log.SeverityWarn}
}

// Declare brings the rule of the record that tells of lost records. Every kmsg
// receiver brings it.
func (*Config) Declare() condition.Declarations {
	return condition.Declarations{Rules: []condition.DeclaredRule{{Rule: lostRule(), Shared: true}}}
}

// lossInterval is how far the records that tell of losses are apart at least: a
// flood that overwrites the ring would bring hundreds of them.
const lossInterval = time.Second

// lose counts what was lost. At most once an interval a record tells of all that
// no record has told of.
func (r *Receiver) lose(ctx context.Context, batch *source.Batch, to *position) {
	for reason, n := range batch.Lost {
		if n > 0 {
			r.losses.Add(ctx, source.Reason(reason).String(), n)
			to.untold[reason] += n
		}
	}
	if to.untold.Total() == 0 || (r.toldAt != 0 && batch.Now.Boot-r.toldAt < lossInterval) {
		return
	}
	r.tellLoss(batch, to)
	r.toldAt, to.untold = batch.Now.Boot, source.Loss{}
}

func (r *Receiver) tellLoss(batch *source.Batch, to *position) {
	rule, place := lostRule(), r.place(to.next, to)
	r.records = append(r.records, pipeline.Record{
		Time: batch.Now.Wall, ObservedTime: batch.Now.Wall,
		Boot:      pipeline.BootTime{ID: r.settings.Boot.ID, At: batch.Now.Boot},
		Severity:  rule.Severity,
		EventName: pipeline.EventProblem,
		Receiver:  r.id,
		Place:     place,
		Problem: &pipeline.Problem{
			UID:      pipeline.ProblemUID(r.settings.Node, place, rule.ID),
			Rule:     rule.ID,
			Reason:   rule.Reason,
			Message:  lostMessage(to.untold),
			Severity: rule.Severity,
			Source:   rule.Source,
			State:    pipeline.StateProblem,
			Count:    1,
		},
	})
}

var lostBecause = map[source.Reason]string{
	source.Overrun:   "overwritten by the kernel before they were read",
	source.QueueFull: "dropped because they came faster than they could be processed",
	source.TooLong:   "too long",
	source.Malformed: "malformed",
}

// lostMessage says how many records were lost and why.
func lostMessage(lost source.Loss) string {
	var parts []string
	for _, reason := range source.Reasons() {
		if n := lost[reason]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, lostBecause[reason]))
		}
	}
	return fmt.Sprintf("kernel log records were lost: %s", strings.Join(parts, ", "))
}
