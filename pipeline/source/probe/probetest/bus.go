// Package probetest has what tests of health checks ask: a real D-Bus daemon of their
// own with a small systemd on it, and servers that are well, hang, drip or refuse.
package probetest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds what must happen soon. It is no measure of speed.
const patience = 20 * time.Second

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    %s
  </policy>
</busconfig>
`

// Bus is a dbus-daemon of a test's own.
type Bus struct {
	// Run is a directory that is like a node's /run, and Socket the bus's below it.
	Run, Socket string
}

// StartBus starts a bus, which ends with the test. policy is more for its policy, in its
// own language; empty: everything is allowed.
func StartBus(t testing.TB, policy string) *Bus {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no dbus-daemon here: install the package dbus")
		}
		t.Skip("no dbus-daemon here: install the package dbus")
	}
	run := ShortDir(t)
	bus := &Bus{Run: run, Socket: filepath.Join(run, "dbus", "system_bus_socket")}
	config := filepath.Join(t.TempDir(), "bus.conf")
	for _, err := range []error{
		os.MkdirAll(filepath.Dir(bus.Socket), 0o755), //nolint:gosec // as on a node
		os.WriteFile(config, fmt.Appendf(nil, busConfig, bus.Socket, policy), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "--config-file="+config, "--nofork", "--nopidfile") //nolint:gosec // both are the test's own
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	await(t, "the bus", func() bool { return answers(bus.Socket) })
	return bus
}

// ShortDir makes a directory whose path leaves room for the names of sockets.
func ShortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "otelnpd") //nolint:usetesting // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func answers(socket string) bool {
	conn, err := net.DialTimeout("unix", socket, time.Second)
	return err == nil && conn.Close() == nil
}

func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not come in %s", what, patience)
		}
	}
}
