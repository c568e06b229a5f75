package checks

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseLoad(t *testing.T) {
	got, err := parseLoad("0.87 1.94 1.55 1/93 31178\n")
	require.NoError(t, err)
	require.Equal(t, load{0.87, 1.94, 1.55, 1, 93}, got)
	for _, text := range []string{"", "1 2 3", "1 2 3 4", "1 2 x 1/2 3", "1 2 3 1/x", "1 2 3 x/1", "-1 2 3 1/2", "NaN 2 3 1/2 3"} {
		_, err := parseLoad(text)
		require.ErrorIs(t, err, errLoad, text)
	}
}

func TestParseFiles(t *testing.T) {
	for text, want := range map[string][2]uint64{
		"558\t0\t2466165\n":               {558, 2466165},
		"600\t42\t1000\n":                 {558, 1000}, // Linux 2.4
		"1024\t0\t9223372036854775807\n":  {1024, math.MaxInt64},
		"1024\t0\t18446744073709551615\n": {1024, math.MaxUint64},
	} {
		used, most, err := parseFiles(text)
		require.NoError(t, err)
		require.Equal(t, want, [2]uint64{used, most})
	}
	for _, text := range []string{"", "1 2", "1 2 3", "a 0 1", "5 0 -1", "1 0 1 4"} {
		_, _, err := parseFiles(text)
		require.ErrorIs(t, err, errFiles, text)
	}
}

func TestParseCPUs(t *testing.T) {
	for text, want := range map[string]int{"0\n": 1, "0-3": 4, "0,2-3\n": 3, "0-127,256-383": 256} {
		got, err := parseCPUs(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "\n", "3-1", "0-", "a", "0,,1", "0-65536"} {
		_, err := parseCPUs(text)
		require.ErrorIs(t, err, errCPUs, text)
	}
}

func TestSoftLimit(t *testing.T) {
	for text, want := range map[string]uint64{
		"Max open files            1024                 524288               files     \n": 1024,
		"Max open files            unlimited            unlimited            files     \n": 0,
	} {
		got, err := softLimit(text, "Max open files")
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "Max open files", "Max open files ", "Max open files x y\n", "Max open file locks 1 2\n"} {
		_, err := softLimit(text, "Max open files")
		require.ErrorIs(t, err, errLimits, text)
	}
}

func TestParseMemory(t *testing.T) {
	for text, want := range map[string]memory{
		"MemTotal:       24683652 kB\nMemFree:  1 kB\nMemAvailable:   24215244 kB\n": {total: 24683652 << 10, available: 24215244 << 10},
		"MemAvailable: 0 kB\nMemTotal: 4 kB":                                         {total: 4096},
		"MemAvailable: 1 kB\nMemTotal: 4 kB\nHugetlb: 2 kB":                          {total: 4096, available: 1024, huge: 2048},
		"MemAvailable: 9 kB\nMemTotal: 4 kB":                                         {total: 4096, available: 4096},
	} {
		got, err := parseMemory(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{
		"", "MemTotal: 4 kB", "MemAvailable: 4 kB", "MemTotal: 0 kB\nMemAvailable: 0 kB", "MemTotal: 4\nMemAvailable: 4 kB", "MemTotal:\nMemAvailable: 4 kB",
		"MemTotal: 18446744073709551615 kB\nMemAvailable: 4 kB", "MemTotal: 4 kB\nMemAvailable: -4 kB",
	} {
		_, err := parseMemory(text)
		require.Error(t, err, text)
	}
}

func TestParseStall(t *testing.T) {
	const text = "some avg10=0.23 avg60=10.71 avg300=26.39 total=335912620\nfull avg10=0.00 avg60=100.00 avg300=0.00 total=0\n"
	for share, want := range map[string]float64{"some": 10.71, "full": 100} {
		got, err := parseStall(text, share)
		require.NoError(t, err)
		require.InDelta(t, want, got, 0)
	}
	for _, text := range []string{
		"", "some avg10=0.23 avg60=10.71", "full", "full avg10=1 avg300=1 total=1", "full avg10=1 avg60=x", "full avg10=1 avg60=NaN", "full avg10=1 avg60=100.1", "full avg10=1 avg60=-1",
	} {
		_, err := parseStall(text, "full")
		require.ErrorIs(t, err, errStall, text)
	}
}

func FuzzNumbers(f *testing.F) {
	for _, path := range []string{"/proc/loadavg", "/proc/sys/fs/file-nr", "/sys/devices/system/cpu/online", "/proc/vmstat", "/proc/meminfo", "/proc/self/limits", "/proc/self/statm"} {
		text, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if l, err := parseLoad(text); err == nil {
			require.False(t, l.one < 0 || l.five < 0 || l.fifteen < 0)
		}
		if used, most, err := parseFiles(text); err == nil {
			again, _, err := parseFiles(fmt.Sprint(used, 0, most))
			require.NoError(t, err)
			require.Equal(t, used, again)
		}
		if n, err := parseCPUs(text); err == nil {
			require.True(t, n > 0 && n <= 1<<21)
		}
		if _, err := counterIn(text, "oom_kill"); err == nil {
			require.Contains(t, text, "oom_kill ")
		}
		if m, err := parseMemory(text); err == nil {
			require.True(t, m.total > 0 && m.available <= m.total && m.share() <= 100)
		}
		if stalled, err := parseStall(text, "full"); err == nil {
			require.True(t, stalled >= 0 && stalled <= 100)
		}
		_, _ = softLimit(text, "Max open files")
		require.LessOrEqual(t, resident(text), uint64(1<<40))
		require.LessOrEqual(t, watchesIn(text), uint64(strings.Count(text, "inotify ")))
	})
}
