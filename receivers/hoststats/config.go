package hoststats

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Config is the configuration of a hoststats receiver.
type Config struct {
	// Interval is the time between two readings of the node, 1s to 24h.
	Interval time.Duration `yaml:"interval"`
	// CPU is what the CPUs and the scheduler do.
	CPU CPUConfig `yaml:"cpu"`
	// Memory is how the memory is used.
	Memory GroupConfig `yaml:"memory"`
	// Paging is swap and page faults; NPD has nothing of it.
	Paging GroupConfig `yaml:"paging"`
	// Disk is what disks do.
	Disk DiskConfig `yaml:"disk"`
	// Filesystem is how full file systems are.
	Filesystem FilesystemConfig `yaml:"filesystem"`
	// Network is what network interfaces do.
	Network NetworkConfig `yaml:"network"`
	// Processes is how many processes there are; NPD counts them in its group cpu.
	Processes GroupConfig `yaml:"processes"`
	// Uptime is how long the node has been running.
	Uptime GroupConfig `yaml:"uptime"`
	// OSFeatures is what the kernel has turned on and which modules it has; NPD's names
	// alone have it.
	OSFeatures OSFeaturesConfig `yaml:"os_features"`
	// NPD says which metrics there are under node-problem-detector's names, where
	// `service.telemetry.naming` is npd or both.
	NPD NPDConfig `yaml:"npd"`
}

// GroupConfig turns a group of metrics on or off.
type GroupConfig struct {
	// Enabled turns the group on.
	Enabled bool `yaml:"enabled"`
}

// CPUConfig is the group cpu.
type CPUConfig struct {
	// Enabled turns the group on.
	Enabled bool `yaml:"enabled"`
	// LogicalNumbers tells the figures of each CPU apart in system.cpu.time and
	// system.cpu.utilization, by the attribute cpu.logical_number.
	LogicalNumbers bool `yaml:"logical_numbers"`
	// MaxCPUs is how many CPUs have figures of their own, 1 to 2,000: those with the lowest
	// numbers.
	MaxCPUs int `yaml:"max_cpus"`
}

// DiskConfig is the group disk.
type DiskConfig struct {
	// Enabled turns the group on.
	Enabled bool `yaml:"enabled"`
	// Devices are the kinds of block devices that count: `whole` are those at the top of
	// lsblk (disks, no partitions), `mounted` those of which a file system is mounted; none:
	// all that there are.
	Devices []DeviceKind `yaml:"devices"`
	// MaxDevices is how many have figures, 1 to 5,000: those that the kernel lists first.
	MaxDevices int `yaml:"max_devices"`
	// Selection is by the kernel's name: sda, nvme0n1p1, dm-0.
	Selection `yaml:",inline"`
}

// FilesystemConfig is the group filesystem.
type FilesystemConfig struct {
	// Enabled turns the group on.
	Enabled bool `yaml:"enabled"`
	// Remote asks file systems of servers and of processes too (NFS, FUSE). One that does
	// not answer is left out.
	Remote bool `yaml:"remote"`
	// MaxMounts is how many have figures, 1 to 5,000: the first by the names of their mount
	// points.
	MaxMounts int `yaml:"max_mounts"`
	// Selection is by mount point: /, /var/lib/kubelet/*.
	Selection `yaml:",inline"`
}

// NetworkConfig is the group network.
type NetworkConfig struct {
	// Enabled turns the group on.
	Enabled bool `yaml:"enabled"`
	// MaxInterfaces is how many have figures, 1 to 10,000: those that the kernel lists
	// first.
	MaxInterfaces int `yaml:"max_interfaces"`
	// Selection is by the interface's name: eth0, bond0.
	Selection `yaml:",inline"`
}

// OSFeaturesConfig is the group os_features.
type OSFeaturesConfig struct {
	// Enabled turns the group on.
	Enabled bool `yaml:"enabled"`
	// KnownModules is a JSON file of modules that are not unknown though they are not the
	// kernel's own: `[{"moduleName": "NAME"}]`. A relative path begins at the folder of
	// the configuration.
	KnownModules string `yaml:"known_modules"`
}

// NPDConfig says which metrics there are under node-problem-detector's names.
type NPDConfig struct {
	// Metrics are those that there are (cpu/load_1m); none: all of the groups that are on.
	Metrics []string `yaml:"metrics"`
	// Names are other names for some of them, by the metric: {cpu/load_1m: node/load}.
	Names map[string]string `yaml:"names"`
}

// DeviceKind is a kind of block devices.
type DeviceKind string

// The kinds of block devices that can be chosen.
const (
	DevicesWhole   DeviceKind = "whole"
	DevicesMounted DeviceKind = "mounted"
)

// Words are the kinds that there are.
func (DeviceKind) Words() []string { return []string{string(DevicesWhole), string(DevicesMounted)} }

// The bounds of a configuration. What is served of one instrument stays below the limit of
// attribute sets in pipeline/telemetry: ten stages of each CPU, two directions of
// each device, three states of each mount.
const (
	minInterval   = time.Second
	maxInterval   = 24 * time.Hour
	maxCPUs       = 2000
	maxDevices    = 5000
	maxMounts     = 5000
	maxInterfaces = 10000
)

// DefaultConfig has all groups on, of what belongs to the node: an interface for each Pod
// would make a metric of each Pod.
func DefaultConfig() *Config {
	on := GroupConfig{Enabled: true}
	return &Config{
		Interval:   time.Minute,
		CPU:        CPUConfig{Enabled: true, MaxCPUs: 1024},
		Memory:     on,
		Paging:     on,
		Disk:       DiskConfig{Enabled: true, Devices: []DeviceKind{DevicesWhole, DevicesMounted}, MaxDevices: 512},
		Filesystem: FilesystemConfig{Enabled: true, MaxMounts: 512},
		Network: NetworkConfig{Enabled: true, MaxInterfaces: 2048, Selection: Selection{
			Exclude: []string{"veth*", "cali*", "lxc*", "eni*", "azv*", "gke*"},
		}},
		Processes:  on,
		Uptime:     on,
		OSFeatures: OSFeaturesConfig{Enabled: true},
	}
}

// RelativeTo makes the path of the known modules begin at a directory.
func (c *Config) RelativeTo(dir string) {
	if path := c.OSFeatures.KnownModules; path != "" && !filepath.IsAbs(path) {
		c.OSFeatures.KnownModules = filepath.Join(dir, path)
	}
}

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	errs := []error{
		pipeline.At("cpu.max_cpus", bounded(c.CPU.MaxCPUs, maxCPUs)),
		pipeline.At("disk.max_devices", bounded(c.Disk.MaxDevices, maxDevices)),
		pipeline.At("filesystem.max_mounts", bounded(c.Filesystem.MaxMounts, maxMounts)),
		pipeline.At("network.max_interfaces", bounded(c.Network.MaxInterfaces, maxInterfaces)),
		pipeline.At("disk", c.Disk.validate()),
		pipeline.At("filesystem", c.Filesystem.validate()),
		pipeline.At("network", c.Network.validate()),
		pipeline.At("npd", c.NPD.validate()),
	}
	if c.Interval < minInterval || c.Interval > maxInterval {
		errs = append(errs, pipeline.At("interval", fmt.Errorf("%s is out of bounds: write a time from 1s to 24h, for example 60s", c.Interval)))
	}
	return errors.Join(errs...)
}

func bounded(n, most int) error {
	if n < 1 || n > most {
		return fmt.Errorf("%d is out of bounds: write a number from 1 to %d", n, most)
	}
	return nil
}

// needsMounts tells whether what is mounted must be known.
func (c *DiskConfig) needsMounts() bool { return slices.Contains(c.Devices, DevicesMounted) }

func (c *DiskConfig) validate() error {
	errs := []error{c.Selection.validate()}
	for i, kind := range c.Devices {
		errs = append(errs, pipeline.At(fmt.Sprintf("devices[%d]", i), pipeline.CheckWord(kind)))
	}
	return errors.Join(errs...)
}
