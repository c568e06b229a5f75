package integration

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
)

// faultPoints are all points of the program at which a test can kill it, and how
// often each is reached before it does.
var faultPoints = []string{
	"state.create", "state.write", "state.fsync", "state.rename", "state.directory",
	"kubernetes.event.accepted", "kubernetes.patch.accepted", "console.written", otlpAccepted,
}

// otlpAccepted is reached when a Collector has taken records.
const otlpAccepted = "otlp.accepted"

// faultPointRepeats are the times of reaching a point at which it kills.
const faultPointRepeats = 3

// Wherever an agent dies of itself, the next one goes on: nothing is missing, and
// nothing is counted twice. Points of the same number are tried beside each other.
func (s kubernetesTests) faultPoints(t *testing.T) {
	t.Parallel()
	faulty, err := agent.BuildWithFaults()
	require.NoError(t, err)
	for number := range faultPointRepeats {
		t.Run(strconv.Itoa(number+1), func(t *testing.T) {
			for _, point := range faultPoints {
				t.Run(point, func(t *testing.T) {
					t.Parallel()
					s.dieAt(t, faulty, fmt.Sprintf("%s:%d", point, number+1))
				})
			}
		})
	}
}

// dieAt lets an agent die at a point while lines are written, and another one live.
func (s kubernetesTests) dieAt(t *testing.T, faulty, plan string) {
	t.Helper()
	l := s.livesOnNode(t, "heartbeat_period: 1s")
	if strings.HasPrefix(plan, otlpAccepted) {
		l.tellCollector(t)
	}
	l.slack = time.Millisecond // it may die before there is a state
	a := l.live(t, faulty, "OTELNPD_FAULTPOINT="+plan)
	_, err := l.begin()
	require.NoError(t, err)
	writing := time.NewTicker(150 * time.Millisecond)
	defer writing.Stop()
	deadline := time.After(2 * time.Minute)
	for i, alive := 0, true; alive; i++ {
		select {
		case <-a.Exited():
			alive = false
		case <-writing.C:
			require.NoError(t, l.writeProblem(fmt.Sprintf("disk sd%c", 'a'+i%3)))
		case <-deadline:
			require.FailNow(t, "the agent has not come to "+plan, "%s", a.Log())
		}
	}
	require.True(t, a.Killed(), "it has ended by itself: %s", a.Log())
	require.NoError(t, l.writeProblem("while nobody looks"))
	last := l.live(t, binary)
	last.WaitReady(t, last.Ready()) // a busy machine takes its time until the start is over
	l.forgotten = time.Now()
	l.settle(t)
	l.requireProof(t)
	t.Log(l.summary(t))
}
