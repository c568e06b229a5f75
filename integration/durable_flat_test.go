package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
)

// flatReloads are how many reloads one agent lives through, with flatLines problems
// between two of them.
const flatReloads, flatLines = 100, 3

// What an agent may have more after so many reloads.
const (
	moreGoroutines = 5
	moreFiles      = 5
	moreMemory     = 12 << 20
	moreState      = 4 << 10
)

// usage is what an agent takes.
type usage struct{ goroutines, files, memory, state float64 }

func (l *lives) usage(t testing.TB) usage {
	t.Helper()
	a := l.current()
	info, err := os.Stat(filepath.Join(l.settings.StateDir, "state.json"))
	require.NoError(t, err)
	return usage{
		goroutines: a.Sum(t, "go_goroutines", nil), files: a.Sum(t, "process_open_fds", nil),
		memory: a.Sum(t, "process_resident_memory_bytes", nil), state: float64(info.Size()),
	}
}

// A hundred reloads, each of which replaces rules and exporters, leave nothing
// behind: no goroutine, no file, no memory, no state. Nor do they lose a line, or a
// series of the metrics for a moment.
func (s kubernetesTests) flat(t *testing.T) {
	t.Parallel()
	l := s.livesOnNode(t, "heartbeat_period: 1s")
	a := l.live(t, binary)
	a.WaitReady(t, a.Ready())
	_, err := l.begin()
	require.NoError(t, err)
	rules, kubernetes := l.settings.Rules, l.settings.Kubernetes
	reload := func(i int) {
		l.settings.Rules = strings.Replace(rules, "rules: [", fmt.Sprintf("rules: [{id: other%d, pattern: '^%s other', reason: Other},", i, l.tag), 1)
		l.settings.Kubernetes = strings.Replace(kubernetes, "heartbeat_period: 1s", fmt.Sprintf("heartbeat_period: %dms", 1000+i), 1)
		require.NoError(t, l.settings.Save(l.settings.Config))
		l.command(t, "reload", "--socket", l.settings.Socket)
		for range flatLines {
			require.NoError(t, l.writeProblem("disk sda"))
		}
	}
	require.Eventually(t, func() bool { return a.Sum(t, "otelnpd_kubernetes_last_patch_time_seconds", nil) > 0 }, patience, tick)
	scraped := scrapeOn(t, a, 5*time.Millisecond)
	const warm = 10
	for i := range warm {
		reload(i)
	}
	l.settle(t)
	before := l.usage(t)
	for i := range flatReloads {
		reload(warm + i)
	}
	l.settle(t)
	after := l.usage(t)
	scraped.requireWhole(t)
	t.Logf("before %+v, after %+v: %s", before, after, l.summary(t))
	require.GreaterOrEqual(t, int(a.Sum(t, "otelnpd_config_reloads_total", map[string]string{"outcome": "success"})), warm+flatReloads)
	require.LessOrEqual(t, after.goroutines, before.goroutines+moreGoroutines)
	require.LessOrEqual(t, after.files, before.files+moreFiles)
	require.LessOrEqual(t, after.memory, before.memory+moreMemory)
	l.requireProof(t)
	l.requireSmallState(t, before, after)
}

// requireSmallState requires that the state has grown by nothing but the UIDs that it
// knows again, which are bounded in number: the condition store's and the exporter's.
func (l *lives) requireSmallState(t *testing.T, before, after usage) {
	t.Helper()
	const uidBytes, known = 100, 2
	lines := float64(len(l.told(t, func(e agent.Event) bool { return isProblem(e) })))
	require.LessOrEqual(t, after.state, before.state+known*uidBytes*lines+moreState)
}
