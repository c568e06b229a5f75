package checks

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// counterOf is a counter of the recorded server, the check that watches it, and what
// it says once it has grown by 200 within a minute.
var counted = map[string]struct {
	file, text, want string
}{
	"link_flaps":       {"sys/devices/pci0000:00/0000:00:03.0/net/eth0/carrier_changes", "%d", "eth0 problem: the carrier of eth0 changed 200 times in 1m0s, limit 10"},
	"link_errors":      {"sys/devices/pci0000:00/0000:00:03.0/net/eth0/statistics/rx_errors", "%d", "eth0 problem: eth0 damaged 200 packets beside 0 good ones in 1m0s (100 %), limit 1 %"},
	"memory_corrected": {"sys/devices/system/edac/mc/mc0/ce_count", "%d", "mc0 problem: mc0 corrected 200 memory errors in 1m0s, limit 100: dimm0 (CPU_SrcID#0_MC#0_Chan#0_DIMM#0) 12 since the node has booted"},
	"thermal_throttle": {"sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "%d", "package 0 problem: the processors of package 0 were slowed down 200 times for their heat in 1m0s, limit 100"},
	"neighbours": {"proc/net/stat/ndisc_cache", "entries table_fulls\n0000000c %08x\n",
		"IPv6 problem: 12 IPv6 neighbours of 1,024 (1.2 %) that gc_thresh3 allows; it was full 200 times in 1m0s, limit 100 %"},
}

// What has grown is told; after the window it is forgotten. What it had before nobody
// looked does not count, nor what it had before it was reset, and what was counted while
// the agent was away does.
func TestCountersThatGrow(t *testing.T) {
	for name, one := range counted {
		t.Run(name, func(t *testing.T) {
			tr := newTree(t, "linux-6.8-cgroup2", "devices-6.12")
			s := tr.system(t)
			run := checkOn(t, all(), s, name).Run
			set := func(n int) { tr.write(t, one.file, fmt.Sprintf(one.text, n)) }
			look := func() string { return strings.Join(told(run(t.Context())), "\n") + "\n" }
			set(5000)
			require.NotContains(t, look(), "problem")
			tr.clock.Advance(time.Minute)
			set(5200)
			require.Contains(t, look(), one.want+"\n")
			tr.clock.Advance(time.Minute)
			require.Contains(t, look(), "problem", "the window has not passed")
			tr.clock.Advance(2 * time.Hour)
			_ = look()
			tr.clock.Advance(2 * time.Hour)
			require.NotContains(t, look(), "problem")
			set(3) // its driver was loaded anew
			require.NotContains(t, look(), "problem")

			kept, err := s.counters.keep()()
			require.NoError(t, err)
			next := tr.system(t)
			require.NoError(t, next.counters.resume(kept))
			run = checkOn(t, all(), next, name).Run
			tr.clock.Advance(time.Minute)
			set(203)
			require.Contains(t, look(), "problem", "while the agent was away")
		})
	}
}

// What was counted in days in which the agent was away is no news: it may be days old.
func TestCountersAfterALongAbsence(t *testing.T) {
	for name, one := range counted {
		t.Run(name, func(t *testing.T) {
			tr := newTree(t, "linux-6.8-cgroup2", "devices-6.12")
			s := tr.system(t)
			run := checkOn(t, all(), s, name).Run
			set := func(n int) { tr.write(t, one.file, fmt.Sprintf(one.text, n)) }
			look := func() string { return strings.Join(told(run(t.Context())), "\n") + "\n" }
			set(5000)
			_ = look()
			kept, err := s.counters.keep()()
			require.NoError(t, err)

			tr.clock.Advance(72 * time.Hour)
			next := tr.system(t)
			require.NoError(t, next.counters.resume(kept))
			run = checkOn(t, all(), next, name).Run
			set(5200)
			told := look()
			require.NotContains(t, told, "problem")
			require.Contains(t, told, "between", "nor is it over, if it was one")
			tr.clock.Advance(time.Minute)
			set(5400)
			require.Contains(t, look(), one.want+"\n", "what has grown since is told")
		})
	}
}

// A link that had few errors, or few among many packets, is well.
func TestShareOfLinkErrors(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2", "devices-6.12")
	run := checkOn(t, all(), tr.system(t), "link_errors").Run
	const dir = "sys/devices/pci0000:00/0000:00:03.0/net/eth0/statistics/"
	look := func(errs, packets int) string {
		tr.write(t, dir+"tx_errors", strconv.Itoa(errs))
		tr.write(t, dir+"rx_packets", strconv.Itoa(packets))
		tr.clock.Advance(20 * time.Minute)
		_ = run(t.Context())
		return strings.Join(told(run(t.Context())), "\n")
	}
	_ = look(0, 0)
	require.Contains(t, look(99, 100), "eth0 ok: ")
	require.Contains(t, look(99+500, 100+99_500), "eth0 between: eth0 damaged 500 packets beside 99,500 good ones in 20m0s (0.5 %)")
	require.Contains(t, look(99+500+2000, 100+99_500+98_000), "eth0 problem: eth0 damaged 2,000 packets beside 98,000 good ones in 20m0s (2 %), limit 1 %")
}

func TestWhichLinksCount(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2", "devices-6.12")
	names := func(interfaces ...string) (names []string) {
		links, err := tr.system(t).links(&LinkSelection{Interfaces: interfaces})
		require.NoError(t, err)
		for _, one := range links {
			names = append(names, one.name)
		}
		return names
	}
	require.Equal(t, []string{"bond0", "eth0", "eth1", "eth2"}, names())
	require.Equal(t, []string{"eth1", "vethaa"}, names("veth*", "eth1", "none"))
	tr.remove(t, "sys/class/net/bonding_masters", "sys/class/net/eth1")
	require.Equal(t, []string{"eth0", "eth2"}, names())
	for port, want := range map[string][]string{
		"p0": {"eth0", "eth2"}, "pf0vf3": {"eth2"}, "pf1sf88": {"eth2"}, "c1pf0vf0": {"eth2"}, "pf0": {"eth0", "eth2"}, "": {"eth0", "eth2"},
	} {
		tr.write(t, "sys/class/net/eth0/phys_port_name", port)
		require.Equal(t, want, names(), port)
	}
}

// A link that is gone is no problem, and one that was seen with a carrier has lost it,
// whether the kernel counts that or not.
func TestLinkDownWithoutACount(t *testing.T) {
	tr := newTree(t, "linux-3.10-cgroup1", "devices-3.10")
	run := checkOn(t, all(), tr.system(t), "link_down").Run
	look := func() string { return strings.Join(told(run(t.Context())), "\n") }
	tr.write(t, "sys/devices/pci0000:00/0000:00:03.0/net/em1/carrier", "0")
	require.Contains(t, look(), "em1 between: ", "it may have been so before")
	tr.write(t, "sys/devices/pci0000:00/0000:00:03.0/net/em1/carrier", "1")
	require.Contains(t, look(), "em1 ok: ")
	tr.write(t, "sys/devices/pci0000:00/0000:00:03.0/net/em1/carrier", "0")
	require.Contains(t, look(), "em1 problem: em1 has lost its carrier, limit 1")
	tr.write(t, "sys/devices/pci0000:00/0000:00:03.0/net/em1/flags", "0x1002")
	require.Contains(t, look(), "em1 ok: em1 is turned off")
	tr.remove(t, "sys/class/net/em1")
	report := run(t.Context())
	require.True(t, report.Complete)
	require.Empty(t, report.Findings)
}

func TestStatesOfDisks(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2", "devices-6.12")
	run := checkOn(t, all(), tr.system(t), "disk_state").Run
	for state, want := range map[string]string{"running": "ok", "blocked": "problem", "offline": "problem", "transport-offline": "problem", "quiesce": "ok", "deleted": "ok", "": "problem"} {
		tr.write(t, "sys/block/sdb/device/state", state)
		require.Contains(t, strings.Join(told(run(t.Context())), "\n"), "disk_state/warn sdb "+want+": ", state)
	}
	for state, want := range map[string]string{"live": "ok", "new": "ok", "resetting": "problem", "connecting": "problem", "dead": "problem", "deleting (no IO)": "ok"} {
		tr.write(t, "sys/devices/pci0000:00/0000:00:01.0/nvme/nvme0/state", state)
		require.Contains(t, strings.Join(told(run(t.Context())), "\n"), "disk_state/warn nvme0 "+want+": NVMe controller nvme0 is in the state "+state, state)
	}
}

// What is below a thermal_throttle counts once a core and once a package.
func TestThrottledProcessors(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2", "devices-6.12")
	for cpu, of := range [][3]int{{0, 0, 4}, {0, 0, 4}, {0, 1, 10}, {1, 0, 100}} {
		dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d/", cpu)
		tr.write(t, dir+"topology/physical_package_id", strconv.Itoa(of[0]))
		tr.write(t, dir+"topology/core_id", strconv.Itoa(of[1]))
		tr.write(t, dir+"thermal_throttle/core_throttle_count", strconv.Itoa(of[2]))
		tr.write(t, dir+"thermal_throttle/package_throttle_count", strconv.Itoa(1000*(1+of[0])))
	}
	tr.write(t, "sys/devices/system/cpu/cpu9/topology/core_id", "3") // off
	list, err := tr.system(t).throttled()
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.EqualValues(t, 1000+4+10, list[0].count)
	require.EqualValues(t, 2000+100, list[1].count)

	// Container engines mount something empty over it.
	tr.remove(t, "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count")
	report := tr.look(t, all(), "thermal_throttle")
	require.Contains(t, report.Degraded.Reason, "hidden from this container")
	require.False(t, report.Complete)
}

func TestConntrackOfAnotherNamespace(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2", "devices-6.12")
	tr.remove(t, "proc/sys/net/core/dev_weight")
	for _, name := range []string{"conntrack", "neighbours", "iptables_mix"} {
		report := tr.look(t, all(), name)
		require.Contains(t, strings.Join(told(report), "\n"), " - unknown: the agent is not in the host's network namespace", name)
		require.Contains(t, report.Degraded.Remedy, "hostNetwork: true")
	}
	require.Contains(t, strings.Join(told(tr.look(t, all(), "link_down")), "\n"), "eth0 ok: ", "a mounted sysfs shows its own namespace")
	tr.link(t, "proc/1/ns/net", "net:[4026531833]")
	tr.link(t, "proc/self/ns/net", "net:[4026531833]")
	require.Contains(t, strings.Join(told(tr.look(t, all(), "conntrack")), "\n"), "conntrack - ok: ", "it is that of the first process")
	tr.remove(t, "proc/sys/net/ipv4/neigh")
	require.Contains(t, strings.Join(told(tr.look(t, all(), "neighbours")), "\n"), "neighbours IPv4 unknown: the limit of IPv4 neighbours is not seen from this network namespace")
}

func TestParseNeighbourStat(t *testing.T) {
	stat, err := parseNeighbourStat("entries  allocs table_fulls\n0000000a 00000001 00000002\n0000000a 00000001 1ffffffff\n")
	require.NoError(t, err)
	require.Equal(t, neighbourStat{entries: 10, full: 0x200000001}, stat)
	for _, text := range []string{"", "entries", "allocs\n1\n", "entries\n\n", "entries\nx\n", "entries table_fulls\n1\n", "entries table_fulls\n1 -1\n"} {
		_, err := parseNeighbourStat(text)
		require.ErrorIs(t, err, errNeighbourStat, text)
	}
}

func TestParseErrorStats(t *testing.T) {
	all, err := parseErrorStats("write_errs 1\nread_errs 2\nflush_errs 0\ncorruption_errs 4\ngeneration_errs 0\n")
	require.NoError(t, err)
	require.EqualValues(t, 7, all)
	for _, text := range []string{"", "invalid\n", "write_errs\n", "write_errs -1\n", "write_errs 1 2\n"} {
		_, err := parseErrorStats(text)
		require.ErrorIs(t, err, errErrorStats, text)
	}
}

func FuzzDeviceFiles(f *testing.F) {
	for _, path := range []string{"/proc/net/stat/arp_cache", "testdata/devices-6.12.txt"} {
		text, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(string(text))
	}
	f.Add("write_errs 1\nread_errs 2\n")
	f.Fuzz(func(t *testing.T, text string) {
		if stat, err := parseNeighbourStat(text); err == nil {
			_ = stat
			require.Contains(t, text, "entries")
		}
		if all, err := parseErrorStats(text); err == nil {
			require.LessOrEqual(t, all, uint64(strings.Count(text, "\n")+1)<<32)
		}
	})
}

// message makes a message of nftables.
func nftMessageOf(kind uint16, family byte, attributes ...[]byte) []byte {
	body := append([]byte{family, 0, 0, 0}, bytes.Join(attributes, nil)...)
	m := make([]byte, unix.NLMSG_HDRLEN, unix.NLMSG_HDRLEN+len(body))
	binary.NativeEndian.PutUint32(m, uint32(cap(m)))
	binary.NativeEndian.PutUint16(m[4:], unix.NFNL_SUBSYS_NFTABLES<<8|kind)
	return append(m, body...)
}

func TestReadDump(t *testing.T) {
	list := func(datagram []byte) (tables []nftTable, done bool, err error) {
		done, err = readDump(datagram, func(m *syscall.NetlinkMessage) bool {
			if one, ok := parseNFTTable(m); ok {
				tables = append(tables, one)
			}
			return true
		})
		return tables, done, err
	}
	two := append(nftMessageOf(unix.NFT_MSG_NEWTABLE, 2, attribute(9, "x"), attribute(unix.NFTA_TABLE_NAME, "filter")),
		nftMessageOf(unix.NFT_MSG_NEWTABLE, 10, attribute(unix.NFTA_TABLE_NAME, "nat"))...)
	tables, done, err := list(two)
	require.NoError(t, err)
	require.False(t, done)
	require.Equal(t, []nftTable{{2, "filter"}, {10, "nat"}}, tables)

	failed := make([]byte, unix.NLMSG_HDRLEN+4)
	binary.NativeEndian.PutUint32(failed, uint32(len(failed)))
	binary.NativeEndian.PutUint16(failed[4:], unix.NLMSG_ERROR)
	_, done, err = list(failed)
	require.NoError(t, err, "0 is no error")
	require.True(t, done)
	binary.NativeEndian.PutUint32(failed[unix.NLMSG_HDRLEN:], ^uint32(unix.EPERM)+1)
	_, _, err = list(failed)
	require.ErrorIs(t, err, unix.EPERM)
	_, _, err = list(two[:len(two)-1])
	require.Error(t, err)
}

func FuzzDump(f *testing.F) {
	f.Add(append(nftMessageOf(unix.NFT_MSG_NEWTABLE, 2, attribute(unix.NFTA_TABLE_NAME, "filter")), nftMessageOf(unix.NFT_MSG_NEWRULE, 10, attribute(unix.NFTA_RULE_TABLE, "nat"))...))
	f.Fuzz(func(_ *testing.T, datagram []byte) {
		_, _ = readDump(datagram, func(m *syscall.NetlinkMessage) bool {
			_, _ = parseNFTTable(m)
			_ = textAttribute(m.Data, unix.NFTA_RULE_TABLE)
			_ = isExempt(m.Data)
			return true
		})
	})
}

// A directory that is larger than any the kernel makes is not read in part.
func TestDirectoryWithTooManyEntries(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2", "devices-6.12")
	for i := range maxEntries + 1 {
		require.NoError(t, os.MkdirAll(tr.path(fmt.Sprintf("sys/block/x%d", i)), 0o755))
	}
	report := tr.look(t, all(), "raid_degraded")
	require.Contains(t, report.Degraded.Reason, "it has more than 4096 entries")
	require.False(t, report.Complete)
}
