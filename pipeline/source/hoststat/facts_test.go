package hoststat

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What the recordings must say, written by hand.
func TestFactsOfRecordedNodes(t *testing.T) {
	read := func(name string) (n Reading, disks map[string]Disk, mounted map[string]FileSystem) {
		n = recorded(unpack(t, name)).Read(t.Context())
		disks, mounted = map[string]Disk{}, map[string]FileSystem{}
		for _, d := range n.Disks.Each {
			disks[d.Name] = d
		}
		for _, f := range n.FileSystems.Each {
			mounted[f.MountPoint] = f
		}
		return n, disks, mounted
	}
	kind := func(d Disk) [3]any { return [3]any{d.Kind, d.Parent, d.Root} }

	n, disks, mounted := read("linux-3.10")
	require.False(t, n.Memory.Available.Known)
	require.False(t, n.Memory.HugePagesTotal.Known)
	require.Equal(t, Amount{4000000 << 10, true}, n.Memory.Free)
	require.Equal(t, "centos 7 (Core)", n.System.OSVersion)
	require.False(t, n.CommandLine.KTD, "it is within quotes")
	require.Equal(t, [3]any{KindDisk, "", true}, kind(disks["cciss/c0d0"]))
	require.Equal(t, [3]any{KindPartition, "cciss/c0d0", false}, kind(disks["cciss/c0d0p1"]))
	require.Equal(t, [3]any{KindMapper, "", false}, kind(disks["dm-0"]))
	require.False(t, disks["sda"].Discards.Known)
	require.Equal(t, "/dev/dm-0", mounted["/"].Device)
	require.Equal(t, "cciss/c0d0p1", mounted["/srv/my data"].Disk)
	require.True(t, mounted["/boot"].ReadOnly)
	require.Len(t, mounted, 3, "a bind mount is no file system")
	require.EqualValues(t, 812, n.Load.Threads)
	require.EqualValues(t, 2, n.Processes.Count)

	n, disks, mounted = read("linux-4.19")
	require.Equal(t, "cos 85-13310.1209.12", n.System.OSVersion)
	require.Equal(t, CommandLine{KTD: true, ModuleIntegrity: true}, n.CommandLine)
	require.Equal(t, Modules{GPU: true, Unknown: []string{"evil"}}, n.Modules)
	require.Equal(t, [3]any{KindPartition, "nvme0n1", false}, kind(disks["nvme0n1p1"]))
	require.Equal(t, [3]any{KindRAM, "", false}, kind(disks["ram0"]))
	require.Equal(t, [3]any{KindLoop, "", true}, kind(disks["loop0"]))
	require.Equal(t, [3]any{KindLoop, "", false}, kind(disks["loop1"]))
	require.True(t, disks["nvme0n1"].Discards.Known)
	require.False(t, disks["nvme0n1"].Flushes.Known)
	require.Equal(t, "/dev/nvme0n1p1", mounted["/"].Device)
	require.EqualError(t, mounted["/mnt/nfs"].Err, "stale file handle")
	require.NotContains(t, mounted, "/var/lib/docker/overlay")
	require.Equal(t, Interface{Name: "eth0", RxBytes: 1, RxPackets: 2, RxErrors: 3, RxDropped: 4, RxFIFO: 5, RxFrame: 6, RxCompressed: 7, RxMulticast: 8,
		TxBytes: 9, TxPackets: 10, TxErrors: 11, TxDropped: 12, TxFIFO: 13, TxCollisions: 14, TxCarrier: 15, TxCompressed: 16}, n.Interfaces.Each[1])

	n, disks, mounted = read("linux-5.15")
	require.Equal(t, "ubuntu 22.04.3 LTS (Jammy Jellyfish)", n.System.OSVersion)
	require.True(t, n.CommandLine.UnifiedCgroups && n.CommandLine.CgroupV2)
	require.Equal(t, "sda2", mounted["/"].Disk, "btrfs has a device number of its own")
	require.NotContains(t, mounted, "/home")
	require.True(t, mounted["/data"].ReadOnly)
	require.Equal(t, [3]any{KindRAID, "", false}, kind(disks["md0"]))
	require.Equal(t, [3]any{KindDisk, "", true}, kind(disks["mmcblk0boot0"]))
	require.True(t, disks["sda"].Flushes.Known)
	require.True(t, mounted["/mnt/ssh"].Remote)
	require.EqualValues(t, 60<<30, mounted["/pool"].Free)
	require.EqualValues(t, 2048<<10, n.Memory.HugePageSize.N)
	require.EqualValues(t, 16, n.Memory.HugePagesTotal.N)

	n, _, mounted = read("linux-6.12")
	require.Equal(t, "talos v1.9.1", n.System.OSVersion)
	require.Equal(t, []int{0, 5, 7}, []int{n.CPU.Each[0].Number, n.CPU.Each[1].Number, n.CPU.Each[2].Number})
	require.Equal(t, "rw,relatime", mounted["/"].Options, "as the node has it, not the container")
	require.ErrorContains(t, mounted["/late"].Err, "does not see the file system /late")
	require.Nil(t, n.Modules.Unknown)
}
