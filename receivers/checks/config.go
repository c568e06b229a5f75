package checks

import (
	"errors"
	"reflect"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// Config is the configuration of a checks receiver.
type Config struct {
	// Interval is the time between two looks of each check, 1s to 24h.
	Interval time.Duration `yaml:"interval"`
	// Threads is how many threads there are, in per cent of what the kernel and cgroups
	// allow.
	Threads ThreadsConfig `yaml:"threads"`
	// FileDescriptors is how many files are open, in per cent of fs.file-max.
	FileDescriptors FileDescriptorsConfig `yaml:"file_descriptors"`
	// Memory is how much of the memory is not available, in per cent.
	Memory MemoryConfig `yaml:"memory"`
	// MemoryStall is for which part of the last minute all work waited for memory, in per
	// cent.
	MemoryStall MemoryStallConfig `yaml:"memory_stall"`
	// CPUStall is for which part of the last minute some thread waited for a CPU, in per
	// cent.
	CPUStall CPUStallConfig `yaml:"cpu_stall"`
	// IOStall is for which part of the last minute all work waited for disks, in per cent.
	IOStall IOStallConfig `yaml:"io_stall"`
	// Inotify is whether the agent's user can still make inotify instances and watches.
	Inotify InotifyConfig `yaml:"inotify"`
	// ProcessFileDescriptors is how many files some processes have open, in per cent of
	// their own limits.
	ProcessFileDescriptors ProcessFileDescriptorsConfig `yaml:"process_file_descriptors"`
	// OOMKills is how many processes the kernel has killed of late for want of memory.
	OOMKills OOMKillsConfig `yaml:"oom_kills"`
	// Zombies is how many processes have ended without their parents asking how.
	Zombies ZombiesConfig `yaml:"zombies"`
	// BlockedProcesses is how long, in seconds, a process has been in uninterruptible
	// sleep.
	BlockedProcesses BlockedProcessesConfig `yaml:"blocked_processes"`
	// Load is the load over five minutes, for each CPU.
	Load LoadConfig `yaml:"load"`
	// DiskSpace is how full file systems are, in per cent.
	DiskSpace DiskSpaceConfig `yaml:"disk_space"`
	// DiskInodes is how many of their inodes file systems have used, in per cent.
	DiskInodes DiskInodesConfig `yaml:"disk_inodes"`
	// ReadonlyFilesystem is which file systems the kernel has made read-only.
	ReadonlyFilesystem ReadonlyFilesystemConfig `yaml:"readonly_filesystem"`
	// FilesystemErrors is how many errors file systems have noted of themselves.
	FilesystemErrors FilesystemErrorsConfig `yaml:"filesystem_errors"`
	// DiskState is which disks the kernel has given up, or cannot reach.
	DiskState DiskStateConfig `yaml:"disk_state"`
	// RAIDDegraded is how many disks each software RAID misses.
	RAIDDegraded RAIDDegradedConfig `yaml:"raid_degraded"`
	// Conntrack is how many connections are tracked, in per cent of how many can be.
	Conntrack ConntrackConfig `yaml:"conntrack"`
	// Neighbours is how full the tables of neighbours are (ARP, NDP), in per cent.
	Neighbours NeighboursConfig `yaml:"neighbours"`
	// LinkDown is which network links have lost their carrier.
	LinkDown LinkDownConfig `yaml:"link_down"`
	// LinkFlaps is how often the carrier of network links came or went of late.
	LinkFlaps LinkFlapsConfig `yaml:"link_flaps"`
	// LinkErrors is how many packets of network links were damaged of late, in per cent.
	LinkErrors LinkErrorsConfig `yaml:"link_errors"`
	// IPTablesMix is whether there are iptables rules both legacy and nft.
	IPTablesMix IPTablesMixConfig `yaml:"iptables_mix"`
	// DNS is for how many seconds lookups of names take.
	DNS DNSConfig `yaml:"dns"`
	// ClockSync is by how many seconds the clock may be wrong.
	ClockSync ClockSyncConfig `yaml:"clock_sync"`
	// ClockJump is by how many seconds the clock has jumped.
	ClockJump ClockJumpConfig `yaml:"clock_jump"`
	// MemoryCorrected is how many errors of the memory were corrected of late.
	MemoryCorrected MemoryCorrectedConfig `yaml:"memory_corrected"`
	// MemoryUncorrected is how many errors of the memory could not be corrected.
	MemoryUncorrected MemoryUncorrectedConfig `yaml:"memory_uncorrected"`
	// ThermalThrottle is how often processors were slowed down of late for their heat.
	ThermalThrottle ThermalThrottleConfig `yaml:"thermal_throttle"`
	// UnexpectedReboot is whether the boot before this one did not end in order.
	UnexpectedReboot UnexpectedRebootConfig `yaml:"unexpected_reboot"`
}

// DefaultConfig runs the checks that can raise no false alarm on a node that is well,
// however busy it is.
func DefaultConfig() *Config {
	return &Config{
		Interval:               30 * time.Second,
		Threads:                defaultThreads(),
		FileDescriptors:        defaultFileDescriptors(),
		Memory:                 defaultMemory(),
		MemoryStall:            defaultMemoryStall(),
		CPUStall:               defaultCPUStall(),
		IOStall:                defaultIOStall(),
		Inotify:                defaultInotify(),
		ProcessFileDescriptors: defaultProcessFileDescriptors(),
		OOMKills:               defaultOOMKills(),
		Zombies:                defaultZombies(),
		BlockedProcesses:       defaultBlockedProcesses(),
		Load:                   defaultLoad(),
		DiskSpace:              defaultDiskSpace(),
		DiskInodes:             defaultDiskInodes(),
		ReadonlyFilesystem:     defaultReadonlyFilesystem(),
		FilesystemErrors:       defaultFilesystemErrors(),
		DiskState:              defaultDiskState(),
		RAIDDegraded:           defaultRAIDDegraded(),
		Conntrack:              defaultConntrack(),
		Neighbours:             defaultNeighbours(),
		LinkDown:               defaultLinkDown(),
		LinkFlaps:              defaultLinkFlaps(),
		LinkErrors:             defaultLinkErrors(),
		IPTablesMix:            defaultIPTablesMix(),
		DNS:                    defaultDNS(),
		ClockSync:              defaultClockSync(),
		ClockJump:              defaultClockJump(),
		MemoryCorrected:        defaultMemoryCorrected(),
		MemoryUncorrected:      defaultMemoryUncorrected(),
		ThermalThrottle:        defaultThermalThrottle(),
		UnexpectedReboot:       defaultUnexpectedReboot(),
	}
}

// entries is the list of all checks that there are.
func (c *Config) entries() []entry {
	return []entry{
		c.Threads.entry(),
		c.FileDescriptors.entry(),
		c.Memory.entry(),
		c.MemoryStall.entry(),
		c.CPUStall.entry(),
		c.IOStall.entry(),
		c.Inotify.entry(),
		c.ProcessFileDescriptors.entry(),
		c.OOMKills.entry(),
		c.Zombies.entry(),
		c.BlockedProcesses.entry(),
		c.Load.entry(),
		c.DiskSpace.entry(),
		c.DiskInodes.entry(),
		c.ReadonlyFilesystem.entry(),
		c.FilesystemErrors.entry(),
		c.DiskState.entry(),
		c.RAIDDegraded.entry(),
		c.Conntrack.entry(),
		c.Neighbours.entry(),
		c.LinkDown.entry(),
		c.LinkFlaps.entry(),
		c.LinkErrors.entry(),
		c.IPTablesMix.entry(),
		c.DNS.entry(),
		c.ClockSync.entry(),
		c.ClockJump.entry(),
		c.MemoryCorrected.entry(),
		c.MemoryUncorrected.entry(),
		c.ThermalThrottle.entry(),
		c.UnexpectedReboot.entry(),
	}
}

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	errs := []error{pipeline.At("interval", validateInterval(c.Interval))}
	for _, one := range c.entries() {
		errs = append(errs, one.check())
	}
	return errors.Join(errs...)
}

// Warnings tells of checks that are set and not turned on.
func (c *Config) Warnings() []error {
	var odd []error
	usual := DefaultConfig().entries()
	for i, one := range c.entries() {
		if !one.base.Enabled && !usual[i].base.Enabled && !reflect.DeepEqual(one.asks, usual[i].asks) {
			odd = append(odd, pipeline.At(one.name, errors.New("is off, so that what is set here has no effect: write enabled: true in it")))
		}
	}
	return odd
}

// Declare returns the rules of the checks that are enabled, and the conditions that
// they bring.
func (c *Config) Declare() condition.Declarations {
	var all condition.Declarations
	for _, one := range c.entries() {
		if one.base.Enabled {
			types, rules := one.declare()
			all.Types = append(all.Types, types...)
			all.Rules = append(all.Rules, rules...)
		}
	}
	return all
}
