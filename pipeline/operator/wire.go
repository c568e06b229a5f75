package operator

import (
	"fmt"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// The types that travel over the socket. Their field names are part of the
// interface.

type wireError struct {
	Error string `json:"error"`
}

type wireClear struct {
	Type      string `json:"type"`
	RequestID string `json:"request_id"`
}

type wireCleared struct {
	Condition wireCondition `json:"condition"`
	Causes    int           `json:"causes"`
	Note      string        `json:"note,omitempty"`
}

type wireCondition struct {
	Type               string                   `json:"type"`
	Status             pipeline.ConditionStatus `json:"status"`
	State              wireState                `json:"state"`
	Reason             string                   `json:"reason"`
	Message            string                   `json:"message"`
	LastTransitionTime time.Time                `json:"last_transition_time"`
}

type wireView struct {
	wireCondition
	Causes []wireCause `json:"causes"`
}

type wireCause struct {
	Rule     string       `json:"rule"`
	Instance string       `json:"instance,omitempty"`
	Reason   string       `json:"reason"`
	Message  string       `json:"message"`
	UID      pipeline.UID `json:"uid"`
	State    wireState    `json:"state"`
	Since    time.Time    `json:"since"`
	Last     time.Time    `json:"last"`
	Restored bool         `json:"restored,omitempty"`
}

// wireState is a state by its name.
type wireState pipeline.State

// MarshalText implements encoding.TextMarshaler.
func (s wireState) MarshalText() ([]byte, error) { return []byte(pipeline.State(s).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *wireState) UnmarshalText(text []byte) error {
	for _, state := range []pipeline.State{pipeline.StateUnknown, pipeline.StateOK, pipeline.StateProblem} {
		if state.String() == string(text) {
			*s = wireState(state)
			return nil
		}
	}
	return fmt.Errorf("state %q is none of unknown, ok, problem", text)
}

func toWire(c pipeline.Condition) wireCondition {
	return wireCondition{
		Type: c.Type, Status: c.Status, State: wireState(c.State), Reason: c.Reason, Message: c.Message,
		LastTransitionTime: c.LastTransitionTime.UTC(),
	}
}

func (c *wireCondition) condition() pipeline.Condition {
	return pipeline.Condition{
		Type: c.Type, Status: c.Status, State: pipeline.State(c.State), Reason: c.Reason, Message: c.Message,
		LastTransitionTime: c.LastTransitionTime,
	}
}

func viewsToWire(views []pipeline.ConditionView) []wireView {
	list := make([]wireView, 0, len(views))
	for _, view := range views {
		causes := make([]wireCause, 0, len(view.Causes))
		for _, c := range view.Causes {
			causes = append(causes, wireCause{
				Rule: c.Rule, Instance: c.Instance, Reason: c.Reason, Message: c.Message,
				UID: c.UID, State: wireState(c.State), Since: c.Since.UTC(), Last: c.Last.UTC(), Restored: c.Restored,
			})
		}
		list = append(list, wireView{wireCondition: toWire(view.Condition), Causes: causes})
	}
	return list
}

func (v *wireView) view() pipeline.ConditionView {
	view := pipeline.ConditionView{Condition: v.condition()}
	for _, c := range v.Causes {
		view.Causes = append(view.Causes, pipeline.ActiveCause{
			Cause: pipeline.Cause{Rule: c.Rule, Instance: c.Instance, Reason: c.Reason, Message: c.Message},
			UID:   c.UID, State: pipeline.State(c.State), Since: c.Since, Last: c.Last, Restored: c.Restored,
		})
	}
	return view
}
