package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// The names of systemd's manager on the bus (org.freedesktop.systemd1(5)).
const (
	systemdName      = "org.freedesktop.systemd1"
	systemdPath      = "/org/freedesktop/systemd1"
	managerInterface = systemdName + ".Manager"
	unitInterface    = systemdName + ".Unit"
	getAll           = "org.freedesktop.DBus.Properties.GetAll"
)

// maxBusBytes bounds what is read of the bus for one question.
const maxBusBytes = 1 << 20

// Systemd is the node's systemd, asked over D-Bus.
type Systemd struct {
	// Socket is the path of the socket of the system bus.
	Socket string
}

// Unit is how a unit of systemd stands. The words are systemd's.
type Unit struct {
	// Name is the unit's, with its type: kubelet.service.
	Name string
	// LoadState is loaded, not-found, masked …; ActiveState is active, failed,
	// activating …; SubState is finer: auto-restart while it waits to be started again.
	LoadState, ActiveState, SubState string
	// Started tells whether it has left the state inactive since the boot; Up is how long
	// ago that was the last time (InactiveExitTimestamp): a restart begins anew.
	Started bool
	Up      time.Duration
}

// unitName is what a unit can be called (systemd.unit(5)).
var unitName = regexp.MustCompile(`^[A-Za-z0-9:_.\\@-]{1,255}$`)

// UnitName returns the full name of a unit: a name without a type is that of a service.
func UnitName(name string) (string, error) {
	if !unitName.MatchString(name) {
		return "", fmt.Errorf("%q is no name of a unit: write for example kubelet.service", name)
	}
	if !strings.Contains(name, ".") {
		name += ".service"
	}
	return name, nil
}

// Unit asks how a unit stands, in the context's time.
func (s *Systemd) Unit(ctx context.Context, name string) (Unit, error) {
	unit := Unit{}
	properties := map[string]dbus.Variant{}
	err := s.ask(ctx, "ask systemd for "+name, func(conn *dbus.Conn) error {
		var err error
		if unit.Name, err = UnitName(name); err != nil {
			return err
		}
		var path dbus.ObjectPath
		// LoadUnit, and not GetUnit, also knows a unit that has never run.
		if err := manager(conn).CallWithContext(ctx, managerInterface+".LoadUnit", 0, unit.Name).Store(&path); err != nil {
			return err
		}
		return conn.Object(systemdName, path).CallWithContext(ctx, getAll, 0, unitInterface).Store(&properties)
	})
	if err != nil {
		return Unit{}, err
	}
	text := func(property string) string { value, _ := properties[property].Value().(string); return value }
	unit.LoadState, unit.ActiveState, unit.SubState = text("LoadState"), text("ActiveState"), text("SubState")
	if micros, _ := properties["InactiveExitTimestampMonotonic"].Value().(uint64); micros > 0 && micros < 1<<53 {
		unit.Started, unit.Up = true, max(0, monotonic()-time.Duration(micros)*time.Microsecond)
	}
	return unit, nil
}

// monotonic is the clock of systemd's …TimestampMonotonic: CLOCK_MONOTONIC.
func monotonic() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // it exists on every Linux
	return time.Duration(now.Nano())
}

// ErrNotRunning says that a unit has no main process that a signal could be sent to.
var ErrNotRunning = errors.New("it has no main process")

// Kill sends a signal to the main process of a unit, as `systemctl kill
// --kill-whom=main` does. It needs root. The error wraps [ErrNotRunning] where there is
// no such process.
func (s *Systemd) Kill(ctx context.Context, name string, signal syscall.Signal) error {
	return s.ask(ctx, fmt.Sprintf("have systemd send %s to %s", unix.SignalName(signal), name), func(conn *dbus.Conn) error {
		full, err := UnitName(name)
		if err != nil {
			return err
		}
		return manager(conn).CallWithContext(ctx, managerInterface+".KillUnit", 0, full, "main", int32(signal)).Err //nolint:gosec // a number of a signal
	})
}

func manager(conn *dbus.Conn) dbus.BusObject { return conn.Object(systemdName, systemdPath) }

// ask connects to the bus, asks, and hangs up.
func (s *Systemd) ask(ctx context.Context, what string, question func(*dbus.Conn) error) error {
	within := given(ctx)
	err := s.connected(ctx, question)
	switch {
	case err == nil:
		return nil
	case AsUnknown(err) != nil:
		return fmt.Errorf("%s: %w", what, err)
	case ctx.Err() != nil, isTimeout(err):
		return &Unknown{Err: fmt.Errorf("%s: no answer within %s", what, within), Remedy: "see whether systemd and the system bus work"}
	}
	return refusal(what, err)
}

func (s *Systemd) connected(ctx context.Context, question func(*dbus.Conn) error) error {
	socket, err := dialSocket(ctx, s.Socket)
	if err != nil {
		if AsUnknown(err) == nil { // a bus that does not run says nothing about a unit
			return &Unknown{Err: err, Remedy: "see whether the system bus works, and mount the node's /run where service.host.run says"}
		}
		return err
	}
	conn, err := dbus.NewConn(bounded{ReadWriteCloser: socket, rest: io.LimitReader(socket, maxBusBytes)}, dbus.WithContext(ctx))
	if err != nil {
		return errors.Join(err, socket.Close())
	}
	defer func() { _ = conn.Close() }() // nothing is under way
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(uid())}); err != nil {
		return fmt.Errorf("sign in at the bus: %w", err)
	}
	if err := conn.Hello(); err != nil {
		return fmt.Errorf("sign in at the bus: %w", err)
	}
	return question(conn)
}

// bounded is a connection of which only so much is read.
type bounded struct {
	io.ReadWriteCloser
	rest io.Reader
}

func (b bounded) Read(p []byte) (int, error) { return b.rest.Read(p) }

// refusal makes the error of what the bus or systemd has said.
func refusal(what string, err error) error {
	said, ok := errors.AsType[dbus.Error](err)
	if !ok {
		return &Unknown{Err: fmt.Errorf("%s: %w", what, err), Remedy: "see whether systemd and the system bus work"}
	}
	text := shown([]byte(said.Error()))
	switch said.Name {
	case systemdName + ".NoSuchProcess", systemdName + ".NoSuchUnit", "org.freedesktop.DBus.Error.UnixProcessIdUnknown":
		return fmt.Errorf("%s: %w: %s", what, ErrNotRunning, text)
	case "org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", "org.freedesktop.DBus.Error.AuthFailed":
		return &Unknown{Err: fmt.Errorf("%s: %s", what, text), Remedy: "run as root of the node (this is uid " + uid() + ")"}
	}
	return &Unknown{Err: fmt.Errorf("%s: %s: %s", what, shown([]byte(said.Name)), text), Remedy: "see whether systemd works"}
}
