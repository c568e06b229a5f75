package hoststat

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/procfs"
	"github.com/shirou/gopsutil/v3/common"
	"github.com/shirou/gopsutil/v3/disk"
	"github.com/shirou/gopsutil/v3/load"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/mounts"
)

// size is how large a generated node is.
type size struct{ cpus, interfaces, disks int }

func (s size) String() string { return fmt.Sprintf("%dcpu-%dif-%ddisk", s.cpus, s.interfaces, s.disks) }

// generate makes a node of a size on the base of a recorded one. Each disk is mounted.
func generate(t testing.TB, s size) (dir string) {
	t.Helper()
	dir = unpack(t, "linux-5.15")
	line := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	interrupts := strings.Repeat(" 0", 4*s.cpus)
	stat := "cpu  1 2 3 4 5 6 7 8 9 10\n" + line("cpu%[1]d 453820 3773220 1615730 6032800 8360 0 16740 0 0 0\n", s.cpus) +
		"intr 1" + interrupts + "\nctxt 1\nbtime 1764000000\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n"
	net := "Inter-|\n face |bytes\n" + line("veth%07[1]d: 280952607 19169 0 0 0 0 0 0 1551380 15325 0 0 0 0 0 0\n", s.interfaces)
	put(t, filepath.Join(dir, "proc/stat"), stat)
	put(t, filepath.Join(dir, "proc/1/net/dev"), net)
	put(t, filepath.Join(dir, "proc/net/dev"), net)
	put(t, filepath.Join(dir, "proc/diskstats"), line("259 %[1]d nvme%[1]dn1 469266 42560 12483514 288894 126220 375221 44441624 209136 0 68988 519122 59526 74 18358080 19399 1508 1691\n", s.disks))
	table := "17 1 8:1 / HOST rw - ext4 /dev/sda1 rw\n" + line("2%[1]d 17 259:%[1]d / HOST/data%[1]d rw,relatime - xfs /dev/nvme%[1]dn1 rw\n", s.disks)
	put(t, filepath.Join(dir, "proc/self/mountinfo"), strings.ReplaceAll(table, "HOST", dir))
	put(t, filepath.Join(dir, "proc/1/mountinfo"), strings.ReplaceAll(strings.ReplaceAll(table, "HOST/", "/"), "HOST", "/"))
	for i := range s.disks {
		put(t, filepath.Join(dir, fmt.Sprintf("sys/block/nvme%dn1/size", i)), "2000\n")
		put(t, filepath.Join(dir, fmt.Sprintf("sys/block/nvme%dn1/slaves/.keep", i)), "")
		put(t, filepath.Join(dir, fmt.Sprintf("data%d/.keep", i)), "")
	}
	return dir
}

func sizes() []size { return []size{{128, 8, 4}, {512, 2000, 200}} }

func BenchmarkRead(b *testing.B) {
	for _, s := range sizes() {
		b.Run(s.String(), func(b *testing.B) {
			dir := generate(b, s)
			r := recorded(dir)
			r.ask(func(of *mounts.FileSystem) (mounts.Usage, error) {
				return statfsAnywhere(dir, of)
			})
			b.ReportAllocs()
			for b.Loop() {
				n := r.Read(b.Context())
				if len(n.CPU.Each) != s.cpus || len(n.Interfaces.Each) != s.interfaces || len(n.FileSystems.Each) != s.disks+1 {
					b.Fatal("it is not whole")
				}
			}
		})
	}
}

// statfsAnywhere asks the directory where a recorded file system would be.
func statfsAnywhere(root string, of *mounts.FileSystem) (mounts.Usage, error) {
	u, err := disk.Usage(filepath.Join(root, of.Point()))
	if err != nil {
		return mounts.Usage{}, err
	}
	return mounts.Usage{Total: u.Total, Used: u.Used, Free: u.Free}, nil
}

// BenchmarkLibraries reads what node-problem-detector reads, by the libraries that it
// reads it with: less than a reading has.
func BenchmarkLibraries(b *testing.B) {
	for _, s := range sizes() {
		b.Run(s.String(), func(b *testing.B) {
			dir := generate(b, s)
			b.ReportAllocs()
			for b.Loop() {
				byLibraries(b, dir, s)
			}
		})
	}
}

func byLibraries(b *testing.B, dir string, s size) {
	b.Helper()
	ctx := context.WithValue(b.Context(), common.EnvKey, common.EnvMap{
		common.HostProcEnvKey: filepath.Join(dir, "proc"), common.HostSysEnvKey: filepath.Join(dir, "sys"),
	})
	_, err := load.AvgWithContext(ctx)
	require.NoError(b, err)
	proc, err := procfs.NewFS(filepath.Join(dir, "proc"))
	require.NoError(b, err)
	stat, err := proc.Stat()
	require.NoError(b, err)
	require.Len(b, stat.CPU, s.cpus)
	_, err = proc.Meminfo()
	require.NoError(b, err)
	net, err := proc.NetDev()
	require.NoError(b, err)
	require.Len(b, net, s.interfaces)
	_, err = disk.IOCountersWithContext(ctx)
	require.NoError(b, err)
	parts, err := disk.PartitionsWithContext(ctx, false)
	require.NoError(b, err)
	for _, one := range parts {
		_, err = disk.UsageWithContext(ctx, filepath.Join(dir, strings.TrimPrefix(one.Mountpoint, dir)))
		require.NoError(b, err)
	}
}
