package checks

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// With count, the figure is what all processes of the user have.
func TestInotifyOfARecordedNode(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2")
	config := all()
	config.Inotify.Count = true
	config.Inotify.Warn = Limit{Enter: 20, Reason: "InotifyHigh"}
	tr.write(t, "proc/sys/fs/inotify/max_user_watches", "10")
	ours, other := fmt.Sprintf("Uid:\t0\t%d\t0\t0", os.Geteuid()), fmt.Sprintf("Uid:\t0\t%d\t0\t0", os.Geteuid()+1)
	for _, pid := range []string{"1", "700", "711", "4711"} {
		tr.write(t, "proc/"+pid+"/status", ours)
		require.NoError(t, os.MkdirAll(tr.path("proc/"+pid+"/fd"), 0o755))
	}
	require.Subset(t, told(tr.look(t, config, "inotify")), []string{
		"inotify instances ok: 1 inotify instances of 8,192 (0 %)" + allowed("instances", "8,192"),
		"inotify/warn watches problem: 2 inotify watches of 10 (20 %)" + allowed("watches", "10") + ", limit 20 %: kubelet[700] 2",
	})
	tr.write(t, "proc/700/status", other)
	require.Contains(t, told(tr.look(t, config, "inotify")), "inotify watches ok: 0 inotify watches of 10 (0 %)"+allowed("watches", "10"))

	tr.remove(t, "proc/sys/fs/inotify/max_user_watches")
	require.Contains(t, strings.Join(told(tr.look(t, config, "inotify")), "\n"), "inotify watches unknown: open ")
}

func allowed(what, limit string) string {
	return fmt.Sprintf(" are used that user %d may have (fs.inotify.max_user_%s = %s)", os.Geteuid(), what, limit)
}
