package health

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/source/probe/probetest"
)

func TestContract(t *testing.T) {
	server := probetest.StartServer(t)
	settings := pipelinetest.Settings(t, "health")
	config := DefaultConfig()
	config.ContainerRuntime.Enabled, config.KubeProxy.Enabled = false, true
	config.Kubelet.URL, config.KubeProxy.URL = server.URL, server.URL
	config.Interval = time.Second
	pipelinetest.CheckReceiver(t, pipelinetest.ReceiverUnderTest{
		New: func(t *testing.T, next pipeline.Consumer) pipeline.Component {
			t.Helper()
			receiver, err := NewFactory().Create(settings, config, next)
			require.NoError(t, err)
			return receiver
		},
		Asks: true, AtLeast: 2,
	})
}

func TestVerdicts(t *testing.T) {
	l := newLab(t)
	l.start(nil)
	require.Equal(t, []string{"ok", "ok"}, l.states(2))
	usual := l.config.Timeout
	l.config.Timeout = 200 * time.Millisecond // for those that are waited for in vain
	for _, manner := range []probetest.Manner{probetest.Fails, probetest.Hangs, probetest.Drips, probetest.BreaksOff} {
		l.kubelet.Be(manner)
		require.Equal(t, []string{"problem"}, l.states(1))
	}
	l.config.Timeout = usual
	l.kubelet.Be(probetest.Well)
	require.Equal(t, []string{"ok"}, l.states(1))
	l.kubelet.Stop()
	report := l.run()
	require.Len(t, report.Findings, 1)
	require.Equal(t, "GET "+l.kubelet.URL+": connection refused", report.Findings[0].Message)
	require.Equal(t, pipeline.StateProblem, report.Findings[0].State)
	require.Nil(t, report.Degraded)
}

// TestAwayFromTheNodesNetwork is an agent in a container with a network of its own: the
// kubelet cannot be reached, and nothing is wrong with it.
func TestAwayFromTheNodesNetwork(t *testing.T) {
	l := newLab(t)
	l.settings.Host.Proc = t.TempDir()
	l.config.Repair.Enabled = true
	l.start(nil)
	l.kubelet.Stop()
	for range 10 {
		report := l.run()
		require.Equal(t, pipeline.StateUnknown, report.Findings[0].State)
		require.Equal(t, reasonUnknown, report.Findings[0].Reason)
		require.Contains(t, report.Degraded.Remedy, "hostNetwork: true")
	}
	require.Empty(t, l.systemd.Kills())
}

func TestGrace(t *testing.T) {
	l := newLab(t)
	l.config.StartGrace = 30 * time.Second
	l.start(nil)
	l.kubelet.Be(probetest.Fails)

	// It has been up for a while: no grace. The test's units cannot have been up for
	// longer than that, so the grace is shorter here.
	l.config.StartGrace = 15 * time.Second
	require.Equal(t, []string{"problem"}, l.states(1))
	l.kubelet.Be(probetest.Well)
	require.Equal(t, []string{"ok"}, l.states(1))

	l.config.StartGrace = 30 * time.Second
	l.kubelet.Be(probetest.Fails)
	for _, state := range [][2]string{{"activating", "start"}, {"activating", "auto-restart"}, {"active", "running"}} {
		l.systemd.Set("kubelet.service", state[0], state[1], 0)
		report := l.run()
		require.Equal(t, pipeline.StateUnknown, report.Findings[0].State)
		require.Regexp(t, "^kubelet.service has just been started: GET .*: 500", report.Findings[0].Message)
		require.Nil(t, report.Degraded)
	}
	// Started again and again it has no more than one.
	l.systemd.Set("kubelet.service", "activating", "auto-restart", 0)
	require.Equal(t, []string{"problem", "problem"}, l.states(2))
	// Once well, it has another.
	l.kubelet.Be(probetest.Well)
	require.Equal(t, []string{"ok"}, l.states(1))
	l.kubelet.Be(probetest.Fails)
	require.Equal(t, []string{"unknown"}, l.states(1))
	// A unit that has failed is not on its way up.
	l.systemd.Set("kubelet.service", "failed", "failed", 0)
	require.Equal(t, []string{"problem"}, l.states(1))
}

func TestGraceAfterABoot(t *testing.T) {
	l := newLab(t)
	l.clock = pipelinetest.NewClock(pipeline.Instant{Wall: time.Now(), Boot: time.Second})
	l.settings.Clock, l.config.StartGrace = l.clock, time.Minute
	l.systemd.Set("kubelet.service", "inactive", "dead", 0)
	l.start(nil)
	l.kubelet.Be(probetest.Fails)
	require.Equal(t, []string{"unknown", "unknown", "unknown", "unknown", "unknown", "problem"}, l.states(6))
}

func TestUnits(t *testing.T) {
	l := newLab(t)
	l.config.Kubelet.Enabled, l.config.StartGrace = false, 15*time.Second
	l.config.Units = units("chronyd")
	l.start(nil)
	l.systemd.Set("chronyd.service", "active", "running", up)
	require.Equal(t, []string{"ok"}, l.states(1))
	l.systemd.Set("chronyd.service", "activating", "start-pre", 0)
	require.Equal(t, []string{"unknown"}, l.states(1))
	l.systemd.Set("chronyd.service", "failed", "failed", up)
	report := l.run()
	require.Equal(t, pipeline.StateProblem, report.Findings[0].State)
	require.Equal(t, "chronyd.service is failed (failed)", report.Findings[0].Message)
}

func TestUnitsWithoutABus(t *testing.T) {
	l := newLab(t)
	l.config.Kubelet.Enabled = false
	l.config.Units = units("chronyd")
	require.NoError(t, os.Remove(l.bus.Socket))
	l.start(nil)
	report := l.run()
	require.Equal(t, pipeline.StateUnknown, report.Findings[0].State)
	require.Contains(t, report.Degraded.Reason, "system_bus_socket")
}

func TestServicesOfSockets(t *testing.T) {
	l := newLab(t)
	l.config.Kubelet.Enabled, l.config.Docker.Enabled, l.config.ContainerRuntime.Enabled = false, true, true
	l.config.StartGrace = 0
	require.NoError(t, os.MkdirAll(l.bus.Run+"/systemd", 0o700))
	docker := probetest.StartSocket(t, l.bus.Run+"/docker.sock")
	l.start(nil)
	// The runtime's directory is missing: nothing is known of it.
	report := l.run()
	require.Equal(t, pipeline.StateUnknown, report.Findings[0].State)
	require.Contains(t, report.Degraded.Remedy, "mount that directory")
	require.NoError(t, os.MkdirAll(l.bus.Run+"/containerd", 0o700))
	require.Equal(t, []string{"problem"}, l.states(1))

	l.check = l.receiver.checkOf(l.config.targets()[1])
	require.Equal(t, []string{"ok"}, l.states(1))
	docker.Be(probetest.Fails)
	require.Equal(t, []string{"problem"}, l.states(1))
}
