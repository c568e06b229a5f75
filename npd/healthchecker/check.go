package healthchecker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/source/probe"
)

// busTimeout bounds what systemd is asked, and the reading of the journal.
const busTimeout = 10 * time.Second

// Host is where things are.
type Host struct {
	// Run is the node's /run, Proc its /proc, Journal the directories of its journal.
	Run, Proc string
	Journal   []string
	// Env reads the environment.
	Env func(string) string
	// Now tells the time.
	Now func() time.Time
}

// System is the machine that this process runs on.
func System() Host {
	return Host{
		Run: "/run", Proc: "/proc", Journal: []string{"/var/log/journal", "/run/log/journal"},
		Env: os.Getenv, Now: time.Now,
	}
}

func (h *Host) systemd() *probe.Systemd {
	return &probe.Systemd{Socket: h.Run + "/dbus/system_bus_socket"}
}

// Result is what was found.
type Result struct {
	// Unhealthy is what is wrong; nil: nothing.
	Unhealthy error
	// Notes tell, in words, what became of the repair.
	Notes []string
}

// Check asks once, and repairs. The error says why the health cannot be known, and what
// to do.
func Check(ctx context.Context, options *Options, host Host) (Result, error) {
	err := options.ask(ctx, host)
	if err == nil && len(options.Patterns) > 0 {
		err = options.askLog(ctx, host)
	}
	switch {
	case err == nil:
		return Result{}, nil
	case probe.AsUnknown(err) != nil:
		return Result{}, explained(err)
	}
	result := Result{Unhealthy: err}
	if options.EnableRepair {
		result.Notes = options.repair(ctx, host)
	}
	return result, nil
}

// explained is an error with the remedy, if there is one.
func explained(err error) error {
	if unknown := probe.AsUnknown(err); unknown != nil {
		return fmt.Errorf("%w: %s", err, unknown.Remedy)
	}
	return err
}

func (o *Options) ask(ctx context.Context, host Host) error {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	switch o.Component {
	case kubelet:
		return (&probe.Endpoint{URL: host.url("KUBELET_PORT", "10248", "/healthz"), Proc: host.Proc}).Ask(ctx)
	case kubeProxy:
		return (&probe.Endpoint{URL: host.url("KUBEPROXY_PORT", "10256", "/livez"), Proc: host.Proc}).Ask(ctx)
	case docker:
		return (&probe.Docker{Socket: host.Run + "/docker.sock"}).Ask(ctx)
	default:
		return (&probe.Runtime{Socket: host.place(o.CRISocket), CallTimeout: o.CRITimeout}).Ask(ctx)
	}
}

// url is that of an endpoint, which the environment can change.
func (h *Host) url(portVariable, port, path string) string {
	address := h.Env("HOST_ADDRESS")
	if address == "" {
		address = "localhost"
	}
	if own := h.Env(portVariable); own != "" {
		port = own
	}
	return "http://" + net.JoinHostPort(strings.Trim(address, "[]"), port) + path
}

// place is where a socket is. An image may have no /var/run, which a node has as
// another name of /run.
func (h *Host) place(socket string) string {
	name, below := strings.CutPrefix(socket, "/var/run/")
	if _, err := os.Lstat("/var/run"); below && err != nil {
		return h.Run + "/" + name
	}
	return socket
}

// askLog looks for the patterns in the log of the unit since it was started.
func (o *Options) askLog(ctx context.Context, host Host) error {
	ctx, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	unit, err := host.systemd().Unit(ctx, o.Service)
	if err != nil {
		return err
	}
	if !unit.Started {
		return &probe.Unknown{Err: fmt.Errorf("systemd does not say since when %s has been up", unit.Name), Remedy: "name the unit by --service"}
	}
	back := unit.Up
	if o.Loopback > 0 {
		back = min(back, o.Loopback)
	}
	return (&probe.Lines{Directories: host.Journal, Unit: unit.Name, Since: host.Now().Add(-back), Patterns: o.Patterns}).Ask(ctx)
}

// repair has the main process of the unit end, as `systemctl kill --kill-who=main` does,
// if it has been up for long enough. What keeps it from that is no news of the health.
func (o *Options) repair(ctx context.Context, host Host) (notes []string) {
	ctx, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	systemd := host.systemd()
	unit, err := systemd.Unit(ctx, o.Service)
	switch {
	case err != nil:
		return []string{"no repair: " + explained(err).Error()}
	case !unit.Started:
		return []string{"no repair: " + unit.Name + " has not been started"}
	case unit.Up <= o.Cooldown:
		return []string{fmt.Sprintf("no repair: %s has been up for %s, and --cooldown-time is %s", unit.Name, unit.Up.Round(time.Second), o.Cooldown)}
	}
	if o.Component == docker { // dockerd then logs what its goroutines do
		err = systemd.Kill(ctx, unit.Name, syscall.SIGUSR1)
	}
	err = errors.Join(err, systemd.Kill(ctx, unit.Name, syscall.SIGTERM))
	if err != nil {
		return []string{"no repair: " + explained(err).Error()}
	}
	return []string{"repair: the main process of " + unit.Name + " was told to end"}
}
