package pipelinetest

import (
	"testing"

	"github.com/otelnpd/otelnpd/pipeline"
)

// checkVerdicts looks at what a receiver tells that runs checks.
func (r ReceiverUnderTest) checkVerdicts(t *testing.T) {
	t.Helper()
	defer leakCheck(t)()
	sink := &Sink{}
	receiver := r.New(t, sink)
	start(t, receiver)
	r.feed(t, r.AtLeast)
	sink.WaitFor(t, "the receiver's verdicts", func(records []pipeline.Record) bool { return len(records) > r.AtLeast })
	stop(t, receiver)
	told := map[pipeline.UID]pipeline.Record{}
	for i, record := range sink.Records() {
		if record.Receiver == "" || record.Boot.ID == "" || record.Boot.At == 0 || record.Time.IsZero() || record.ObservedTime.IsZero() {
			t.Errorf("a record without receiver, boot or time: %+v", record)
		}
		if (i == 0) != (record.EventName == pipeline.EventBacklogEnd) {
			t.Errorf("record %d is a %s: the end of the backlog comes once, before the first verdict", i, record.EventName)
		}
		if i == 0 {
			checkNoBacklog(t, record)
			continue
		}
		checkVerdict(t, record, told)
	}
}

// checkAskerKeeps lets a receiver that runs checks go on where another one, which still
// runs, had come to.
func (r ReceiverUnderTest) checkAskerKeeps(t *testing.T) {
	t.Helper()
	defer leakCheck(t)()
	var kept []byte
	for range 2 {
		sink := &Sink{}
		receiver := r.New(t, sink)
		if kept != nil {
			resume(t, receiver, kept)
		}
		start(t, receiver)
		r.feed(t, r.AtLeast)
		sink.WaitFor(t, "the receiver's verdicts", func(records []pipeline.Record) bool { return len(records) > r.AtLeast })
		kept = keep(t, receiver)
		stop(t, receiver)
	}
}

func checkNoBacklog(t *testing.T, end pipeline.Record) {
	t.Helper()
	if complete, _ := end.Attribute(pipeline.AttributeBacklogComplete); !complete.AsBool() {
		t.Error("the end of the backlog is not complete: of what a check says nothing is missing")
	}
}

func checkVerdict(t *testing.T, record pipeline.Record, told map[pipeline.UID]pipeline.Record) {
	t.Helper()
	p := record.Problem
	if record.EventName != pipeline.EventProblem || p == nil || p.Verdict == nil {
		t.Fatalf("no verdict: %+v", record)
	}
	if p.Rule == "" || p.UID.IsZero() || p.Verdict.Boot == "" || p.Verdict.Start == 0 {
		t.Errorf("a verdict without full identity: %+v", p)
	}
	if p.UID != pipeline.VerdictUID("node-1", p.Verdict.Boot, p.Rule, p.Instance, p.Verdict.Start) {
		t.Errorf("a verdict with another identity than its node, boot, rule, instance and start make (contract 4): %+v", p)
	}
	if twin, twice := told[p.UID]; twice {
		t.Errorf("two verdicts share an identity (contract 4): %+v and %+v", twin.Problem, p)
	}
	told[p.UID] = record
	if record.Boot.At < p.Verdict.Start {
		t.Errorf("a verdict from before its run began: %+v", record)
	}
}
