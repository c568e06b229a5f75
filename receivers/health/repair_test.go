package health

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/source/probe/probetest"
)

var killed = probetest.Kill{Unit: "kubelet.service", Whom: "main", Signal: syscall.SIGKILL}

// sick is a lab whose kubelet is not well, and is to be repaired.
func sick(t *testing.T) *lab {
	t.Helper()
	l := newLab(t)
	l.config.Repair.Enabled = true
	l.kubelet.Be(probetest.Fails)
	return l
}

func TestRepairWaitsForTheCondition(t *testing.T) {
	l := sick(t)
	l.config.Kubelet.For = 35 * time.Second
	l.start(nil)
	require.Empty(t, l.told(4), "three in a row, but not for so long")
	require.Empty(t, l.told(1), "the condition turns, which is told first")
	require.Empty(t, l.systemd.Kills())
	told := l.told(1)
	require.Len(t, told, 1)
	require.Regexp(t, "^kubelet.service was killed, so that systemd starts it again: GET .*: 500 Internal Server Error", told[0])
	require.Equal(t, []probetest.Kill{killed}, l.systemd.Kills())
	require.Equal(t, map[string]int64{resultKilled: 1}, l.results())
}

func TestAnOKInBetweenBeginsAnew(t *testing.T) {
	l := sick(t)
	l.start(nil)
	require.Empty(t, l.told(3))
	l.kubelet.Be(probetest.Well)
	require.Empty(t, l.told(1))
	l.kubelet.Be(probetest.Fails)
	require.Empty(t, l.told(3))
	require.Len(t, l.told(1), 1)
}

func TestNothingIsRepairedUnasked(t *testing.T) {
	l := sick(t)
	l.config.Repair.Enabled = false
	l.start(nil)
	l.states(20)
	require.Empty(t, l.systemd.Kills())
	require.Empty(t, l.results())
}

func TestWhatIsOnlyObservedIsNotRepaired(t *testing.T) {
	l := sick(t)
	l.config.Kubelet.Mode = condition.ModeObserve
	l.start(nil)
	l.states(20)
	require.Empty(t, l.systemd.Kills())
}

// TestCooldown is a unit that has been started only just now.
func TestCooldown(t *testing.T) {
	l := sick(t)
	l.start(nil)
	l.systemd.Set("kubelet.service", "active", "running", cooldown/2)
	require.Empty(t, l.told(5))
	require.Equal(t, map[string]int64{resultCooldown: 2}, l.results())
	l.systemd.Set("kubelet.service", "active", "running", up)
	require.Len(t, l.told(1), 1)
}

// TestMaxPerHour goes over a restart of the agent, and of the node.
func TestMaxPerHour(t *testing.T) {
	l := sick(t)
	l.config.Repair.MaxPerHour = 2
	l.start(nil)
	require.Len(t, l.told(20), 2)
	require.Equal(t, []probetest.Kill{killed, killed}, l.systemd.Kills())
	require.Positive(t, l.results()[resultLimited])

	kept := l.kept()
	l.start(kept)
	require.Empty(t, l.told(20))
	require.Len(t, l.systemd.Kills(), 2)

	l.clock.Advance(time.Hour)
	require.Len(t, l.told(1), 1, "the hour is over")

	l.settings.Boot.ID = "another"
	l.start(l.kept())
	require.Len(t, l.told(20), 2, "the node has started everything anew")
}

// TestRepairsThatDoNotHelpEnd: the kubelet may be well, and asked at the wrong place.
func TestRepairsThatDoNotHelpEnd(t *testing.T) {
	l := sick(t)
	l.config.Repair.MaxPerHour = 2
	l.start(nil)
	require.Len(t, l.told(20), 2)
	l.clock.Advance(2 * time.Hour)
	require.Empty(t, l.told(20))
	require.Len(t, l.systemd.Kills(), 2)
	require.Positive(t, l.results()[resultFutile])

	l.kubelet.Be(probetest.Well)
	require.Empty(t, l.told(1))
	l.kubelet.Be(probetest.Fails)
	require.Len(t, l.told(20), 2, "it was well in between")
}

// TestItIsNotedBeforeItIsDone looks at what would be on disk when the signal is sent.
func TestItIsNotedBeforeItIsDone(t *testing.T) {
	l := sick(t)
	var synced, atTheKill atomic.Value
	l.settings.Keeping = pipeline.Keeping{Sync: func(context.Context) error {
		synced.Store(string(l.kept()))
		return nil
	}}
	l.systemd.OnKill(func(string, syscall.Signal) { atTheKill.Store(fmt.Sprint(synced.Load())) })
	l.start(nil)
	require.Len(t, l.told(4), 1)
	require.NotEmpty(t, l.kept())
	require.Equal(t, string(l.kept()), atTheKill.Load())
}

func TestWhatCannotBeNotedIsNotDone(t *testing.T) {
	l := sick(t)
	l.settings.Keeping = pipeline.Keeping{Sync: func(context.Context) error { return errors.New("no space left on device") }}
	l.start(nil)
	require.Empty(t, l.told(20))
	require.Empty(t, l.systemd.Kills())
	require.Positive(t, l.results()[resultNotKept])
}

func TestDryRun(t *testing.T) {
	l := sick(t)
	l.config.Repair.DryRun = true
	l.start(nil)
	told := l.told(30)
	require.Len(t, told, 3, "as often as it would be done")
	require.Regexp(t, "^kubelet.service would be killed", told[0])
	require.Empty(t, l.systemd.Kills())
	require.Equal(t, int64(3), l.results()[resultDryRun])
}

func TestWhatDoesNotRunIsNotKilled(t *testing.T) {
	for name, state := range map[string][2]string{
		"failed": {"failed", "failed"}, "stopped": {"inactive", "dead"}, "waits": {"activating", "auto-restart"},
		"starts": {"activating", "start"}, "is being stopped": {"deactivating", "stop-sigterm"},
	} {
		t.Run(name, func(t *testing.T) {
			l := sick(t)
			l.start(nil)
			l.systemd.Set("kubelet.service", state[0], state[1], up)
			require.Empty(t, l.told(5))
			require.Empty(t, l.systemd.Kills())
			require.Equal(t, map[string]int64{resultNotRunning: 2}, l.results())
		})
	}
	t.Run("no main process", func(t *testing.T) {
		l := sick(t)
		l.start(nil)
		l.systemd.NoMain("kubelet.service")
		require.Empty(t, l.told(5))
		require.Positive(t, l.results()[resultNotRunning])
	})
}

func TestSystemdThatDoesNotAnswer(t *testing.T) {
	l := sick(t)
	l.start(nil)
	require.Empty(t, l.told(3))
	release := l.systemd.Hang()
	began := time.Now()
	report := l.run()
	release()
	require.Less(t, time.Since(began), l.check.Timeout)
	require.Equal(t, pipeline.StateProblem, report.Findings[0].State)
	require.Contains(t, report.Degraded.Reason, "repair.enabled: ask systemd for kubelet.service: no answer within")
	require.Equal(t, map[string]int64{resultUnavailable: 1}, l.results())
}

func TestSystemdThatRefuses(t *testing.T) {
	l := sick(t)
	l.bus = probetest.StartBus(t, `<deny send_interface="org.freedesktop.systemd1.Manager" send_member="KillUnit"/>`)
	l.systemd = probetest.StartSystemd(t, l.bus)
	l.systemd.Set("kubelet.service", "active", "running", up)
	l.settings.Host.Run = l.bus.Run
	l.start(nil)
	require.Empty(t, l.told(3))
	report := l.run()
	require.Regexp(t, "^kubelet.service could not be killed: have systemd send SIGKILL to kubelet.service: ", report.Findings[1].Message)
	require.Contains(t, report.Degraded.Remedy, "run as root")
	require.Equal(t, map[string]int64{resultFailed: 1}, l.results())
}

func TestDockerFirstTellsWhatItDoes(t *testing.T) {
	l := sick(t)
	l.config.Kubelet.Enabled, l.config.Docker.Enabled = false, true
	probetest.StartSocket(t, l.bus.Run+"/docker.sock").Be(probetest.Fails)
	l.systemd.Set("docker.service", "active", "running", up)
	l.start(nil)
	require.Len(t, l.told(4), 1)
	require.Equal(t, []probetest.Kill{
		{Unit: "docker.service", Whom: "main", Signal: syscall.SIGUSR1}, {Unit: "docker.service", Whom: "main", Signal: syscall.SIGKILL},
	}, l.systemd.Kills())
}

func TestRepairWithoutABusSaysSoAtOnce(t *testing.T) {
	l := sick(t)
	l.kubelet.Be(probetest.Well)
	l.settings.Host.Run = t.TempDir()
	l.start(nil)
	report := l.run()
	require.Equal(t, pipeline.StateOK, report.Findings[0].State)
	require.Contains(t, report.Degraded.Reason, "repair.enabled: ")
}

func TestResume(t *testing.T) {
	r, err := New(pipelinetest.Settings(t, "health"), DefaultConfig(), &pipelinetest.Sink{})
	require.NoError(t, err)
	require.Nil(t, r.Keep())
	for text, want := range map[string]string{
		`[]`: "read which services were repaired: json: cannot unmarshal array into Go value of type health.kept",
		`{"boot":"` + pipelinetest.BootID + `","repairs":[{"check":"","at_ns":1}]}`:                          "a repair without a service",
		`{"boot":"` + pipelinetest.BootID + `","repairs":[{"check":"kubelet","at_ns":9000000000000000000}]}`: "in the future",
	} {
		require.ErrorContains(t, r.Resume([]byte(text)), want)
		require.Nil(t, r.Keep())
	}
}
