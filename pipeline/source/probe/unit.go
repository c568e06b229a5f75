package probe

import (
	"context"
	"fmt"
	"os"
	"strconv"
)

func uid() string { return strconv.Itoa(os.Geteuid()) }

// Running is a unit of systemd that is to run: healthy is one that is active.
type Running struct {
	// Systemd is who knows.
	Systemd *Systemd
	// Unit is the unit's name.
	Unit string
}

// Ask asks once.
func (r *Running) Ask(ctx context.Context) error {
	unit, err := r.Systemd.Unit(ctx, r.Unit)
	switch {
	case err != nil:
		return err
	case unit.LoadState == "not-found":
		return fmt.Errorf("%s is not known to systemd", unit.Name)
	}
	switch {
	case unit.Runs():
		return nil
	case unit.ActiveState == "":
		return &Unknown{Err: fmt.Errorf("systemd does not say how %s stands", unit.Name), Remedy: "see whether systemd works"}
	}
	return fmt.Errorf("%s is %s (%s)", unit.Name, shown([]byte(unit.ActiveState)), shown([]byte(unit.SubState)))
}

// Runs tells whether a unit is up: neither on its way there, nor on its way down.
func (u *Unit) Runs() bool {
	return u.ActiveState == "active" || u.ActiveState == "reloading" || u.ActiveState == "refreshing"
}

// Starts tells whether a unit is on its way up, or waits to be started again.
func (u *Unit) Starts() bool { return u.ActiveState == "activating" }
