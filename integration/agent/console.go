package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The events of the console's JSON.
const (
	EventProblem    = "otelnpd.problem"
	EventTransition = "otelnpd.condition.transition"
)

// Event is a line of the console exporter's JSON: a problem, or a transition of a
// condition.
type Event struct {
	Time      time.Time `json:"time"`
	Event     string    `json:"event"`
	UID       string    `json:"uid"`
	Severity  string    `json:"severity"`
	Reason    string    `json:"reason"`
	Message   string    `json:"message"`
	State     string    `json:"state"`
	Rule      string    `json:"rule"`
	Condition string    `json:"condition"`
	Instance  string    `json:"instance"`
	Count     int       `json:"count"`
	// Of transitions alone.
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	StatusChanged bool   `json:"status_changed"`
	CauseReason   string `json:"cause_reason"`
	// LastTransitionTime is when the condition's status last changed.
	LastTransitionTime time.Time `json:"last_transition_time"`
	// Provisional tells that the Node's own conditions were not known yet.
	Provisional bool `json:"provisional"`

	// Seen is when this process read the line.
	Seen time.Time `json:"-"`
}

// Problem returns whether e is a problem with a reason whose message contains a
// text.
func Problem(reason, text string) func(e Event) bool {
	return func(e Event) bool {
		return e.Event == EventProblem && e.State == "problem" && e.Reason == reason && strings.Contains(e.Message, text)
	}
}

// Turned returns whether e is a transition of a condition to a status with a reason
// of the condition.
func Turned(condition, status, reason string) func(e Event) bool {
	return func(e Event) bool {
		return e.Event == EventTransition && e.Kind != "snapshot" &&
			e.Condition == condition && e.Status == status && e.Reason == reason
	}
}

// Console reads what the console exporter writes as JSON. It is safe for concurrent
// use.
type Console struct {
	mu      sync.Mutex
	partial []byte
	events  []Event
	err     error
	changed chan struct{}
}

// NewConsole returns an empty console.
func NewConsole() *Console { return &Console{changed: make(chan struct{})} }

// Write takes output of the agent's. A line that is no event is remembered as an
// error, which the next WaitFor or Events reports.
func (c *Console) Write(output []byte) (int, error) {
	seen := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.partial = append(c.partial, output...)
	for {
		line, rest, whole := bytes.Cut(c.partial, []byte{'\n'})
		if !whole {
			break
		}
		event := Event{Seen: seen}
		if err := json.Unmarshal(line, &event); err != nil && c.err == nil {
			c.err = fmt.Errorf("the console wrote a line that is no event: %q: %w", line, err)
		}
		c.events = append(c.events, event)
		c.partial = append(c.partial[:0:0], rest...)
	}
	close(c.changed)
	c.changed = make(chan struct{})
	return len(output), nil
}

// look returns the events, and a channel that is closed when more come.
func (c *Console) look() ([]Event, <-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clip(c.events), c.changed, c.err
}

// Cut returns the beginning of a line whose end has not come: once the agent has
// ended, what it was cut off in.
func (c *Console) Cut() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.partial)
}

// Events returns all events so far that match.
func (c *Console) Events(t testing.TB, match func(Event) bool) []Event {
	t.Helper()
	events, _, err := c.look()
	require.NoError(t, err)
	var matching []Event
	for _, event := range events {
		if match(event) {
			matching = append(matching, event)
		}
	}
	return matching
}

// WaitFor returns the first event that matches, and fails the test where none comes
// within half a minute.
func (c *Console) WaitFor(t testing.TB, what string, match func(Event) bool) Event {
	t.Helper()
	const patience = 30 * time.Second
	deadline := time.After(patience)
	for looked := 0; ; {
		events, changed, err := c.look()
		require.NoError(t, err)
		for ; looked < len(events); looked++ {
			if match(events[looked]) {
				return events[looked]
			}
		}
		select {
		case <-changed:
		case <-deadline:
			require.FailNow(t, "not on the console: "+what, "within %s; it has %d events, the last: %+v",
				patience, len(events), events[max(0, len(events)-5):])
		}
	}
}
