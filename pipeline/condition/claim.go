package condition

import (
	"context"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Claim tells that types are about to be written to the Node. From now on they may
// stand there because of the agent, though it may never hear that they do.
type Claim struct {
	Types []string `json:"types"`
}

func (*Claim) input() {}

// owned tells whether the Node may have the type from the agent.
func (ts *TypeState) owned() bool { return ts.Patched != nil || ts.Claimed }

// claim notes which types are new on the Node.
func (m *step) claim(in *Claim) {
	for _, name := range in.Types {
		if ts := m.s.Types[name]; ts != nil && !ts.owned() {
			ts.Claimed = true
			m.out.trace = traceChange
		}
	}
}

// claimWait is how long a disk may take: a report is worth more than knowing whose it is.
const claimWait = 500 * time.Millisecond

// Claim tells that conditions are about to be written to the Node. Types that the
// agent has not written before are first noted on the disk, as far as ctx lets and it
// is prudent: an agent that is killed before it hears an answer would not know that
// they are its own, and leave them there when they are no longer declared.
func (s *Store) Claim(ctx context.Context, conditions []pipeline.Condition) {
	if types := s.unclaimed(conditions); len(types) > 0 {
		s.claimUnwritten.Store(true)
		s.tell(&Claim{Types: types}) //nolint:contextcheck // the state changes for good
	}
	if s.options.Sync == nil || !s.claimUnwritten.Load() {
		return
	}
	soon, cancel := context.WithTimeout(ctx, claimWait)
	defer cancel()
	if s.options.Sync(soon); ctx.Err() == nil {
		s.claimUnwritten.Store(false)
	}
}

func (s *Store) unclaimed(conditions []pipeline.Condition) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.state == nil {
		return nil
	}
	var types []string
	for i := range conditions {
		if ts := s.state.Types[conditions[i].Type]; ts != nil && !ts.owned() {
			types = append(types, conditions[i].Type)
		}
	}
	return types
}
