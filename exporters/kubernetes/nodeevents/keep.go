package nodeevents

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// kept is a ledger as it is kept: plain data. Durations are times on the clock of
// its boot.
type kept struct {
	BootID string        `json:"boot_id"`
	At     time.Duration `json:"at"`
	// NodeUID is the UID of the Node that the series are about.
	NodeUID string `json:"node_uid,omitempty"`
	// Series are first those that wait, in the order of their turn.
	Series []keptSeries `json:"series,omitempty"`
	// Recent are the UIDs that are known, the oldest first.
	Recent  []pipeline.UID `json:"recent,omitempty"`
	Flood   *keptFlood     `json:"flood,omitempty"`
	Summary *keptFlood     `json:"summary,omitempty"`
	Summed  time.Duration  `json:"summed"`
	// Outcomes are by name.
	Outcomes map[string]int64 `json:"outcomes"`
	// Pace and Total are how many tokens were missing.
	Pace  float64 `json:"pace_spent,omitempty"`
	Total float64 `json:"total_spent,omitempty"`
	// Reasons are the buckets of reasons that are not full, the least recently used
	// first; Others is that of all other reasons.
	Reasons []keptBucket `json:"reasons,omitempty"`
	Others  float64      `json:"others_spent,omitempty"`

	waiting int // how many series do
}

type keptSeries struct {
	series

	// Ended tells that no occurrence belongs to it any more.
	Ended bool   `json:"ended,omitempty"`
	Used  uint64 `json:"used"`
}

type keptFlood struct {
	flood

	Began time.Duration `json:"began"`
	Last  time.Duration `json:"last"`
	Tried bool          `json:"tried,omitempty"` // to write its summary
}

type keptBucket struct {
	Reason string  `json:"reason"`
	Spent  float64 `json:"spent"`

	asked uint64
}

// Keep returns how the recorder stands. It is quick, and can be called at any time.
func (r *Recorder) Keep() pipeline.Encode {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ledger.snapshot(r.options.Boot.ID, r.options.Clock.Now().Boot).encode
}

// snapshot copies all that is to be kept: texts, and the flood of a summary, are shared,
// since nobody changes them.
func (l *ledger) snapshot(bootID string, boot time.Duration) *kept {
	k := &kept{
		BootID: bootID, At: boot, NodeUID: l.owner, Summed: l.summed,
		Series: l.keepSeries(), Recent: l.recent.inOrder(), Outcomes: make(map[string]int64, outcomes),
	}
	k.waiting = len(l.queue)
	if l.taken != nil {
		k.waiting++
	}
	for o, count := range l.outcomes {
		k.Outcomes[outcome(o).String()] = count
	}
	if l.flood.total() > 0 {
		k.Flood = &keptFlood{flood: l.flood, Began: l.flood.began, Last: l.flood.last}
		k.Flood.Reasons = maps.Clone(l.flood.Reasons)
	}
	if l.summary != nil {
		k.Summary = &keptFlood{flood: l.summary.flood, Tried: l.summary.tried}
	}
	k.Pace = spent(l.pace, boot)
	l.budget.keep(k, boot)
	return k
}

func (l *ledger) keepSeries() []keptSeries {
	all := make([]keptSeries, 0, len(l.queue)+len(l.series)+1)
	add := func(s *series, ended bool) { all = append(all, keptSeries{series: *s, Ended: ended, Used: s.used}) }
	if l.taken != nil {
		add(l.taken, l.series[l.taken.key] != l.taken) // it is told again, first of all
	}
	for _, s := range l.queue {
		add(s, l.series[s.key] != s)
	}
	for _, s := range l.series {
		if s.stage == idle {
			add(s, false)
		}
	}
	return all
}

func (b *budget) keep(k *kept, boot time.Duration) {
	k.Total, k.Others = spent(b.total, boot), spent(b.others, boot)
	for reason, bucket := range b.reasons {
		if missing := spent(bucket.Limiter, boot); missing > 0 {
			k.Reasons = append(k.Reasons, keptBucket{reason, missing, bucket.asked})
		}
	}
}

// encode writes it as JSON. The same ledger makes the same text.
func (k *kept) encode() ([]byte, error) {
	slices.SortFunc(k.Series[k.waiting:], func(x, y keptSeries) int { return cmp.Compare(x.Used, y.Used) })
	slices.SortFunc(k.Reasons, func(x, y keptBucket) int { return cmp.Compare(x.asked, y.asked) })
	for i := range k.Series {
		s := &k.Series[i]
		s.First, s.Last = s.First.UTC(), s.Last.UTC()
		if s.Text == s.Message {
			s.Text = "" // it is most often
		}
	}
	for _, f := range []*keptFlood{k.Flood, k.Summary} {
		if f != nil {
			f.From, f.To = f.From.UTC(), f.To.UTC()
		}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(k)
	return text.Bytes(), err
}
