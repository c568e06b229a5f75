package nodeevents

import (
	"strings"
	"time"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
)

// seriesGap ends a series: the API server forgets an Event an hour after its last
// write (its --event-ttl).
const seriesGap = time.Hour

// seriesBytes is what a series is reckoned to take beside its texts.
const seriesBytes = 512

// series is one Event and all occurrences that it tells. What has a JSON name is
// its state; the rest follows from where it is.
type series struct {
	key

	// UID is that of the first occurrence and names the Event; LastUID is that of
	// the newest.
	UID     pipeline.UID `json:"uid"`
	LastUID pipeline.UID `json:"last_uid"`
	// Text is the message, the newest of a series whose message changes.
	Text string `json:"text,omitempty"`
	// First and Last are the earliest and the latest time of an occurrence.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	// Severity is the highest of an occurrence.
	Severity log.Severity `json:"severity"`
	// Condition tells that it is about a condition.
	Condition bool `json:"condition,omitempty"`
	// Count is how often it happened, by all occurrences.
	Count int64 `json:"count"`
	// Pending is how many occurrences no request has told yet.
	Pending int64 `json:"pending"`
	// Paid tells that the next write has its tokens.
	Paid bool `json:"paid,omitempty"`

	trial

	stage stage
	used  uint64 // by the ledger's count: the least recently used goes first
}

// stage is where a series is.
type stage uint8

const (
	idle    stage = iota // all its occurrences have been told
	waiting              // to be written
	taken                // by a request
)

func newSeries(o *occurrence) *series {
	s := &series{
		key: o.key.clone(), UID: o.uid, First: o.time, Last: o.time, Condition: o.condition, Paid: true,
	}
	s.Text = s.Message
	s.add(o)
	return s
}

// add counts an occurrence.
func (s *series) add(o *occurrence) {
	s.LastUID = o.uid
	s.Count += o.count
	s.Pending++
	s.Severity = max(s.Severity, o.severity)
	if o.time.Before(s.First) {
		s.First = o.time
	}
	if o.time.After(s.Last) {
		s.Last = o.time
	}
	if s.changing() && s.Text != o.message {
		s.Text = strings.Clone(o.message)
	}
}

// tells whether the occurrence is the series' first or last one, told again.
func (s *series) tells(o *occurrence) bool {
	if s.changing() {
		return s.Text == o.message && s.Last.Equal(o.time)
	}
	return o.uid == s.UID || o.uid == s.LastUID
}

// over tells whether a gap parts the occurrence from the series.
func (s *series) over(o *occurrence) bool {
	return o.time.Sub(s.Last) > seriesGap || s.First.Sub(o.time) > seriesGap
}

// claim asks for tokens for a repeat.
func (s *series) claim() claim {
	return claim{reason: s.Reason, condition: s.Condition, repeat: true}
}

// bytes is what the series is reckoned to take. A text that changes may grow to
// its limit.
func (s *series) bytes() int {
	text := len(s.Message)
	if s.changing() {
		text = maxMessageBytes
	}
	return seriesBytes + len(s.Reason) + len(s.Source) + text
}
