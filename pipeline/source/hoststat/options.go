package hoststat

// Parts is a set of the parts of a reading.
type Parts uint16

// The parts of a reading.
const (
	PartCPU Parts = 1 << iota
	PartLoad
	PartMemory
	PartPaging
	PartDisks
	PartFileSystems
	PartInterfaces
	PartProcesses
	PartUptime
	PartSystem
	PartCommandLine
	PartModules

	// AllParts is all of them.
	AllParts Parts = 1<<iota - 1
)

// has tells whether one part is in the set.
func (p Parts) has(one Parts) bool { return p&one != 0 }

// Options say where the node is, and what is asked of it. The zero value is the node as
// the agent itself sees it, and all parts.
type Options struct {
	// Root, Proc and Sys are where the node's root directory, /proc and /sys are seen;
	// empty: /, /proc and /sys.
	Root, Proc, Sys string
	// Parts are what is read; 0: all.
	Parts Parts
	// Remote asks file systems of a server or of a process too (NFS, FUSE …), not
	// only those on the node's own disks.
	Remote bool
	// KnownModules is a JSON file of kernel modules, [{"moduleName": "NAME"} …], which are
	// not unknown though they are not the kernel's own; empty: there is none. It is the
	// agent's own file, not below Root, and read anew at each reading.
	KnownModules string
}
