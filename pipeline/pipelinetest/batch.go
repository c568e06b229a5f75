package pipelinetest

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Lines makes records of lines as a kernel log would give them, one a second of
// the boot clock, at positions from first on.
func Lines(receiver string, first uint64, lines ...string) []pipeline.Record {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	batch := make([]pipeline.Record, 0, len(lines))
	for i, line := range lines {
		at := first + uint64(i)
		since := time.Duration(at) * time.Second //nolint:gosec // positions in tests are small
		batch = append(batch, pipeline.Record{
			Time:         start.Add(since),
			ObservedTime: start.Add(since),
			Boot:         pipeline.BootTime{ID: BootID, At: since},
			Severity:     log.SeverityInfo,
			Receiver:     receiver,
			Body:         []byte(line),
			Attributes:   pipeline.AttributeList{attribute.String("log.facility", "kern")},
			Place:        pipeline.Place{Scope: BootID, Source: "kmsg", Position: at},
		})
	}
	return batch
}

// ProblemRecord makes a record of a problem that a rule saw in a line.
func ProblemRecord(receiver string, at uint64, problem pipeline.Problem) pipeline.Record {
	record := Lines(receiver, at, problem.Message)[0]
	record.EventName = pipeline.EventProblem
	if problem.UID.IsZero() {
		problem.UID = pipeline.ProblemUID("node-1", record.Place, problem.Rule)
	}
	problem.Count = max(problem.Count, 1)
	record.Problem = &problem
	return record
}

// TransitionRecord makes a record of a condition's change.
func TransitionRecord(transition pipeline.Transition) pipeline.Record {
	record := Lines("", 1, "")[0]
	record.EventName = pipeline.EventTransition
	record.Body, record.Place, record.Attributes = nil, pipeline.Place{}, nil
	if transition.UID.IsZero() {
		transition.UID = pipeline.TransitionUID(pipeline.CauseUID("test"), transition.Condition.Type, transition.Condition.Status)
	}
	record.Transition = &transition
	return record
}

// cloneBatch returns clones of all records.
func cloneBatch(batch []pipeline.Record) []pipeline.Record {
	clones := make([]pipeline.Record, len(batch))
	for i := range batch {
		clones[i] = batch[i].Clone()
	}
	return clones
}

// scribble overwrites a batch and all memory that it points to, as a receiver
// that reuses its buffers does.
func scribble(batch []pipeline.Record) {
	for i := range batch {
		for j := range batch[i].Body {
			batch[i].Body[j] = '#'
		}
		if list, ok := batch[i].Attributes.(pipeline.AttributeList); ok {
			for j := range list {
				list[j] = attribute.String("overwritten", strconv.Itoa(j))
			}
		}
		if batch[i].Problem != nil {
			*batch[i].Problem = pipeline.Problem{Reason: "Overwritten", Message: "overwritten"}
		}
		if batch[i].Transition != nil {
			*batch[i].Transition = pipeline.Transition{}
		}
		batch[i] = pipeline.Record{EventName: "overwritten"}
	}
}

// deliver brings clones of the batches to the consumer, checks that it changes
// nothing in them, and overwrites them afterwards.
func deliver(t *testing.T, to pipeline.Consumer, batches [][]pipeline.Record) {
	t.Helper()
	for _, batch := range batches {
		sent := cloneBatch(batch)
		if err := to.Consume(context.Background(), sent); err != nil {
			t.Fatalf("Consume of a running component: %v", err)
		}
		if diff := Diff(batch, sent); diff != "" {
			t.Fatalf("the component changed the batch (contract 1):\n%s", diff)
		}
		scribble(sent)
	}
}

// Diff compares records, attributes decoded; it is empty where they are equal.
func Diff(want, got []pipeline.Record) string {
	return cmp.Diff(cloneBatch(want), cloneBatch(got), cmpopts.EquateEmpty(),
		cmp.Comparer(func(x, y attribute.Value) bool { return x.String() == y.String() && x.Type() == y.Type() }))
}
