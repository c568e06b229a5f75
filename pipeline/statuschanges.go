package pipeline

import "sync"

// StatusChanges reports a component's status where its state or its reason changes, for
// one that finds it out anew with each batch or request. It is safe for concurrent use.
type StatusChanges struct {
	report func(Status)

	mu  sync.Mutex
	now Status
}

// NewStatusChanges reports to report, which is called by one goroutine at a time.
func NewStatusChanges(report func(Status)) *StatusChanges { return &StatusChanges{report: report} }

// Set takes what the status is.
func (s *StatusChanges) Set(to Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.State == to.State && s.now.Reason == to.Reason {
		return
	}
	s.now = to
	s.report(to)
}
