package healthchecker_test

import (
	"net/url"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/npd/healthchecker"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
	"github.com/otelnpd/otelnpd/pipeline/source/probe/probetest"
)

// up is for how long units have been running: less than the machine.
const up = 20 * time.Second

// machine is a node with a systemd that stands in for the real one.
type machine struct {
	*testing.T
	host    healthchecker.Host
	systemd *probetest.Systemd
}

func newMachine(t *testing.T, env map[string]string) *machine {
	t.Helper()
	bus := probetest.StartBus(t, "")
	m := &machine{T: t, systemd: probetest.StartSystemd(t, bus)}
	m.host = healthchecker.Host{
		Run: bus.Run, Proc: "/proc", Journal: []string{filepath.Join(t.TempDir(), "none")},
		Env: func(name string) string { return env[name] }, Now: time.Now,
	}
	return m
}

func (m *machine) check(args ...string) (healthchecker.Result, error) {
	m.Helper()
	options, err := healthchecker.Parse(args)
	require.NoError(m, err)
	return healthchecker.Check(m.Context(), options, m.host)
}

// at is the environment that names a server's port.
func at(t *testing.T, variable string, server *probetest.Server) map[string]string {
	t.Helper()
	address, err := url.Parse(server.URL)
	require.NoError(t, err)
	return map[string]string{"HOST_ADDRESS": address.Hostname(), variable: address.Port()}
}

func TestEndpoints(t *testing.T) {
	for component, one := range map[string]struct{ port, path string }{"kubelet": {"KUBELET_PORT", "/healthz"}, "kube-proxy": {"KUBEPROXY_PORT", "/livez"}} {
		t.Run(component, func(t *testing.T) {
			server := probetest.StartServer(t)
			m := newMachine(t, at(t, one.port, server))
			m.systemd.Set(component+".service", "active", "running", up)
			result, err := m.check("--component="+component, "--cooldown-time=10s")
			require.NoError(t, err)
			require.Equal(t, healthchecker.Result{}, result)
			require.Equal(t, one.path, server.Asked().URL.Path)

			server.Be(probetest.Hangs)
			result, err = m.check("--component="+component, "--cooldown-time=10s", "--health-check-timeout=200ms")
			require.NoError(t, err)
			require.ErrorContains(t, result.Unhealthy, "no answer within 200ms")
			require.Equal(t, []string{"repair: the main process of " + component + ".service was told to end"}, result.Notes)
			require.Equal(t, []probetest.Kill{{Unit: component + ".service", Whom: "main", Signal: syscall.SIGTERM}}, m.systemd.Kills())
		})
	}
}

func TestRepair(t *testing.T) {
	for name, one := range map[string]struct {
		set   func(*probetest.Systemd)
		flag  string
		notes string // regular expression of the note; empty: none
	}{
		"not asked for":   {func(s *probetest.Systemd) { s.Set("kubelet.service", "active", "running", up) }, "--enable-repair=false", ""},
		"within cooldown": {func(s *probetest.Systemd) { s.Set("kubelet.service", "active", "running", up) }, "--cooldown-time=1000h", "^no repair: kubelet.service has been up for .*, and --cooldown-time is 1000h0m0s$"},
		"unknown":         {func(*probetest.Systemd) {}, "--cooldown-time=0", "^no repair: kubelet.service has not been started$"},
		"nothing to kill": {func(s *probetest.Systemd) {
			s.Set("kubelet.service", "failed", "failed", up)
			s.NoMain("kubelet.service")
		}, "--cooldown-time=0", "^no repair: have systemd send SIGTERM to kubelet.service: it has no main process"},
	} {
		t.Run(name, func(t *testing.T) {
			server := probetest.StartServer(t)
			server.Be(probetest.Fails)
			m := newMachine(t, at(t, "KUBELET_PORT", server))
			one.set(m.systemd)
			result, err := m.check(one.flag)
			require.NoError(t, err)
			require.Error(t, result.Unhealthy)
			require.Empty(t, m.systemd.Kills())
			if one.notes == "" {
				require.Empty(t, result.Notes)
				return
			}
			require.Len(t, result.Notes, 1)
			require.Regexp(t, one.notes, result.Notes[0])
		})
	}
}

// TestDockerIsToldToDump is what node-problem-detector does before it ends dockerd.
func TestDockerIsToldToDump(t *testing.T) {
	m := newMachine(t, nil)
	server := probetest.StartSocket(t, m.host.Run+"/docker.sock")
	m.systemd.Set("docker.service", "active", "running", up)
	result, err := m.check("--component=docker", "--cooldown-time=1s")
	require.NoError(t, err)
	require.NoError(t, result.Unhealthy)
	server.Be(probetest.Fails)
	result, err = m.check("--component=docker", "--cooldown-time=1s")
	require.NoError(t, err)
	require.Error(t, result.Unhealthy)
	require.Equal(t, []probetest.Kill{
		{Unit: "docker.service", Whom: "main", Signal: syscall.SIGUSR1}, {Unit: "docker.service", Whom: "main", Signal: syscall.SIGTERM},
	}, m.systemd.Kills())
}

// TestWhatCannotBeKnown is no reason to kill anything.
func TestWhatCannotBeKnown(t *testing.T) {
	server := probetest.StartServer(t)
	env := at(t, "KUBELET_PORT", server)
	m := newMachine(t, env)
	m.systemd.Set("kubelet.service", "active", "running", up)
	server.Stop()
	m.host.Proc = t.TempDir()
	_, err := m.check("--cooldown-time=0")
	require.ErrorContains(t, err, "connection refused: ")
	require.ErrorContains(t, err, "hostNetwork: true")
	_, err = m.check("--component=cri", "--cri-socket-path=unix://"+t.TempDir()+"/none/x.sock", "--cooldown-time=0")
	require.ErrorContains(t, err, "mount that directory of the node")
	require.Empty(t, m.systemd.Kills())
}

func TestLogPatterns(t *testing.T) {
	server := probetest.StartServer(t)
	m := newMachine(t, at(t, "KUBELET_PORT", server))
	_, err := m.check("--log-pattern=1:x")
	require.ErrorContains(t, err, "systemd does not say since when kubelet.service has been up: name the unit by --service")

	m.systemd.Set("kubelet.service", "active", "running", up)
	_, err = m.check("--log-pattern=1:x")
	require.ErrorContains(t, err, "read the journal of kubelet.service: no journal is there")

	directory, boot, now := t.TempDir(), journaltest.NewID(), pipeline.SystemClock{}.Now()
	var entries []journaltest.Entry
	for i, age := range []time.Duration{time.Hour, 15 * time.Second, 5 * time.Second} {
		entries = append(entries, journaltest.Entry{
			Realtime: uint64(now.Wall.Add(-age).UnixMicro()), Monotonic: uint64(i + 1), Boot: boot,
			Fields: []string{"_BOOT_ID=" + boot.String(), "_SYSTEMD_UNIT=kubelet.service", "SYSLOG_IDENTIFIER=kubelet", "MESSAGE=Deadlock"},
		})
	}
	journaltest.WriteRemote(t, filepath.Join(directory, "system.journal"), journaltest.Layout{Compact: true, Keyed: true}, entries)
	m.host.Journal = []string{directory}
	for args, unhealthy := range map[string]bool{"--log-pattern=2:deadlock": true, "--log-pattern=3:deadlock": false, "--log-pattern=1:deadlock,9:x": true} {
		result, err := m.check(args, "--enable-repair=false")
		require.NoError(t, err)
		require.Equal(t, unhealthy, result.Unhealthy != nil, args)
	}
	result, err := m.check("--log-pattern=2:deadlock", "--loopback-time=10s")
	require.NoError(t, err)
	require.NoError(t, result.Unhealthy)
}
