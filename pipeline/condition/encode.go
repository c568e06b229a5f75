package condition

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Causes are most of a state, and are written at each change: the encoder here
// writes what encoding/json would, in less than half the time.

// encodeKept writes what is kept. The state is the caller's own: its causes are
// taken out of it and written beside it.
func encodeKept(k *kept) ([]byte, error) {
	causes := k.State.detach()
	text, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	text = append(text[:len(text)-1], `,"causes":[`...)
	for i := range causes {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, `{"type":`...)
		text = appendString(text, causes[i].Type)
		text = append(text, `,"list":`...)
		text = append(appendCauses(text, causes[i].List), '}')
	}
	return append(text, "]}"...), nil
}

// keptCauses are the causes of a type; of no type: the trackers of events.
type keptCauses struct {
	Type string   `json:"type"`
	List []*Cause `json:"list"`
}

// detach takes all causes out of a state.
func (s *State) detach() []keptCauses {
	causes := []keptCauses{{List: s.Events.sorted()}}
	s.Events = nil
	for name, ts := range s.Types {
		if len(ts.Causes) > 0 {
			causes = append(causes, keptCauses{Type: name, List: ts.Causes.sorted()})
		}
		ts.Causes = nil
	}
	return causes
}

// attach puts causes back to where detach took them from.
func (s *State) attach(causes []keptCauses) error {
	for _, of := range causes {
		byKey, err := causesOf(of.List)
		if err != nil {
			return err
		}
		if of.Type == "" {
			s.Events = byKey
		} else if ts := s.Types[of.Type]; ts != nil {
			ts.Causes = byKey
		}
	}
	return nil
}

func appendCauses(text []byte, causes []*Cause) []byte {
	text = append(text, '[')
	for i, c := range causes {
		if i > 0 {
			text = append(text, ',')
		}
		text = appendCause(text, c)
	}
	return append(text, ']')
}

func appendCause(text []byte, c *Cause) []byte {
	o := object{text: append(text, '{')}
	o.string("rule", c.Rule, false)
	o.string("instance", c.Instance, true)
	o.string("boot", c.Boot, true)
	o.flag("from_node", c.FromNode)
	o.string("state", c.State.String(), false)
	o.flag("restored", c.Restored)
	o.string("reason", c.Reason, true)
	o.string("message", c.Message, true)
	o.string("source", c.Source, true)
	o.number("severity", int64(c.Severity))
	o.uid("uid", c.UID)
	o.order("t", c.T)
	o.order("last", c.Last)
	o.order("cleared", c.Cleared)
	o.time("since", c.Since)
	o.time("last_time", c.LastTime)
	o.string("receiver", c.Receiver, true)
	o.number("armed", int64(c.Armed))
	o.number("paused", int64(c.Paused))
	o.number("paused_from", int64(c.PausedFrom))
	o.flag("standing", c.Standing)
	// What few causes have.
	o.rare("hits", c.Hits, len(c.Hits) > 0)
	o.rare("fired", c.Fired, len(c.Fired) > 0)
	o.rare("ok_start", c.OKStart, c.OKStart != pipeline.BootTime{})
	o.rare("level", c.Level, c.Level != nil)
	o.key("used")
	return append(strconv.AppendUint(o.text, c.Used, 10), '}')
}

// object is a JSON object that is being written. Zero values are left out where
// the field says so.
type object struct{ text []byte }

func (o *object) key(name string) {
	if o.text[len(o.text)-1] != '{' {
		o.text = append(o.text, ',')
	}
	o.text = append(append(append(o.text, '"'), name...), `":`...)
}

func (o *object) string(name, value string, omitEmpty bool) {
	if value != "" || !omitEmpty {
		o.key(name)
		o.text = appendString(o.text, value)
	}
}

func (o *object) flag(name string, value bool) {
	if value {
		o.key(name)
		o.text = append(o.text, "true"...)
	}
}

func (o *object) number(name string, value int64) {
	if value != 0 {
		o.key(name)
		o.text = strconv.AppendInt(o.text, value, 10)
	}
}

func (o *object) count(name string, value uint64) {
	if value != 0 {
		o.key(name)
		o.text = strconv.AppendUint(o.text, value, 10)
	}
}

func (o *object) uid(name string, value pipeline.UID) {
	o.key(name)
	o.text = append(hex.AppendEncode(append(o.text, '"'), value[:]), '"')
}

func (o *object) time(name string, value time.Time) {
	if value.IsZero() {
		return
	}
	o.key(name)
	o.text = append(value.AppendFormat(append(o.text, '"'), time.RFC3339Nano), '"')
}

func (o *object) order(name string, value pipeline.Order) {
	if value == (pipeline.Order{}) {
		return
	}
	o.key(name)
	o.text = append(o.text, '{')
	if value.Boot != (pipeline.BootTime{}) {
		o.key("boot")
		o.text = append(o.text, '{')
		o.string("id", value.Boot.ID, true)
		o.number("at", int64(value.Boot.At))
		o.text = append(o.text, '}')
	}
	if place := value.Place; place != (pipeline.Place{}) {
		o.key("place")
		o.text = append(o.text, '{')
		o.string("scope", place.Scope, true)
		o.string("source", place.Source, true)
		o.count("generation", place.Generation)
		o.count("position", place.Position)
		o.text = append(o.text, '}')
	}
	o.text = append(o.text, '}')
}

// rare writes a value by encoding/json.
func (o *object) rare(name string, value any, present bool) {
	if !present {
		return
	}
	text, err := json.Marshal(value)
	if err != nil { // there is nothing in it that JSON cannot write
		return
	}
	o.key(name)
	o.text = append(o.text, text...)
}

// appendString writes a text; only what is plain it writes itself.
func appendString(text []byte, value string) []byte {
	for i := range len(value) {
		if b := value[i]; b < ' ' || b >= utf8.RuneSelf || b == '"' || b == '\\' || b == '<' || b == '>' || b == '&' {
			quoted, err := json.Marshal(value)
			if err != nil { // a string is always JSON
				return append(text, `""`...)
			}
			return append(text, quoted...)
		}
	}
	return append(append(append(text, '"'), value...), '"')
}
