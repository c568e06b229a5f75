package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
)

// A threshold counts matches of before a kill: five, a kill, five more are ten, once,
// whether the kill comes before or after the first five are written down. A third life
// does not tell it again.
func TestThresholdOverKill(t *testing.T) {
	for name, kept := range map[string]bool{"in state": true, "in the kernel's log": false} {
		t.Run(name, func(t *testing.T) {
			const minimum = 10
			log, tag := kernellog.Open(t), kernellog.Tag()
			settings := agent.NewSettings(t).Durable(t)
			settings.Lookback, settings.Packs = "boot", ""
			settings.Rules = fmt.Sprintf(`rules: [
				{id: flaps, pattern: '%[1]s link is down', reason: LinkFlaps, threshold: {min_occurrences: %[2]d, window: 10m}},
				{id: mark, pattern: '%[1]s mark', reason: Mark}]`, tag, minimum)
			var told []agent.Event
			// live writes matches and a mark, and returns how often the rule has fired
			// by then.
			live := func(matches int, mark string) int {
				a := agent.StartReady(t, binary, settings)
				for range matches {
					log.Write(t, tag+" link is down")
				}
				log.Write(t, tag+" mark "+mark)
				a.Console.WaitFor(t, mark, agent.Problem("Mark", mark))
				if kept {
					waitKernelPosition(t, filepath.Join(settings.StateDir, "state.json"), kernellog.Last(t))
				}
				a.Kill(t)
				fired := a.Console.Events(t, agent.Problem("LinkFlaps", tag))
				told = append(told, fired...)
				return len(fired)
			}
			require.Zero(t, live(minimum/2, "one"))
			require.Zero(t, live(minimum/2-1, "two"), "nine are not ten")
			require.Equal(t, 1, live(1, "three"))
			if kept {
				require.Zero(t, live(0, "four"), "it is told once")
			}
			for _, event := range told {
				require.Equal(t, told[0].UID, event.UID)
			}
		})
	}
}

var kernelPosition = regexp.MustCompile(`"next": ?(\d+)`)

// waitKernelPosition waits until a state says that the kernel's log was read up to a
// record.
func waitKernelPosition(t *testing.T, state string, last uint64) {
	t.Helper()
	require.Eventually(t, func() bool {
		content, err := os.ReadFile(state)
		if err != nil {
			return false
		}
		position := kernelPosition.FindSubmatch(content)
		if position == nil {
			return false
		}
		next, err := strconv.ParseUint(string(position[1]), 10, 64)
		return err == nil && next > last
	}, patience, tick, "the state is never that of the record %d", last)
}
