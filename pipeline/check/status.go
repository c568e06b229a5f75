package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/otelnpd/otelnpd/pipeline"
)

// The bounds of a status: what it names, and how long a text of a check is.
const (
	maxNamed      = 4
	maxStatusText = 512
)

// board holds what keeps checks from seeing all, and reports it as the status of
// their component.
type board struct {
	report func(pipeline.Status)

	mu     sync.Mutex
	checks map[string]Degraded
}

// begin reports that checks are run; nothing is known yet that keeps them from it.
func (b *board) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.report(b.status())
}

// set notes what a check has said of itself; nil: it sees all.
func (b *board) set(check string, is *Degraded) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was, known := b.checks[check]
	switch {
	case is == nil && !known, is != nil && known && was == *is:
		return
	case is == nil:
		delete(b.checks, check)
	default:
		b.checks[check] = *is
	}
	b.report(b.status())
}

// status joins all that is missing: the checks that miss the same are named together.
func (b *board) status() pipeline.Status {
	if len(b.checks) == 0 {
		return pipeline.Status{State: pipeline.ComponentOK}
	}
	var all []Degraded
	missing := map[Degraded][]string{}
	for _, id := range slices.Sorted(maps.Keys(b.checks)) {
		is := b.checks[id]
		if missing[is] == nil {
			all = append(all, is)
		}
		missing[is] = append(missing[is], id)
	}
	var reasons, remedies []string
	for _, is := range all {
		reasons = append(reasons, fmt.Sprintf("%s: %s", list(missing[is], ", "), shorten(is.Reason)))
		if remedy := shorten(is.Remedy); remedy != "" && !slices.Contains(remedies, remedy) {
			remedies = append(remedies, remedy)
		}
	}
	return pipeline.Status{State: pipeline.ComponentDegraded, Reason: list(reasons, "; "), Remedy: list(remedies, "; ")}
}

// list joins a few texts and counts the others.
func list(texts []string, separator string) string {
	if more := len(texts) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(texts[:maxNamed], separator), more)
	}
	return strings.Join(texts, separator)
}

func shorten(text string) string {
	if len(text) <= maxStatusText {
		return text
	}
	return strings.ToValidUTF8(text[:maxStatusText], "") + "…"
}
