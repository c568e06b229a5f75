package condition

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Causes are by far the most of a state, and it is written often: so they are
// written by hand, and briefly. keptCause tells the form, and reads it.

// keptCause is a [Cause] as JSON. What is zero is left out, but for the state.
type keptCause struct {
	Rule       string          `json:"rule"`
	Instance   string          `json:"instance"`
	Boot       string          `json:"boot"`
	FromNode   bool            `json:"from_node"`
	Silenced   bool            `json:"silenced"`
	State      *pipeline.State `json:"state"`
	Restored   bool            `json:"restored"`
	Reason     string          `json:"reason"`
	Message    string          `json:"message"`
	Source     string          `json:"source"`
	Severity   log.Severity    `json:"severity"`
	UID        pipeline.UID    `json:"uid"`
	T          keptOrder       `json:"t"`
	Last       keptOrder       `json:"last"`
	Cleared    keptOrder       `json:"cleared"`
	Since      time.Time       `json:"since"`
	LastTime   time.Time       `json:"last_time"`
	Receiver   string          `json:"receiver"`
	Armed      time.Duration   `json:"armed"`
	Paused     time.Duration   `json:"paused"`
	PausedFrom time.Duration   `json:"paused_from"`
	Standing   bool            `json:"standing"`
	Hits       []keptHit       `json:"hits"`
	Fired      []pipeline.UID  `json:"fired"`
	OKStart    keptOrder       `json:"ok_start"`
	Level      *LevelState     `json:"level"`
	Used       uint64          `json:"used"`
}

type keptHit struct {
	Order keptOrder    `json:"order"`
	UID   pipeline.UID `json:"uid"`
}

// MarshalJSON implements json.Marshaler.
func (s *State) MarshalJSON() ([]byte, error) {
	var w jsonWriter
	s.write(&w)
	return w.buf, w.err
}

// write writes a state: what is not causes in the usual way.
func (s *State) write(w *jsonWriter) {
	type plain State
	rest := plain(*s)
	rest.Types, rest.Events = nil, nil
	w.extend(rest)
	w.name("types")
	w.open()
	for _, name := range slices.Sorted(maps.Keys(s.Types)) {
		w.name(name)
		s.Types[name].write(w)
	}
	w.close()
	if len(s.Events) > 0 {
		w.name("events")
		s.Events.write(w)
	}
	w.close()
}

func (ts *TypeState) write(w *jsonWriter) {
	type plain TypeState
	rest := plain(*ts)
	rest.Causes = nil
	w.extend(rest)
	if len(ts.Causes) > 0 {
		w.name("causes")
		ts.Causes.write(w)
	}
	w.close()
}

// MarshalJSON implements json.Marshaler.
func (c Causes) MarshalJSON() ([]byte, error) {
	var w jsonWriter
	c.write(&w)
	return w.buf, w.err
}

// write writes a list, in the order of keys.
func (c Causes) write(w *jsonWriter) {
	const usual = 512 // bytes of a cause
	w.buf = slices.Grow(w.buf, usual*len(c))
	sorted := c.sorted()
	w.array(len(sorted), func(i int) { sorted[i].write(w) })
}

func (c *Cause) write(w *jsonWriter) {
	w.open()
	w.text("rule", c.Rule)
	w.text("instance", c.Instance)
	w.text("boot", c.Boot)
	w.flag("from_node", c.FromNode)
	w.flag("silenced", c.Key.Silenced)
	w.text("state", c.State.String())
	w.flag("restored", c.Restored)
	w.text("reason", c.Reason)
	w.text("message", c.Message)
	w.text("source", c.Source)
	w.number("severity", int64(c.Severity))
	w.uid("uid", c.UID)
	w.order("t", c.T)
	w.order("last", c.Last)
	w.order("cleared", c.Cleared)
	w.time("since", c.Since)
	w.time("last_time", c.LastTime)
	w.text("receiver", c.Receiver)
	w.number("armed", int64(c.Armed))
	w.number("paused", int64(c.Paused))
	w.number("paused_from", int64(c.PausedFrom))
	w.flag("standing", c.Standing)
	c.writeHits(w)
	w.order("ok_start", pipeline.Order{Boot: c.OKStart})
	if c.Level != nil {
		w.value("level", c.Level)
	}
	w.unsigned("used", c.Used)
	w.close()
}

func (c *Cause) writeHits(w *jsonWriter) {
	if len(c.Hits) > 0 {
		w.name("hits")
		w.array(len(c.Hits), func(i int) {
			w.open()
			w.order("order", c.Hits[i].Order)
			w.uid("uid", c.Hits[i].UID)
			w.close()
		})
	}
	if len(c.Fired) > 0 {
		w.name("fired")
		w.array(len(c.Fired), func(i int) { w.uidValue(c.Fired[i]) })
	}
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *Causes) UnmarshalJSON(text []byte) error {
	var list []*keptCause
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	*c = make(Causes, len(list))
	for _, kept := range list {
		if kept == nil {
			return errors.New("a cause is nothing")
		}
		cause, err := kept.cause()
		if err != nil {
			return err
		}
		if (*c)[cause.Key] != nil {
			return fmt.Errorf("rule %q, instance %q, has two causes", cause.Rule, cause.Instance)
		}
		(*c)[cause.Key] = cause
	}
	return nil
}

func (k *keptCause) cause() (*Cause, error) {
	if k.State == nil {
		return nil, fmt.Errorf("the cause of rule %q, instance %q, has no state", k.Rule, k.Instance)
	}
	c := &Cause{
		Key:   Key{Rule: k.Rule, Instance: k.Instance, Boot: k.Boot, FromNode: k.FromNode, Silenced: k.Silenced},
		State: *k.State, Restored: k.Restored, Reason: k.Reason, Message: k.Message, Source: k.Source, Severity: k.Severity,
		UID: k.UID, T: pipeline.Order(k.T), Last: pipeline.Order(k.Last), Cleared: pipeline.Order(k.Cleared),
		Since: k.Since, LastTime: k.LastTime, Receiver: k.Receiver, Armed: k.Armed, Paused: k.Paused, PausedFrom: k.PausedFrom,
		Standing: k.Standing, Fired: k.Fired, OKStart: k.OKStart.Boot, Level: k.Level, Used: k.Used,
	}
	for _, hit := range k.Hits {
		c.Hits = append(c.Hits, Hit{Order: pipeline.Order(hit.Order), UID: hit.UID})
	}
	return c, nil
}
