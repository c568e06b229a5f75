package checks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
	"github.com/otelnpd/otelnpd/pipeline/source/mounts"
)

// DiskSpaceConfig is how full the node's file systems are, in per cent of what
// ordinary users may have (as df(1) shows it). Each file system is an instance, named
// by where it is mounted. One that can be mounted read-only alone is full by nature,
// and left out.
type DiskSpaceConfig struct {
	Base           `yaml:",inline"`
	MountSelection `yaml:",inline"`
	// AvailableBelow is in GiB: a file system with more available counts as empty, however
	// large it is; 0: that does not matter.
	AvailableBelow float64 `yaml:"available_below"`
}

// DiskInodesConfig is how many of their inodes file systems have used, in per cent: no
// file can be made where none is left. Those that make inodes as they need them have
// no such limit, and are left out.
type DiskInodesConfig struct {
	Base           `yaml:",inline"`
	MountSelection `yaml:",inline"`
}

// defaultSelection leaves out what is made to be full, and volumes of pods: those are
// their owners'.
func defaultSelection() MountSelection {
	return MountSelection{
		Types: localTypes(),
		Exclude: []string{
			"/boot", "/efi", "/oem", "/usr/share/oem", "/var/lib/kubelet/pods", "/var/lib/kubelet/plugins",
			"/var/lib/k0s/kubelet/pods", "/var/lib/k0s/kubelet/plugins", // where k0s and MicroK8s have them
			"/var/snap/microk8s/common/var/lib/kubelet/pods", "/var/snap/microk8s/common/var/lib/kubelet/plugins",
		},
	}
}

// Full disks turn no condition unless asked for: there are nodes that live with one.
func defaultDiskSpace() DiskSpaceConfig {
	return DiskSpaceConfig{
		Base: Base{
			Enabled: true, Condition: "DiskSpaceShortage",
			Warn: Limit{Enter: 95, Leave: 93, For: time.Minute, Reason: "DiskSpaceLow"},
			Fail: Limit{Reason: "DiskSpaceUsedUp"},
		},
		MountSelection: defaultSelection(), AvailableBelow: 5,
	}
}

func defaultDiskInodes() DiskInodesConfig {
	return DiskInodesConfig{
		Base: Base{
			Enabled: true, Condition: "DiskInodeShortage",
			Warn: Limit{Enter: 95, Leave: 93, For: time.Minute, Reason: "DiskInodesLow"},
			Fail: Limit{Reason: "DiskInodesUsedUp"},
		},
		MountSelection: defaultSelection(),
	}
}

func (c *DiskSpaceConfig) entry() entry {
	return entry{
		name: "disk_space", class: "disk-space", unit: percent, base: &c.Base, asks: c, instances: true,
		// A file system is nearly full.
		// Remedy: see what fills it (`du -x`): images, logs, Pods' local storage; make it larger.
		brings:   healthyType("DiskSpaceShortage", "DiskSpaceAvailable", "there is space on all file systems"),
		validate: c.validate,
		measures: func(s *system) measure {
			var seen mountsSeen
			return func(ctx context.Context) (measured, error) {
				return s.measureDisks(ctx, &c.MountSelection, &seen, c.figure)
			}
		},
	}
}

func (c *DiskInodesConfig) entry() entry {
	return entry{
		name: "disk_inodes", class: "disk-inodes", unit: percent, base: &c.Base, asks: c, instances: true,
		// A file system has nearly no inodes left: no file can be made although there is space.
		// Remedy: take many small files away; make the file system anew with more inodes.
		brings:   healthyType("DiskInodeShortage", "DiskInodesAvailable", "there are inodes on all file systems"),
		validate: c.MountSelection.validate,
		measures: func(s *system) measure {
			var seen mountsSeen
			return func(ctx context.Context) (measured, error) {
				return s.measureDisks(ctx, &c.MountSelection, &seen, inodesFigure)
			}
		},
	}
}

func (c *DiskSpaceConfig) validate() error {
	err := c.MountSelection.validate()
	if !(c.AvailableBelow >= 0) {
		err = errors.Join(err, pipeline.At("available_below", fmt.Errorf("%s is out of range: write GiB, for example 5, or 0", decimal(c.AvailableBelow))))
	}
	return err
}

// measureDisks takes a figure of each file system; ok is false where it has none.
func (s *system) measureDisks(ctx context.Context, c *MountSelection, seen *mountsSeen, of func(*mounts.FileSystem, mounts.Usage) (f figure, ok bool)) (measured, error) {
	found, err := s.ownMounts(c)
	if err != nil {
		return measured{}, err
	}
	list := mounts.Group(found)
	m := measured{complete: seen.complete(list), figures: s.outOfReach(c, list)}
	for _, one := range s.disks.All(ctx, writable(list)) {
		if one.Err != nil {
			m.figures = append(m.figures, figure{instance: one.Of.Point(), err: one.Err})
			continue
		}
		if f, ok := of(one.Of, one.Usage); ok {
			m.figures = append(m.figures, f)
		}
	}
	return m, nil
}

// writable leaves out the file systems that were mounted read-only. One that the
// kernel has made so stays: its mounts are not read-only.
func writable(list []mounts.FileSystem) (left []mounts.FileSystem) {
	for _, one := range list {
		if slices.ContainsFunc(one.Mounts, func(m mounts.Mount) bool { return !m.ReadOnly || !m.Has("ro") }) {
			left = append(left, one)
		}
	}
	return left
}

// outOfReach tells of the file systems that the host has mounted and the agent cannot
// reach: what was mounted after its container was begun, unless that is passed on.
func (s *system) outOfReach(c *MountSelection, seen []mounts.FileSystem) (figures []figure) {
	found, err := s.hostMounts(c)
	if err != nil {
		return nil // then nobody knows
	}
	known := map[string]bool{}
	for i := range seen {
		known[seen[i].Device] = true
	}
	for _, one := range writable(mounts.Group(found)) {
		if !known[one.Device] {
			figures = append(figures, figure{instance: one.Point(), err: hostview.NewBlind(
				"the agent does not see the file system "+one.String(),
				"mount the host's / into the agent's container with mountPropagation: HostToContainer, or exclude it",
			)})
		}
	}
	return figures
}

const gib = 1 << 30

func (c *DiskSpaceConfig) figure(of *mounts.FileSystem, u mounts.Usage) (f figure, ok bool) {
	if u.Used+u.Available == 0 {
		return figure{}, false
	}
	share := 100 * float64(u.Used) / float64(u.Used+u.Available)
	available := float64(u.Available) / gib
	f = figure{
		instance: of.Point(), value: share,
		text: fmt.Sprintf("%s is %s %% full, %s of %s GiB are available", of, decimal(share), decimal(available), decimal(float64(u.Used+u.Available)/gib)),
	}
	if c.AvailableBelow > 0 && available >= c.AvailableBelow {
		f.value = 0
	}
	return f, true
}

func inodesFigure(of *mounts.FileSystem, u mounts.Usage) (f figure, ok bool) {
	if u.Inodes == 0 {
		return figure{}, false
	}
	f = shareOf(of.Point(), u.Inodes-u.FreeInodes, u.Inodes, "inodes")
	f.text = of.String() + " has used " + f.text
	return f, true
}
