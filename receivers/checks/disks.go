package checks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// DiskStateConfig is which disks the kernel has given up, or cannot reach. Each NVMe
// controller and each SCSI disk is an instance; its figure is 1 where it does not
// work, else 0.
type DiskStateConfig struct {
	Base `yaml:",inline"`
}

// RAIDDegradedConfig is how many disks are missing in each software RAID (md).
type RAIDDegradedConfig struct {
	Base `yaml:",inline"`
}

func defaultDiskState() DiskStateConfig {
	return DiskStateConfig{Base: Base{
		Enabled: true, Condition: "DiskOffline",
		Warn: Limit{Enter: 1, For: 2 * time.Minute, Reason: "DiskDoesNotWork"},
		Fail: Limit{Reason: "DiskDoesNotWork"},
	}}
}

func defaultRAIDDegraded() RAIDDegradedConfig {
	return RAIDDegradedConfig{Base: Base{
		Enabled: true, Condition: "RAIDDegraded",
		Warn: Limit{Enter: 1, For: time.Minute, Reason: "RAIDIsDegraded"},
		Fail: Limit{Reason: "RAIDIsDegraded"},
	}}
}

func (c *DiskStateConfig) entry() entry {
	return entry{
		name: "disk_state", class: "disk-offline", unit: count, base: &c.Base, asks: c, instances: true,
		// A disk is not in use any more: the kernel has taken it out after errors, or it does not answer.
		// Remedy: move the work away and replace the disk or the node.
		brings: healthyType("DiskOffline", "DisksWork", "all disks can be reached"),
		measures: func(s *system) measure {
			return func(context.Context) (measured, error) { return s.measureDiskStates() }
		},
	}
}

func (c *RAIDDegradedConfig) entry() entry {
	return entry{
		name: "raid_degraded", class: "raid-degraded", unit: count, base: &c.Base, asks: c, instances: true,
		// A software RAID misses a disk: the next failure may lose its data.
		// Remedy: replace the disk and add it again (`mdadm --manage`).
		brings: healthyType("RAIDDegraded", "RAIDIsComplete", "no software RAID misses a disk"),
		measures: func(s *system) measure {
			return func(context.Context) (measured, error) { return s.measureRAID() }
		},
	}
}

// The states in which a disk works, or is about to. NVMe: nvme_sysfs_show_state in
// the kernel's drivers/nvme/host/sysfs.c; SCSI: sdev_states in drivers/scsi/
// scsi_sysfs.c. One that is being taken away is no problem; it will be gone.
func nvmeWorks() []string { return []string{"new", "live", "deleting", "deleting (no IO)"} }
func scsiWorks() []string { return []string{"created", "running", "quiesce", "cancel", "deleted"} }

func (s *system) measureDiskStates() (measured, error) {
	controllers, err := s.directories("class/nvme")
	if err != nil {
		return measured{}, err
	}
	disks, err := s.directories("block")
	if err != nil {
		return measured{}, err
	}
	m := measured{complete: true}
	for _, name := range controllers {
		m.add(diskState(name, "NVMe controller "+name, s.sys("class/nvme/"+name+"/state"), nvmeWorks()))
	}
	for _, name := range disks {
		if device := s.sys("block/" + name + "/device"); isSCSI(device) {
			m.add(diskState(name, "disk "+name, device+"/state", scsiWorks()))
		}
	}
	return m, nil
}

// isSCSI tells whether a device is on the SCSI bus. Those of others have states of
// their own: a disk of Xen is well when it is Connected.
func isSCSI(device string) bool {
	bus, err := os.Readlink(device + "/subsystem")
	return err == nil && filepath.Base(bus) == "scsi"
}

// add takes a figure if there is one.
func (m *measured) add(f figure, ok bool) {
	if ok {
		m.figures = append(m.figures, f)
	}
}

// diskState reads the state of a disk; not ok: it has none, or it is gone.
func diskState(name, what, path string, works []string) (f figure, ok bool) {
	text, err := readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return figure{}, false
	case err != nil:
		return figure{instance: name, err: err}, true
	}
	state := strings.TrimSpace(text)
	f = figure{instance: name, text: fmt.Sprintf("%s is in the state %.40s", what, state)}
	if !slices.Contains(works, state) {
		f.value = 1
	}
	return f, true
}

func (s *system) measureRAID() (measured, error) {
	disks, err := s.directories("block")
	if err != nil {
		return measured{}, err
	}
	m := measured{complete: true}
	for _, name := range disks {
		if strings.HasPrefix(name, "md") {
			m.add(s.raid(name))
		}
	}
	return m, nil
}

// raid reads what a software RAID lacks (Documentation/admin-guide/md.rst). One that
// is not running lacks nothing; one without redundancy has no such number, and is
// broken when a disk is missing.
func (s *system) raid(name string) (f figure, ok bool) {
	dir := s.sys("block/" + name + "/md")
	text, err := readFile(filepath.Join(dir, "array_state"))
	if errors.Is(err, fs.ErrNotExist) {
		return figure{}, false
	}
	if err != nil {
		return figure{instance: name, err: err}, true
	}
	state := strings.TrimSpace(text)
	switch state {
	case "clear", "inactive":
		return figure{}, false
	case "broken":
		return figure{instance: name, value: 1, text: "RAID " + name + " is broken"}, true
	}
	missing, err := readNumber(filepath.Join(dir, "degraded"))
	if errors.Is(err, fs.ErrNotExist) {
		return figure{instance: name, text: "RAID " + name + " is " + state}, true
	}
	if err != nil {
		return figure{instance: name, err: err}, true
	}
	return figure{instance: name, value: float64(missing), text: fmt.Sprintf("RAID %s (%s) misses %s of its disks%s", name, state, decimal(float64(missing)), recovery(dir))}, true
}

// recovery says what is done about it.
func recovery(dir string) string {
	action, err := readFile(filepath.Join(dir, "sync_action"))
	if err != nil || strings.TrimSpace(action) == "idle" {
		return ""
	}
	text := "; " + strings.TrimSpace(action)
	if done, err := readFile(filepath.Join(dir, "sync_completed")); err == nil {
		text += " " + strings.TrimSpace(done)
	}
	return text
}
