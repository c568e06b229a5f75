package hoststats

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/hoststat"
	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

// part is a part of a reading, and what went wrong in it.
type part struct {
	is     hoststat.Parts
	name   string
	errors func(*hoststat.Reading) error
}

// parts are all that there are.
func parts() []part {
	type node = hoststat.Reading
	return []part{
		{hoststat.PartCPU, "cpu", func(n *node) error { return n.CPU.Err }},
		{hoststat.PartLoad, "load", func(n *node) error { return n.Load.Err }},
		{hoststat.PartMemory, "memory", func(n *node) error { return n.Memory.Err }},
		{hoststat.PartPaging, "paging", func(n *node) error { return n.Paging.Err }},
		{hoststat.PartDisks, "disks", func(n *node) error { return errors.Join(n.Disks.Err, n.Disks.SysErr) }},
		{hoststat.PartFileSystems, "filesystems", filesystemErrors},
		{hoststat.PartInterfaces, "interfaces", func(n *node) error { return n.Interfaces.Err }},
		{hoststat.PartProcesses, "processes", func(n *node) error { return n.Processes.Err }},
		{hoststat.PartUptime, "uptime", func(n *node) error { return n.Uptime.Err }},
		{hoststat.PartSystem, "system", func(n *node) error { return errors.Join(n.System.Err, n.System.OSErr) }},
		{hoststat.PartCommandLine, "command_line", func(n *node) error { return n.CommandLine.Err }},
		{hoststat.PartModules, "modules", moduleErrors},
	}
}

// filesystemErrors are what is wrong with the list, or with single file systems.
func filesystemErrors(node *hoststat.Reading) error {
	errs := []error{node.FileSystems.Err}
	for i := range node.FileSystems.Each {
		if one := &node.FileSystems.Each[i]; one.Err != nil && len(errs) <= maxTold {
			errs = append(errs, fmt.Errorf("%s: %w", shown(one.MountPoint), one.Err))
		}
	}
	return errors.Join(errs...)
}

// moduleErrors are what is wrong with the modules. A kernel that cannot load any is well.
func moduleErrors(node *hoststat.Reading) error {
	err := node.Modules.Err
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, node.Modules.KnownErr)
}

// maxTold bounds how much of what is wrong is told.
const maxTold = 5

// report tells how the receiver does after a reading.
func (r *Receiver) report(ctx context.Context, node *hoststat.Reading) {
	var names []string
	var errs []error
	for _, p := range parts() {
		if r.parts&p.is == 0 {
			continue
		}
		if err := p.errors(node); err != nil {
			r.counters.countUnread(ctx, r.settings, p.name, 1)
			names, errs = append(names, p.name), append(errs, err)
		}
	}
	if len(errs) == 0 {
		r.settings.Report(pipeline.Status{State: pipeline.ComponentOK})
		return
	}
	err := errors.Join(errs...)
	r.settings.Report(pipeline.Status{
		State: pipeline.ComponentDegraded, Err: err, Remedy: remedy(err),
		Reason: fmt.Sprintf("some figures of the node are missing (%s): %s", strings.Join(names, ", "), strings.ReplaceAll(err.Error(), "\n", "; ")),
	})
}

// remedy says what to do.
func remedy(err error) string {
	const again = "the others go on, and it is tried again at each interval"
	if blind, ok := errors.AsType[*hostview.Blind](err); ok {
		return blind.Remedy + "; " + again
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Sprintf("run as root, or grant CAP_DAC_READ_SEARCH (this is uid %d); %s", os.Geteuid(), again)
	}
	return "look at the error, or turn the group of these figures off; " + again
}
