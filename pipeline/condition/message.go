package condition

import (
	"time"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
)

// updateInterval is how often the message of an active cause may change.
const updateInterval = time.Minute

// changeMessage lets a repeat of the shown cause change its message: at most
// once a minute, the newest message then.
func (m *step) changeMessage(t *bookType, ts *TypeState, c *Cause, in *Occurrence) {
	if m.assess(t, ts).shown != c {
		return
	}
	ts.Update = &Update{Key: c.Key, Message: in.Problem.Message, Time: in.Time}
	m.updateMessage(t, ts)
	if ts.Update != nil {
		m.arm(ts.UpdatedAt + updateInterval)
	}
}

// updateMessage shows the message that waits, if its minute has come. All
// updates of one activation make one Event, which counts them.
func (m *step) updateMessage(t *bookType, ts *TypeState) {
	u := ts.Update
	if u == nil || m.now.Boot < ts.UpdatedAt+updateInterval {
		return
	}
	ts.Update = nil
	c := ts.Causes[u.Key]
	if c == nil || !c.active() || c.Message == u.Message {
		return
	}
	c.Message = u.Message
	ts.UpdatedAt = m.now.Boot
	ts.Shown = m.condition(t, ts)
	tr := pipeline.Transition{
		UID:        pipeline.TransitionUID(pipeline.CauseUID("message", c.UID.String()), t.Name, ts.Shown.Status),
		Kind:       pipeline.TransitionMessage,
		Condition:  ts.Shown,
		MakesEvent: true,
		Severity:   log.SeverityInfo,
		Source:     c.Source,
		Cause:      c.told(),
	}
	if c.State == pipeline.StateProblem {
		tr.Severity = max(log.SeverityWarn, c.Severity)
	}
	tr.EventMessage = eventMessage(t.Name, ts.Shown.Status, c.Reason, c.Message)
	m.out.Changes = append(m.out.Changes, Change{Transition: tr, Time: u.Time, problem: c.State == pipeline.StateProblem})
}
