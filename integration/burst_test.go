package integration

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
)

// burstLines is more than the kernel's ring holds, many times over.
const burstLines = 100_000

// At full speed the kernel's ring is overwritten faster than anybody can read it.
// The agent survives that, tells exactly how much it has not seen, and is there for
// the next line.
func TestBurst(t *testing.T) {
	log := kernellog.Open(t)
	a := agent.StartReady(t, binary, agent.NewSettings(t))
	first := firstSequence(t, a)

	tag := kernellog.Tag()
	started := time.Now()
	require.NoError(t, log.WriteMany(burstLines, func(buffer []byte, i int) []byte {
		return fmt.Appendf(buffer, "otelnpd burst %s line %d of an ordinary length, which no rule matches", tag, i)
	}))
	took := time.Since(started)
	written := time.Now()
	log.Write(t, "kernel: BUG: unable to handle kernel NULL pointer dereference at "+tag)
	seen := a.Console.WaitFor(t, "the line after the burst", agent.Problem("KernelOops", tag)).Seen
	t.Logf("%d lines in %s (%.0f a second), the next line on the console after %s",
		burstLines, took, burstLines/took.Seconds(), seen.Sub(written))
	require.Less(t, seen.Sub(written), patience, "milliseconds are expected; a busy machine may take longer")

	requireFirstSequence(t, a, first)
	require.Equal(t, lostRecords(t, a) > 0, len(a.Console.Events(t, agent.Problem(recordsLost, ""))) > 0, "a loss is told")
	t.Logf("accepted %.0f, lost %.0f", a.Sum(t, acceptedRecords, nil), lostRecords(t, a))
	status, body := agent.Get(t, "http://"+a.Status+"/healthz")
	require.Equal(t, http.StatusOK, status, body)
	select {
	case <-a.Exited():
		require.Fail(t, "the agent has ended")
	default:
	}
}

const (
	acceptedRecords = "otelnpd_receiver_accepted_records_total"
	// recordsLost is the reason of the record by which the receiver tells of a loss.
	recordsLost = "KernelLogRecordsLost"
)

// lostRecords are those the receiver knows of and has not passed on.
func lostRecords(t *testing.T, a *agent.Agent) float64 {
	t.Helper()
	return a.Sum(t, "otelnpd_receiver_lost_records_total", nil)
}

// firstSequence returns the sequence number of the first record that the agent
// counts, which follows from what it has counted and the newest number. Others may
// write to the log meanwhile, and the agent needs a moment for what they write:
// it asks until both have stood still for a second.
func firstSequence(t *testing.T, a *agent.Agent) uint64 {
	t.Helper()
	var first uint64
	stable := 0
	require.Eventually(t, func() bool {
		before := kernellog.Last(t)
		counted := a.Sum(t, acceptedRecords, nil) + lostRecords(t, a)
		if kernellog.Last(t) != before {
			return false
		}
		now := before + 1 - uint64(counted)
		if now == first {
			stable++
		} else {
			first, stable = now, 0
		}
		return stable >= 50
	}, time.Minute, 20*time.Millisecond, "the kernel log does not come to rest")
	return first
}

// requireFirstSequence requires that the first record counted is still what it was. Both
// stand still, too, while a busy machine keeps the agent from counting.
func requireFirstSequence(t *testing.T, a *agent.Agent, first uint64) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for now := firstSequence(t, a); now != first; now = firstSequence(t, a) {
		require.True(t, time.Now().Before(deadline), "accepted + lost is not what the sequence numbers say: they begin at %d, not at %d", now, first)
	}
}
