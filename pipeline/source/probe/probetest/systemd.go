package probetest

import (
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

const (
	systemdName = "org.freedesktop.systemd1"
	systemdPath = "/org/freedesktop/systemd1"
)

// Systemd stands in for systemd, which must be pid 1: the calls of its manager that
// health checks use, on a real bus. It is safe for concurrent use.
type Systemd struct {
	mu    sync.Mutex
	units map[string]*fakeUnit
	kills []Kill
	conn  *dbus.Conn
	hangs chan struct{} // not nil: calls wait for it
	onto  func(unit string, signal syscall.Signal)
}

// Kill is a signal that was asked for.
type Kill struct {
	Unit, Whom string
	Signal     syscall.Signal
}

type fakeUnit struct {
	load, active, sub string
	exit              time.Duration // of inactivity, on CLOCK_MONOTONIC
	noMain            bool
}

// StartSystemd puts a systemd onto a bus.
func StartSystemd(t testing.TB, bus *Bus) *Systemd {
	t.Helper()
	conn, err := dbus.Connect("unix:path=" + bus.Socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s := &Systemd{units: map[string]*fakeUnit{}, conn: conn}
	if err := conn.Export(manager{s}, systemdPath, systemdName+".Manager"); err != nil {
		t.Fatal(err)
	}
	if reply, err := conn.RequestName(systemdName, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("take the name %s: %v, %v", systemdName, reply, err)
	}
	return s
}

// Set sets how a unit stands, by the words of systemd (active, failed, activating and
// so on), and since how long it has been up, or tried to: at most since the boot.
func (s *Systemd) Set(unit, active, sub string, up time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.units[unit] = &fakeUnit{load: "loaded", active: active, sub: sub, exit: max(time.Microsecond, monotonic()-up)}
}

// NoMain lets a unit have no main process.
func (s *Systemd) NoMain(unit string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.units[unit].noMain = true
}

// Hang lets calls wait until the returned function is called.
func (s *Systemd) Hang() (release func()) {
	hangs := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangs = hangs
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hangs = nil
		close(hangs)
	}
}

// OnKill has f called for each kill, before it is answered.
func (s *Systemd) OnKill(f func(unit string, signal syscall.Signal)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onto = f
}

// Kills are the signals asked for so far.
func (s *Systemd) Kills() []Kill {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.kills)
}

func (s *Systemd) wait() {
	s.mu.Lock()
	hangs := s.hangs
	s.mu.Unlock()
	if hangs != nil {
		<-hangs
	}
}

// manager is what the bus sees of it.
type manager struct{ *Systemd }

// LoadUnit is systemd's.
func (m manager) LoadUnit(name string) (dbus.ObjectPath, *dbus.Error) {
	m.wait()
	path := dbus.ObjectPath(fmt.Sprintf("%s/unit/u%x", systemdPath, name))
	if err := m.conn.Export(properties{m.Systemd, name}, path, "org.freedesktop.DBus.Properties"); err != nil {
		return "", dbus.MakeFailedError(err)
	}
	return path, nil
}

// KillUnit is systemd's.
func (m manager) KillUnit(name, whom string, signal int32) *dbus.Error {
	m.wait()
	m.mu.Lock()
	unit, known := m.units[name]
	onto := m.onto
	switch {
	case !known:
		m.mu.Unlock()
		return dbus.NewError(systemdName+".NoSuchUnit", []any{"Unit " + name + " not loaded."})
	case unit.noMain:
		m.mu.Unlock()
		return dbus.NewError(systemdName+".NoSuchProcess", []any{"No main process to kill"})
	}
	m.kills = append(m.kills, Kill{Unit: name, Whom: whom, Signal: syscall.Signal(signal)})
	m.mu.Unlock()
	if onto != nil {
		onto(name, syscall.Signal(signal))
	}
	return nil
}

// properties are those of one unit.
type properties struct {
	*Systemd
	unit string
}

// GetAll is D-Bus's own.
func (p properties) GetAll(string) (map[string]dbus.Variant, *dbus.Error) {
	p.wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	unit, known := p.units[p.unit]
	if !known {
		unit = &fakeUnit{load: "not-found", active: "inactive", sub: "dead"}
	}
	return map[string]dbus.Variant{
		"Id":                             dbus.MakeVariant(p.unit),
		"LoadState":                      dbus.MakeVariant(unit.load),
		"ActiveState":                    dbus.MakeVariant(unit.active),
		"SubState":                       dbus.MakeVariant(unit.sub),
		"InactiveExitTimestampMonotonic": dbus.MakeVariant(uint64(max(0, unit.exit.Microseconds()))),
	}, nil
}

func monotonic() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // it exists on every Linux
	return time.Duration(now.Nano())
}
