package otlp

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/pipeline"
)

// status reports changes, and not every request. What goes wrong with one signal is told
// until that one works: the other's answers do not hide it.
type status struct {
	// addresses are where the signals go.
	addresses [2]string
	changes   *pipeline.StatusChanges

	mu     sync.Mutex // of failed, and of what follows from it
	failed [2]error
}

// answered tells what came of a request.
func (s *status) answered(signal collector.Signal, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed[signal] = err
	s.changes.Set(s.standing())
}

// standing is what the last answers about both signals come to.
func (s *status) standing() pipeline.Status {
	logs, metrics := s.failed[collector.Logs], s.failed[collector.Metrics]
	switch {
	case logs == nil && metrics == nil:
		return pipeline.Status{State: pipeline.ComponentOK}
	case metrics == nil:
		return s.degraded(collector.Logs, "records", logs)
	case logs == nil:
		return s.degraded(collector.Metrics, "metrics", metrics)
	case logs.Error() == metrics.Error() && s.addresses[collector.Logs] == s.addresses[collector.Metrics]:
		return s.degraded(collector.Logs, "records and metrics", logs)
	}
	both, second := s.degraded(collector.Logs, "records", logs), s.degraded(collector.Metrics, "metrics", metrics)
	both.Err, both.Reason = errors.Join(both.Err, second.Err), both.Reason+"; "+second.Reason
	if second.Remedy != both.Remedy {
		both.Remedy += "; " + second.Remedy
	}
	return both
}

func (s *status) degraded(signal collector.Signal, what string, err error) pipeline.Status {
	made := pipeline.Status{
		State: pipeline.ComponentDegraded, Err: err,
		Reason: fmt.Sprintf("the Collector at %s does not take %s: %s", strings.TrimPrefix(s.addresses[signal], "dns:///"), what, err),
	}
	if failure, ok := errors.AsType[*collector.Error](err); ok {
		made.Remedy = failure.Remedy
	}
	return made
}
