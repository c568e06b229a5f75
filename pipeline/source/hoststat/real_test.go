package hoststat

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// need skips a test where a tool is missing; in CI that is a failure.
func need(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

func output(t *testing.T, command ...string) []byte {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), command[0], command[1:]...).Output()
	require.NoError(t, err)
	return text
}

// rows splits a file of /proc into lines and fields, as plainly as can be.
func rows(t *testing.T, path string) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		rows = append(rows, strings.Fields(line))
	}
	return rows
}

// keyed are the numbers behind the first field of each line.
func keyed(t *testing.T, path string) map[string][]float64 {
	t.Helper()
	all := map[string][]float64{}
	for _, row := range rows(t, path) {
		if len(row) == 0 {
			continue
		}
		var numbers []float64
		for _, field := range row[1:] {
			n, err := strconv.ParseFloat(field, 64)
			if err != nil {
				break
			}
			numbers = append(numbers, n)
		}
		all[strings.TrimSuffix(row[0], ":")] = numbers
	}
	return all
}

// between tells that a counter is where it can only be.
func between(t *testing.T, name string, before, ours, after float64) {
	t.Helper()
	assert.LessOrEqual(t, before, ours, name)
	assert.LessOrEqual(t, ours, after, name)
}

// Counters of this machine, read plainly before and after.
func TestCountersAreThoseOfThisMachine(t *testing.T) {
	r := New(Options{Proc: "/proc"})
	stat, vm := keyed(t, "/proc/stat"), keyed(t, "/proc/vmstat")
	n := r.Read(t.Context())
	stat2, vm2 := keyed(t, "/proc/stat"), keyed(t, "/proc/vmstat")
	require.NoError(t, n.CPU.Err)
	times := func(c *CPUTimes) []float64 {
		return []float64{c.User, c.Nice, c.System, c.Idle, c.IOWait, c.IRQ, c.SoftIRQ, c.Steal, c.Guest, c.GuestNice}
	}
	lines := map[string]*CPUTimes{"cpu": &n.CPU.Total}
	for i := range n.CPU.Each {
		lines["cpu"+strconv.Itoa(n.CPU.Each[i].Number)] = &n.CPU.Each[i].CPUTimes
	}
	for name, c := range lines {
		for i, seconds := range times(c) {
			if i == 3 || i == 4 { // idle and iowait may go back a little
				assert.InDelta(t, stat[name][i]/100, seconds, 5+(stat2[name][i]-stat[name][i])/100, name)
				continue
			}
			between(t, name, stat[name][i]/100, seconds, stat2[name][i]/100)
		}
	}
	for name := range stat {
		if strings.HasPrefix(name, "cpu") {
			assert.Contains(t, lines, name)
		}
	}
	between(t, "intr", stat["intr"][0], float64(n.CPU.Interrupts), stat2["intr"][0])
	between(t, "ctxt", stat["ctxt"][0], float64(n.CPU.ContextSwitches), stat2["ctxt"][0])
	between(t, "processes", stat["processes"][0], float64(n.CPU.ProcessesCreated), stat2["processes"][0])
	assert.InDelta(t, stat["btime"][0], n.CPU.BootTime.Unix(), 1)

	require.NoError(t, n.Paging.Err)
	for name, of := range map[string]Amount{"pgfault": n.Paging.Faults, "pgmajfault": n.Paging.MajorFaults, "pswpin": n.Paging.SwappedIn, "pswpout": n.Paging.SwappedOut} {
		if vm[name] == nil {
			assert.False(t, of.Known, name)
			continue
		}
		between(t, name, vm[name][0], float64(of.N), vm2[name][0])
	}
	between(t, "pgpgin", vm["pgpgin"][0]*1024, float64(n.Paging.PagedIn.N), vm2["pgpgin"][0]*1024)
	between(t, "pgpgout", vm["pgpgout"][0]*1024, float64(n.Paging.PagedOut.N), vm2["pgpgout"][0]*1024)
}

func TestTimesLoadAndMemoryOfThisMachine(t *testing.T) {
	up, memory := rows(t, "/proc/uptime"), keyed(t, "/proc/meminfo")
	n := New(Options{}).Read(t.Context())
	up2, memory2 := rows(t, "/proc/uptime"), keyed(t, "/proc/meminfo")
	number := func(text string) float64 {
		x, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		return x
	}
	between(t, "uptime", number(up[0][0]), n.Uptime.Seconds, number(up2[0][0]))
	require.NoError(t, n.Load.Err)
	require.NoError(t, n.Memory.Err)
	assert.InDelta(t, memory["MemTotal"][0]*1024, float64(n.Memory.Total.N), 0)
	assert.InDelta(t, memory["SwapTotal"][0]*1024, float64(n.Memory.SwapTotal.N), 0)
	// What goes up and down is near what it was before or after.
	for name, of := range map[string]Amount{
		"MemFree": n.Memory.Free, "MemAvailable": n.Memory.Available, "Buffers": n.Memory.Buffers, "Cached": n.Memory.Cached,
		"Slab": n.Memory.Slab, "SReclaimable": n.Memory.SlabReclaimable, "SUnreclaim": n.Memory.SlabUnreclaimable,
		"Active(anon)": n.Memory.ActiveAnon, "Inactive(anon)": n.Memory.InactiveAnon, "Active(file)": n.Memory.ActiveFile,
		"Inactive(file)": n.Memory.InactiveFile, "Dirty": n.Memory.Dirty, "Writeback": n.Memory.Writeback,
		"Unevictable": n.Memory.Unevictable, "Shmem": n.Memory.Shmem,
	} {
		require.True(t, of.Known, name)
		assert.InDelta(t, memory[name][0]*1024, float64(of.N), 1<<30+2*abs(memory[name][0]-memory2[name][0])*1024, name)
	}
	release := strings.TrimSpace(string(output(t, "uname", "-r")))
	assert.Equal(t, release, n.System.KernelVersion)
}

func abs(x float64) float64 { return max(x, -x) }

func TestDisksAreThoseOfThisMachine(t *testing.T) {
	before := rows(t, "/proc/diskstats")
	n := New(Options{}).Read(t.Context())
	after := rows(t, "/proc/diskstats")
	require.NoError(t, n.Disks.Err)
	if len(before) != len(after) {
		t.Skip("a disk has come or gone")
	}
	require.Len(t, n.Disks.Each, len(before))
	for i := range before {
		d := &n.Disks.Each[i]
		require.Equal(t, before[i][2], d.Name)
		for column, ours := range map[int]float64{
			3: float64(d.Reads), 4: float64(d.ReadsMerged), 5: float64(d.ReadBytes) / 512, 6: float64(d.ReadMillis),
			7: float64(d.Writes), 8: float64(d.WritesMerged), 9: float64(d.WrittenBytes) / 512, 10: float64(d.WriteMillis),
			12: float64(d.IOMillis), 13: float64(d.WeightedMillis), 14: float64(d.Discards.N), 15: float64(d.DiscardsMerged.N),
			16: float64(d.DiscardedBytes.N) / 512, 17: float64(d.DiscardMillis.N), 18: float64(d.Flushes.N), 19: float64(d.FlushMillis.N),
		} {
			if column < len(before[i]) {
				low, err := strconv.ParseFloat(before[i][column], 64)
				require.NoError(t, err)
				high, err := strconv.ParseFloat(after[i][column], 64)
				require.NoError(t, err)
				between(t, d.Name, low, ours, high)
			}
		}
	}
}

// lsblk(8) tells the same kinds, sizes and parents.
func TestKindsOfDisksAreThoseOfLsblk(t *testing.T) {
	need(t, "lsblk")
	type device struct {
		Name, Type string
		Size       uint64
		Children   []device
	}
	var listed struct{ BlockDevices []device }
	require.NoError(t, json.Unmarshal(output(t, "lsblk", "-b", "-J", "-o", "NAME,TYPE,SIZE"), &listed))
	n := New(Options{}).Read(t.Context())
	require.NoError(t, n.Disks.SysErr)
	ours := map[string]*Disk{}
	var roots, want []string
	for i := range n.Disks.Each {
		d := &n.Disks.Each[i]
		ours[d.Name] = d
		if d.Root {
			roots = append(roots, d.Name)
		}
	}
	for _, one := range listed.BlockDevices {
		want = append(want, one.Name)
		d := ours[one.Name]
		require.NotNil(t, d, one.Name)
		require.Equal(t, one.Size, d.Size, one.Name)
		for _, child := range one.Children {
			if c := ours[child.Name]; child.Type == "part" {
				require.NotNil(t, c)
				require.Equal(t, [2]any{KindPartition, one.Name}, [2]any{c.Kind, c.Parent}, child.Name)
			}
		}
	}
	require.ElementsMatch(t, want, roots)
}

func TestFileSystemsAreThoseOfDf(t *testing.T) {
	need(t, "df")
	n := New(Options{}).Read(t.Context())
	require.NoError(t, n.FileSystems.Err)
	require.NotEmpty(t, n.FileSystems.Each)
	for _, one := range n.FileSystems.Each {
		require.NoError(t, one.Err)
		text := output(t, "df", "-B1", "--output=size,used,avail,itotal,fstype", one.MountPoint)
		row := strings.Fields(string(bytes.Split(text, []byte("\n"))[1]))
		for i, ours := range []uint64{one.Total, one.Used, one.Available, one.Inodes} {
			theirs, err := strconv.ParseUint(row[i], 10, 64)
			require.NoError(t, err)
			require.InDelta(t, float64(theirs), float64(ours), 2<<30, one.MountPoint) // others write there
		}
		require.Equal(t, row[4], one.Type)
	}
}

func TestInterfacesAreThoseOfIP(t *testing.T) {
	need(t, "ip")
	type direction struct{ Bytes, Packets, Errors, Dropped, Multicast, Collisions uint64 }
	type link struct {
		Ifname  string
		Stats64 struct{ Rx, Tx direction }
	}
	read := func() (links []link) {
		require.NoError(t, json.Unmarshal(output(t, "ip", "-s", "-j", "link"), &links))
		return links
	}
	before := read()
	n := New(Options{}).Read(t.Context())
	after := read()
	require.NoError(t, n.Interfaces.Err)
	require.NotEmpty(t, before)
	for i, low := range before {
		at := slices.IndexFunc(n.Interfaces.Each, func(one Interface) bool { return one.Name == low.Ifname })
		if at < 0 || i >= len(after) || after[i].Ifname != low.Ifname {
			continue // it has come or gone
		}
		one, high := &n.Interfaces.Each[at], after[i]
		for _, c := range [][3]uint64{
			{low.Stats64.Rx.Bytes, one.RxBytes, high.Stats64.Rx.Bytes}, {low.Stats64.Rx.Packets, one.RxPackets, high.Stats64.Rx.Packets},
			{low.Stats64.Rx.Errors, one.RxErrors, high.Stats64.Rx.Errors}, {low.Stats64.Rx.Multicast, one.RxMulticast, high.Stats64.Rx.Multicast},
			{low.Stats64.Tx.Bytes, one.TxBytes, high.Stats64.Tx.Bytes}, {low.Stats64.Tx.Packets, one.TxPackets, high.Stats64.Tx.Packets},
			{low.Stats64.Tx.Errors, one.TxErrors, high.Stats64.Tx.Errors}, {low.Stats64.Tx.Dropped, one.TxDropped, high.Stats64.Tx.Dropped},
			{low.Stats64.Tx.Collisions, one.TxCollisions, high.Stats64.Tx.Collisions},
		} {
			between(t, one.Name, float64(c[0]), float64(c[1]), float64(c[2]))
		}
	}
}

// A part that is left out costs nothing and says so; the end of the context is told.
func TestPartsThatAreNotAsked(t *testing.T) {
	n := New(Options{Parts: PartLoad | PartUptime}).Read(t.Context())
	require.NoError(t, n.Load.Err)
	require.NoError(t, n.Uptime.Err)
	for _, err := range []error{n.CPU.Err, n.Memory.Err, n.Paging.Err, n.Disks.Err, n.FileSystems.Err, n.Interfaces.Err, n.Processes.Err, n.System.Err, n.CommandLine.Err, n.Modules.Err} {
		require.ErrorIs(t, err, ErrNotAsked)
	}
}
