package probe_test

import (
	"bytes"
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/probe"
	"github.com/otelnpd/otelnpd/pipeline/source/probe/probetest"
)

// up is how long units have been running: less than the machine.
const up = 20 * time.Second

func TestUnit(t *testing.T) {
	bus := probetest.StartBus(t, "")
	fake := probetest.StartSystemd(t, bus)
	systemd := &probe.Systemd{Socket: bus.Socket}
	for name, one := range map[string]struct {
		active, sub string
		want        string // empty: healthy
	}{
		"active.service":   {"active", "running", ""},
		"reload.service":   {"reloading", "reload", ""},
		"failed.service":   {"failed", "failed", "failed.service is failed (failed)"},
		"stopped.service":  {"inactive", "dead", "stopped.service is inactive (dead)"},
		"again.service":    {"activating", "auto-restart", "again.service is activating (auto-restart)"},
		"leaves.mount":     {"deactivating", "unmounting", "leaves.mount is deactivating (unmounting)"},
		"odd@a\\x2d.timer": {"maintenance", "", "odd@a\\x2d.timer is maintenance ()"},
	} {
		fake.Set(name, one.active, one.sub, up)
		err := (&probe.Running{Systemd: systemd, Unit: name}).Ask(within(t, long))
		if one.want == "" {
			require.NoError(t, err)
			continue
		}
		requireUnhealthy(t, err, one.want)
	}
	requireUnhealthy(t, (&probe.Running{Systemd: systemd, Unit: "none"}).Ask(within(t, long)), "none.service is not known to systemd")

	unit, err := systemd.Unit(within(t, long), "active")
	require.NoError(t, err)
	require.True(t, unit.Started)
	require.InDelta(t, up, unit.Up, float64(up))
	unit, err = systemd.Unit(within(t, long), "none")
	require.NoError(t, err)
	require.False(t, unit.Started)

	_, err = systemd.Unit(within(t, long), "a b")
	require.ErrorContains(t, err, `"a b" is no name of a unit`)
}

func TestKill(t *testing.T) {
	bus := probetest.StartBus(t, "")
	fake := probetest.StartSystemd(t, bus)
	systemd := &probe.Systemd{Socket: bus.Socket}
	fake.Set("kubelet.service", "active", "running", up)
	require.NoError(t, systemd.Kill(within(t, long), "kubelet", syscall.SIGKILL))
	require.Equal(t, []probetest.Kill{{Unit: "kubelet.service", Whom: "main", Signal: syscall.SIGKILL}}, fake.Kills())

	require.ErrorIs(t, systemd.Kill(within(t, long), "none", syscall.SIGKILL), probe.ErrNotRunning)
	fake.NoMain("kubelet.service")
	require.ErrorIs(t, systemd.Kill(within(t, long), "kubelet", syscall.SIGKILL), probe.ErrNotRunning)
}

func TestBusThatTellsNothing(t *testing.T) {
	ask := func(t *testing.T, socket string, given time.Duration) error {
		t.Helper()
		began := time.Now()
		err := (&probe.Running{Systemd: &probe.Systemd{Socket: socket}, Unit: "kubelet"}).Ask(within(t, given))
		require.Less(t, time.Since(began), long/2)
		return err
	}
	t.Run("no directory", func(t *testing.T) {
		requireUnknown(t, ask(t, t.TempDir()+"/dbus/bus", long), "ask systemd for kubelet: connect to", "mount that directory")
	})
	t.Run("no socket", func(t *testing.T) {
		requireUnknown(t, ask(t, t.TempDir()+"/bus", long), "the service does not run", "see whether the system bus works")
	})
	t.Run("no systemd", func(t *testing.T) {
		requireUnknown(t, ask(t, probetest.StartBus(t, "").Socket, long), "ServiceUnknown", "see whether systemd works")
	})
	t.Run("not allowed", func(t *testing.T) {
		bus := probetest.StartBus(t, `<deny send_interface="org.freedesktop.systemd1.Manager" send_member="KillUnit"/>`)
		probetest.StartSystemd(t, bus).Set("kubelet.service", "active", "running", up)
		require.NoError(t, ask(t, bus.Socket, long))
		requireUnknown(t, (&probe.Systemd{Socket: bus.Socket}).Kill(within(t, long), "kubelet", syscall.SIGKILL), "have systemd send SIGKILL to kubelet", "run as root")
	})
	t.Run("systemd hangs", func(t *testing.T) {
		bus := probetest.StartBus(t, "")
		defer probetest.StartSystemd(t, bus).Hang()()
		requireUnknown(t, ask(t, bus.Socket, short), "no answer within 300ms", "see whether systemd")
	})
	for name, text := range map[string][]byte{
		"the bus hangs":      nil,
		"the bus drips":      []byte("REJECTED EXTERNAL"),
		"the bus is none":    []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"the bus never ends": bytes.Repeat([]byte("x"), 4<<20),
	} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(probetest.ShortDir(t), "bus")
			listener, err := net.Listen("unix", socket)
			require.NoError(t, err)
			done := make(chan struct{})
			go func() {
				defer close(done)
				if conn, err := listener.Accept(); err == nil {
					_, _ = conn.Write(text)
					_, _ = conn.Read(make([]byte, 1<<10))
					_, _ = conn.Read(make([]byte, 1<<10))
					_ = conn.Close()
				}
			}()
			defer func() { _ = listener.Close(); <-done }()
			requireUnknown(t, ask(t, socket, short), "ask systemd for kubelet", "see whether systemd and the system bus work")
		})
	}
}
