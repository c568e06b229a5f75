package hoststat

import (
	"errors"
	"time"
)

// ErrNotAsked is the error of a part that [Options.Parts] leaves out.
var ErrNotAsked = errors.New("it was not asked for")

// Reading is what the node said at one moment. Counters are as the kernel has them:
// most since boot, some of which may begin anew or go back a little. A part whose Err
// is not nil has no figures. Nothing in a reading is changed once it has been returned.
type Reading struct {
	// Time is when the reading began, with the monotonic clock.
	Time time.Time

	CPU         CPU
	Load        Load
	Memory      Memory
	Paging      Paging
	Disks       Disks
	FileSystems FileSystems
	Interfaces  Interfaces
	Processes   Processes
	Uptime      Uptime
	System      System
	CommandLine CommandLine
	Modules     Modules
}

// Amount is a figure that not every kernel has.
type Amount struct {
	N uint64
	// Known tells that this kernel has it.
	Known bool
}

// CPU is /proc/stat (proc_stat(5)).
type CPU struct {
	Err error
	// Total is the time of all CPUs, also of those that are offline now.
	Total CPUTimes
	// Each are the CPUs that are online, in the order of their numbers.
	Each []OneCPU

	Interrupts, ContextSwitches uint64
	// ProcessesCreated counts processes and threads since boot.
	ProcessesCreated uint64
	// Running and Blocked count threads: those that run or could, and those that wait for
	// a disk.
	Running, Blocked uint64
	// BootTime is when the node booted, by the wall clock of now.
	BootTime time.Time
}

// OneCPU is one CPU: N of cpuN.
type OneCPU struct {
	Number int
	CPUTimes
}

// CPUTimes are the seconds that were spent since boot. As in the kernel, User holds
// Guest, and Nice holds GuestNice: who adds up all leaves these two out. Idle and
// IOWait may go back a little.
type CPUTimes struct {
	User, Nice, System, Idle, IOWait, IRQ, SoftIRQ, Steal, Guest, GuestNice float64
}

// Load is /proc/loadavg (proc_loadavg(5)).
type Load struct {
	Err error
	// One, Five and Fifteen are how many threads ran, could run, or waited for a disk,
	// on average of so many minutes.
	One, Five, Fifteen float64
	// Threads is how many threads there are, those of the kernel included.
	Threads uint64
}

// Memory is /proc/meminfo (proc_meminfo(5)), in bytes. Total and Free are in every
// kernel.
type Memory struct {
	Err error

	Total, Free Amount
	// Available is since Linux 3.14: what new processes may get without swapping.
	Available       Amount
	Buffers, Cached Amount
	// Slab is SlabReclaimable and SlabUnreclaimable.
	Slab, SlabReclaimable, SlabUnreclaimable Amount

	ActiveAnon, InactiveAnon, ActiveFile, InactiveFile Amount
	Unevictable, Locked, Dirty, Writeback, Shmem       Amount
	Anon, Mapped, PageTables, KernelStack              Amount

	SwapTotal, SwapFree, SwapCached Amount
	// CommitLimit and Committed are bytes of address space.
	CommitLimit, Committed Amount

	// Huge pages of the default size: how many there are, and the bytes of one. A kernel
	// built without them has none.
	HugePagesTotal, HugePagesFree, HugePagesReserved, HugePagesSurplus, HugePageSize Amount
}

// Paging is /proc/vmstat.
type Paging struct {
	Err error
	// Faults are all page faults, MajorFaults those that had to read.
	Faults, MajorFaults Amount
	// SwappedIn and SwappedOut are pages. A kernel built without swap has none.
	SwappedIn, SwappedOut Amount
	// PagedIn and PagedOut are bytes read from and written to disks.
	PagedIn, PagedOut Amount
}

// Disks is /proc/diskstats (Documentation/admin-guide/iostats.rst), and what /sys says
// of its devices.
type Disks struct {
	Err error
	// Time is when the counters were read, with the monotonic clock.
	Time time.Time
	// Each are the block devices, in the kernel's order.
	Each []Disk
	// SysErr says why Kind, Parent, Mapper, Root and Size are not known; nil: they are.
	SysErr error
}

// DiskKind is what a block device is.
type DiskKind string

// The kinds of block devices.
const (
	KindUnknown   DiskKind = ""
	KindDisk      DiskKind = "disk"
	KindPartition DiskKind = "partition"
	KindLoop      DiskKind = "loop"
	KindRAM       DiskKind = "ram"
	KindZRAM      DiskKind = "zram"
	KindMapper    DiskKind = "dm"
	KindRAID      DiskKind = "md"
	KindROM       DiskKind = "rom"
	KindFloppy    DiskKind = "floppy"
	KindNetwork   DiskKind = "network" // nbd, rbd, drbd
)

// Disk is a block device and its counters since it came.
type Disk struct {
	// Name is the kernel's: sda, nvme0n1p1, dm-0, cciss/c0d0.
	Name         string
	Major, Minor uint32
	Kind         DiskKind
	// Parent is the disk of which it is a partition; empty: it is none.
	Parent string
	// Mapper is the name that the device mapper knows it by; empty: it is none of its.
	Mapper string
	// Root tells that it is one that lsblk(8) lists at the top: no partition, not made of
	// other block devices, no RAM disk, and no loop device without a file.
	Root bool
	// Size is in bytes; 0: there is no medium.
	Size uint64

	Reads, Writes             uint64 // completed
	ReadsMerged, WritesMerged uint64
	ReadBytes, WrittenBytes   uint64
	ReadMillis, WriteMillis   uint64 // of all requests together
	InFlight                  uint64 // of now
	IOMillis                  uint64 // in which there was any request
	WeightedMillis            uint64 // times the number of requests

	// Since Linux 4.18.
	Discards, DiscardsMerged, DiscardedBytes, DiscardMillis Amount
	// Since Linux 5.5.
	Flushes, FlushMillis Amount
}

// FileSystems are the mounted file systems that hold data: each once, however often it
// is mounted. Those that only the kernel fills, memory, and layers over others are left
// out.
type FileSystems struct {
	Err  error
	Each []FileSystem // in the order of MountPoint
}

// FileSystem is a file system, by that of its mounts that shows most of it.
type FileSystem struct {
	// Device is what it is mounted from: /dev/sda1, server:/export. A link (/dev/root,
	// /dev/mapper/NAME) is resolved to the device itself where the kernel tells it.
	Device       string
	Major, Minor uint32
	// Disk is the name of the block device in [Disks]; empty: there is none.
	Disk       string
	MountPoint string // on the node
	Type       string // ext4, xfs, nfs4, fuse.sshfs
	// Options are those of the mount, as on the node: rw,relatime. Empty: they are not
	// seen from here, and ReadOnly is only of the whole.
	Options  string
	ReadOnly bool // the mount or the whole file system
	// Remote tells that a server or a process answers for it.
	Remote bool

	// Err says why there are no figures of it: it does not answer, or the agent cannot
	// reach it.
	Err error
	// Total is Used and Free; what is free but not Available is kept for root. In bytes.
	Total, Used, Free, Available uint64
	// Inodes is 0 where there is no limit of them.
	Inodes, InodesFree uint64
}

// Interfaces is /proc/net/dev of the node's own network namespace.
type Interfaces struct {
	Err  error
	Each []Interface // in the kernel's order
}

// Interface is a network interface and its counters since it came.
type Interface struct {
	Name string

	RxBytes, RxPackets, RxErrors, RxDropped, RxFIFO, RxFrame, RxCompressed, RxMulticast    uint64
	TxBytes, TxPackets, TxErrors, TxDropped, TxFIFO, TxCollisions, TxCarrier, TxCompressed uint64
}

// Processes is the list of /proc.
type Processes struct {
	Err error
	// Count is how many processes there are, threads of the kernel included.
	Count uint64
}

// Uptime is /proc/uptime (proc_uptime(5)).
type Uptime struct {
	Err error
	// Seconds since boot.
	Seconds float64
}

// System is what runs on the node: /proc/sys/kernel/osrelease and os-release(5).
type System struct {
	Err error // of KernelVersion
	// KernelVersion is that of uname -r.
	KernelVersion string

	OSErr error // of what follows
	// OSVersion is the ID and the version: debian 12 (bookworm), cos 113-18244.85.29.
	OSVersion string
	// ID, Name, VersionID and PrettyName are those fields of os-release.
	ID, Name, VersionID, PrettyName string
}

// CommandLine is what /proc/cmdline turns on.
type CommandLine struct {
	Err error
	// KTD is csm.enabled, the threat detection in kernels of Container-Optimized OS.
	KTD bool
	// UnifiedCgroups is systemd.unified_cgroup_hierarchy. Newer systems have only the
	// unified hierarchy and need no such word: CgroupV2 is what there is.
	UnifiedCgroups bool
	// CgroupV2 tells that the unified hierarchy is mounted below /sys.
	CgroupV2 bool
	// ModuleIntegrity is module.sig_enforce and loadpin.enabled.
	ModuleIntegrity bool
}

// Modules is /proc/modules (proc_modules(5)).
type Modules struct {
	// Err is that the file cannot be read; it wraps fs.ErrNotExist where the kernel cannot
	// load modules.
	Err error
	// GPU tells that a driver of NVIDIA is loaded.
	GPU bool
	// Unknown are the modules that are not the kernel's own (out of tree or proprietary)
	// nor of a GPU, and not known by [Options.KnownModules], in order.
	Unknown []string
	// KnownErr says why the known modules could not be read: then none is known.
	KnownErr error
}
