package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// The node has fans that may stop, turn too slowly to be well and too fast to be
// stopped, or be taken out. A receiver that asks looks at them.

const (
	simFans     = "simfans"
	fanStopped  = "FanStopped"
	fanInterval = 5 * time.Second
)

var fanRule = simRule{id: "fans", condition: fanStopped, reason: "Stopped", instances: true}

// fansConfig brings the rule of the fans.
type fansConfig struct{}

func (*fansConfig) Validate() error { return nil }

func (*fansConfig) Declare() condition.Declarations {
	declared := check.Declaration{Condition: fanStopped, Reason: fanRule.reason}
	rule := declared.Rule(fanRule.id, nil)
	rule.HasInstances = true
	rule.InstanceOf = func(message string) (string, bool) {
		fan, stopped := strings.CutSuffix(message, " is stopped")
		return fan, stopped
	}
	return condition.Declarations{Rules: []condition.DeclaredRule{{Rule: rule}}}
}

// newSimFans makes the receiver of one process. Without a process it only has a
// configuration.
func newSimFans(life *simLife) pipeline.ReceiverFactory {
	return pipeline.ReceiverFactory{
		Type: simFans, DefaultConfig: func() pipeline.Config { return &fansConfig{} },
		Create: func(settings pipeline.Settings, config pipeline.Config, next pipeline.Consumer) (pipeline.Component, error) {
			own, err := pipeline.ConfigAs[*fansConfig](config, pipeline.KindReceiver, simFans)
			if err != nil {
				return nil, err
			}
			return check.NewRunner(settings, next, []check.Check{{
				ID: fanRule.id, Rules: []condition.Rule{own.Declare().Rules[0].Rule}, Interval: fanInterval,
				Run: func(context.Context) check.Report { return life.lookAtFans() },
			}}, check.Schedule{})
		},
	}
}

// simFactories are the real factories and that of the fans.
func simFactories() pipeline.Factories {
	factories := configFactories()
	factories.Receivers = maps.Clone(factories.Receivers)
	factories.Receivers[simFans] = newSimFans(nil)
	return factories
}

// lookAtFans is one run of the check.
func (l *simLife) lookAtFans() check.Report {
	w := l.world
	w.mu.Lock()
	fans := maps.Clone(w.fans)
	w.mu.Unlock()
	if !l.cutOff() {
		w.oracle.fans(fans, w.stamp())
	}
	report := check.Report{Complete: true}
	for _, fan := range slices.Sorted(maps.Keys(fans)) {
		finding := check.Finding{Instance: fan, State: pipeline.StateOK, Message: fan + " is stopped"}
		switch fans[fan] {
		case "stopped":
			finding.State = pipeline.StateProblem
		case "slow":
			finding.Between = true
		}
		report.Findings = append(report.Findings, finding)
	}
	return report
}

// turnFan changes a fan: it stops, is slow, turns, or is taken out.
func (w *simWorld) turnFan(op simOp) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fan := fmt.Sprintf("f%d", op.n)
	if op.what == "gone" {
		delete(w.fans, fan)
		return
	}
	w.fans[fan] = op.what
}

// fans tells what a process has just found.
func (o *simOracle) fans(found map[string]string, at simStamp) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.slow = false
	for _, fan := range slices.Sorted(maps.Keys(found)) {
		key := simCause{fanRule.id, fan}
		o.slow = o.slow || found[fan] == "slow"
		if found[fan] == "stopped" && o.causes[key] == nil {
			o.activations++
			o.causes[key] = &simHolding{
				rule: fanRule, active: true, since: o.activations, last: at.age, boot: o.world.boots,
				text: fan + " is stopped", reason: fanRule.reason,
			}
			o.fansAt = at.age
			o.settle(fanStopped, at.wall, at.age)
		}
	}
	for key := range maps.Clone(o.causes) {
		if key.rule == fanRule.id && found[key.instance] != "stopped" && found[key.instance] != "slow" {
			o.fansAt = at.age
			o.end(key, at.wall, at.age)
		}
	}
	t := o.types[fanStopped]
	if o.fansVague && o.slow { // it may have become slow since, and of its stopping nobody knows
		o.doubt(fanStopped)
	}
	if o.fansVague || t.unsure {
		t.unsure = t.unsure && o.slow
		t.timeKnown, t.textKnown = false, !t.problem
	}
	o.fansVague = false
}

// doubtFans makes unsure what a process may take with it of what it found last: what is
// found anew tells how the fans stand, but for those that are slow, and not since when.
func (o *simOracle) doubtFans() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fansAt < o.firmAt {
		return
	}
	if o.fansVague = true; o.slow {
		o.doubt(fanStopped)
	}
	o.types[fanStopped].timeKnown, o.types[fanStopped].textKnown = false, false
}
