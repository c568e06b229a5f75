package hoststat

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzFiles gives any text to each parser: none panics, and what has an error has no
// figures.
func FuzzFiles(f *testing.F) {
	for _, text := range []string{
		"cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4\nintr 5 6\nctxt 1\nbtime 1764000000\nprocesses 1\nprocs_running 1\n",
		"0.20 0.18 0.12 1/80 11206\n", "MemTotal: 16 kB\nMemFree: 4 kB\nHugePages_Total: 1\n", "pgfault 1\npgpgin 18446744073709551615\n",
		"   8  0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18\n", "h\n face |bytes\n lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
		"1e309 NaN\n", `a="b c" csm.enabled=1`, "nf_nat 61440 2 x, Live 0x0 (PO)\n", "ID=debian\nVERSION=\"12\"\n\"=\"\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var n Reading
		if n.CPU.parse(text) != nil {
			require.Equal(t, CPU{}, n.CPU)
		}
		if n.Load.parse(text) != nil {
			require.Equal(t, Load{}, n.Load)
		}
		if n.Memory.parse(text) != nil {
			require.Equal(t, Memory{}, n.Memory)
		}
		if n.Paging.parse(text) != nil {
			require.Equal(t, Paging{}, n.Paging)
		}
		if n.Disks.parse(text) != nil {
			require.Empty(t, n.Disks.Each)
		}
		if n.Interfaces.parse(text) != nil {
			require.Empty(t, n.Interfaces.Each)
		}
		if n.Uptime.parse(text) == nil {
			require.False(t, math.IsNaN(n.Uptime.Seconds) || math.IsInf(n.Uptime.Seconds, 0))
		}
		_ = n.CommandLine.parse(text)
		_ = n.Modules.parse(text, nil)
		_ = n.System.parseOS(string(text))
	})
}
