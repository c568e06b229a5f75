package checks

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDefaultsAreValid(t *testing.T) {
	require.NoError(t, DefaultConfig().Validate())
	require.NoError(t, all().Validate())
}

// What is on by default is what can raise no false alarm.
func TestWhatIsOnByDefault(t *testing.T) {
	var on []string
	for _, one := range DefaultConfig().entries() {
		if one.base.Enabled {
			on = append(on, one.name)
		}
	}
	require.Equal(t, []string{
		"threads", "file_descriptors", "memory_stall", "inotify",
		"disk_space", "disk_inodes", "readonly_filesystem", "filesystem_errors", "disk_state", "raid_degraded",
		"conntrack", "neighbours", "link_down", "link_flaps", "link_errors",
		"clock_jump", "memory_corrected", "memory_uncorrected",
	}, on)
}

func TestValidate(t *testing.T) {
	for want, spoil := range map[string]func(*Config){
		"interval: 0s is out of range: write 1s to 24h0m0s":                                 func(c *Config) { c.Interval = 0 },
		"threads.interval: 25h0m0s is out of range: write 1s to 24h0m0s":                    func(c *Config) { c.Threads.Interval = 25 * time.Hour },
		"threads.fail.leave: 95 % is out of range: write at most 90 %, which is enter":      func(c *Config) { c.Threads.Fail.Leave = 95 },
		"threads.fail.enter: 101 % is out of range: write more than 0 and at most 100 %":    func(c *Config) { c.Threads.Fail.Enter = 101 },
		"threads.warn.enter: -1 % is out of range":                                          func(c *Config) { c.Threads.Warn = Limit{Enter: -1, Leave: -2, Reason: "X"} },
		"threads.warn.enter: 95 % is more than fail.enter, 90 %: write less":                func(c *Config) { c.Threads.Warn.Enter = 95 },
		"threads.warn.reason: is missing":                                                   func(c *Config) { c.Threads.Warn.Reason = "" },
		"threads.fail.for: 169h0m0s is out of range: write at most 168h0m0s":                func(c *Config) { c.Threads.Fail.For = 169 * time.Hour },
		"threads.mode: \"loud\" is unknown: write one of enforce, observe":                  func(c *Config) { c.Threads.Mode = "loud" },
		"threads.enabled: there is no limit to judge by: write warn.enter or fail.enter":    func(c *Config) { c.Threads.Warn.Enter, c.Threads.Fail.Enter = 0, 0 },
		"threads.cgroups[0]: \"../x\" is no path in the hierarchy of cgroups":               func(c *Config) { c.Threads.Cgroups = []string{"../x"} },
		"memory_stall.available_below: 0 is out of range: write more than 0":                func(c *Config) { c.MemoryStall.AvailableBelow = 0 },
		"oom_kills.window: 1s is out of range: write 1m0s to 24h0m0s":                       func(c *Config) { c.OOMKills.Window = time.Second },
		"oom_kills.cgroups[0]: \"/system.slice\" is no path in the hierarchy of cgroups":    func(c *Config) { c.OOMKills.Cgroups = []string{"/system.slice"} },
		"process_file_descriptors.names: is empty":                                          func(c *Config) { c.ProcessFileDescriptors.Names = nil },
		"process_file_descriptors.names[0]: \"[\" is no name or pattern: write for example": func(c *Config) { c.ProcessFileDescriptors.Names = []string{"["} },

		"disk_space.types: is empty: write at least one type, for example ext4":            func(c *Config) { c.DiskSpace.Types = nil },
		"disk_inodes.types[0]: \"a b\" is no type of a file system":                        func(c *Config) { c.DiskInodes.Types = []string{"a b"} },
		"readonly_filesystem.exclude[0]: \"boot\" is no directory: write an absolute path": func(c *Config) { c.ReadonlyFilesystem.Exclude = []string{"boot"} },
		"disk_space.exclude[0]: \"/boot/\" is no directory":                                func(c *Config) { c.DiskSpace.Exclude = []string{"/boot/"} },
		"disk_space.available_below: -1 is out of range: write GiB, for example 5, or 0":   func(c *Config) { c.DiskSpace.AvailableBelow = -1 },
		"link_down.interfaces[0]: \"[\" is no name of a link":                              func(c *Config) { c.LinkDown.Interfaces = []string{"["} },
		"link_flaps.window: 1s is out of range: write 1m0s to 24h0m0s":                     func(c *Config) { c.LinkFlaps.Window = time.Second },
		"link_errors.min_errors: 0 is out of range: write at least 1":                      func(c *Config) { c.LinkErrors.MinErrors = 0 },
		"memory_corrected.window: 25h0m0s is out of range":                                 func(c *Config) { c.MemoryCorrected.Window = 25 * time.Hour },
		"thermal_throttle.window: 0s is out of range":                                      func(c *Config) { c.ThermalThrottle.Window = 0 },
		"dns.names: is empty: write at least one name, for example kubernetes.default.svc": func(c *Config) { c.DNS.Enabled = true },
		"dns.names: has 17 names, at most 16 are allowed":                                  func(c *Config) { c.DNS.Names = make([]string, 17) },
		"dns.names[0]: \"\" is no name: it is empty":                                       func(c *Config) { c.DNS.Names = []string{""} },
		"dns.names[0]: \"a..b\" is no name: ":                                              func(c *Config) { c.DNS.Names = []string{"a..b"} },
		"dns.servers[0]: \"ns1\" is no name server: write ADDRESS or ADDRESS:PORT":         func(c *Config) { c.DNS.Servers = []string{"ns1"} },
		"dns.timeout: 1ms is out of range: write 100ms to 15s":                             func(c *Config) { c.DNS.Timeout = time.Millisecond },
		"dns.fail.enter: 5 s is more than timeout, 3s: write less":                         func(c *Config) { c.DNS.Timeout = 3 * time.Second },
	} {
		config := DefaultConfig()
		spoil(config)
		err := config.Validate()
		require.ErrorContains(t, err, want)
	}
}

func TestWarnings(t *testing.T) {
	c := DefaultConfig()
	require.Empty(t, c.Warnings())
	c.Memory.Fail.Enter, c.OOMKills.Window = 97, time.Hour
	odd := c.Warnings()
	require.Len(t, odd, 2)
	require.EqualError(t, odd[0], "memory: is off, so that what is set here has no effect: write enabled: true in it")
	require.ErrorContains(t, odd[1], "oom_kills: is off")
	c.Memory.Enabled, c.OOMKills.Enabled, c.Threads.Enabled = true, true, false
	require.Empty(t, c.Warnings(), "who turns off what is on by default means it")
}

// Ids of rules are kept over restarts: they must not change.
func TestDeclarations(t *testing.T) {
	declared := all().Declare()
	var rules []string
	for _, one := range declared.Rules {
		require.NotEmpty(t, one.Definition, one.ID)
		require.True(t, one.Level)
		require.True(t, one.Once, "an event is told once an episode")
		rules = append(rules, strings.TrimSuffix(one.ID+" "+one.Reason+" "+one.Condition, " "))
	}
	require.Equal(t, []string{
		"checks/threads/warn ThreadsHigh",
		"checks/threads ThreadsExhausted ThreadPressure",
		"checks/file_descriptors/warn FileDescriptorsHigh",
		"checks/file_descriptors FileDescriptorsExhausted FileDescriptorPressure",
		"checks/memory/warn MemoryLow",
		"checks/memory MemoryUsedUp MemoryShortage",
		"checks/memory_stall/warn MemoryStalls",
		"checks/memory_stall MemoryThrashing MemoryStall",
		"checks/cpu_stall/warn CPUStalls",
		"checks/cpu_stall CPUStarved CPUStall",
		"checks/io_stall/warn IOStalls",
		"checks/io_stall IOStuck IOStall",
		"checks/inotify InotifyExhausted InotifyPressure",
		"checks/process_file_descriptors/warn ProcessFileDescriptorsHigh",
		"checks/process_file_descriptors ProcessFileDescriptorsExhausted ProcessFileDescriptorPressure",
		"checks/oom_kills/warn OOMKills",
		"checks/zombies/warn ZombieProcessesHigh",
		"checks/zombies ZombieProcessesPileUp ZombieProcesses",
		"checks/blocked_processes/warn ProcessBlocked",
		"checks/blocked_processes ProcessHangs BlockedProcesses",
		"checks/load/warn LoadHigh",
		"checks/load LoadTooHigh HighLoad",
		"checks/disk_space/warn DiskSpaceLow",
		"checks/disk_inodes/warn DiskInodesLow",
		"checks/readonly_filesystem FilesystemIsReadOnly ReadonlyFilesystem",
		"checks/filesystem_errors/warn FilesystemHasErrors",
		"checks/disk_state/warn DiskDoesNotWork",
		"checks/raid_degraded/warn RAIDIsDegraded",
		"checks/conntrack/warn ConntrackHigh",
		"checks/conntrack ConntrackFull ConntrackPressure",
		"checks/neighbours/warn NeighbourTableHigh",
		"checks/neighbours NeighbourTableFull NeighbourTablePressure",
		"checks/link_down/warn NetworkLinkLost",
		"checks/link_flaps/warn NetworkLinkFlapping",
		"checks/link_errors/warn NetworkLinkDamagesPackets",
		"checks/iptables_mix/warn IPTablesVersionsMismatch",
		"checks/clock_sync/warn NTPIsLate",
		"checks/clock_sync NTPIsDown NTPProblem",
		"checks/clock_jump/warn ClockJumped",
		"checks/memory_corrected/warn MemoryErrorsCorrected",
		"checks/memory_uncorrected MemoryErrorsUncorrected MemoryHardwareError",
		"checks/thermal_throttle/warn ProcessorThrottled",
	}, rules)
	require.Len(t, declared.Types, 16)

	off := DefaultConfig()
	off.Threads.Enabled, off.FileDescriptors.Condition, off.MemoryStall.Condition = false, "", "Mine"
	declared = off.Declare()
	var types []string
	for _, one := range declared.Types {
		types = append(types, one.Name)
	}
	require.Equal(t, []string{"InotifyPressure", "ReadonlyFilesystem", "ConntrackPressure", "NeighbourTablePressure", "MemoryHardwareError"}, types, "a condition of the user's own is declared by the user")
	for _, one := range declared.Rules {
		require.NotContains(t, one.ID, "threads")
	}
}

func TestIntervals(t *testing.T) {
	config := all()
	config.Threads.Interval = 5 * time.Minute
	settings := newTree(t).settings(t)
	require.Equal(t, 5*time.Minute, checkOf(t, config, settings, "threads").Interval)
	require.Equal(t, 30*time.Second, checkOf(t, config, settings, "file_descriptors").Interval)
}
