package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// npdFile is a system log monitor of node-problem-detector.
type npdFile struct {
	path string

	Plugin, LogPath, Source string
	PluginConfig            map[string]string
	SkipList                []string
	Conditions              []struct{ Type, Reason, Message string }
	Rules                   []npdRule
}

type npdRule struct{ Type, Condition, Reason, Pattern string }

// npdFiles reads the system log monitors in a folder, but those for Windows.
func npdFiles(t *testing.T, folder string) (files []npdFile) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	require.NoError(t, err)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		f := npdFile{path: path}
		var what struct{ Plugin string }
		require.NoError(t, json.Unmarshal(text, &what), path)
		if !slices.Contains([]string{"kmsg", "journald", "filelog"}, what.Plugin) || strings.HasPrefix(filepath.Base(path), "windows-") {
			continue
		}
		require.NoError(t, json.Unmarshal(text, &f), path)
		files = append(files, f)
	}
	require.NotEmpty(t, files, folder)
	return files
}

// log names what the file reads: files that read the same have the same.
func (f *npdFile) log() string {
	return strings.TrimSpace(f.Plugin + " " + f.LogPath + " " + f.PluginConfig["source"])
}

// message is what the file takes of a line of its log; no: it takes nothing.
func (f *npdFile) message(t *testing.T, line string) (message string, ok bool) {
	t.Helper()
	if f.Plugin != "filelog" {
		return strings.TrimSpace(line), true
	}
	groups := regexp.MustCompile(f.PluginConfig["message"]).FindStringSubmatch(line)
	if groups == nil {
		return "", false
	}
	return groups[len(groups)-1], true
}

// fits returns whether a message alone is a match up to its end.
func (r *npdRule) fits(message string) bool {
	return regexp.MustCompile(`(?:` + r.Pattern + `)\z`).MatchString(message)
}

// npdProblems are texts as programs write them, which are written to all logs. What fits
// no rule comes first: where an Event of it were made, it would be there before the others.
func npdProblems() []string {
	return []string{
		// near misses
		"INFO: task docker:20744 blocked for more than 120 seconds. It goes on",
		"{4}[Hardware Error]: event severity: fatal, they said",
		"Stopped kubelet.service - Kubernetes kubelet.",
		// the kernel
		"Killed process 4711 (java) total-vm:327128kB, anon-rss:306328kB, file-rss:11132kB, shmem-rss:0kB",
		"INFO: task kworker/u8:3:812 blocked for more than 120 seconds.",
		"INFO: task docker:20744 blocked for more than 120 seconds.",
		"unregister_netdevice: waiting for eth0 to become free. Usage count = 2",
		"BUG: unable to handle kernel NULL pointer dereference at 0000000000000028",
		"divide error: 0000 [#1] SMP",
		"EXT4-fs error (device sda1): ext4_find_entry:1455: inode #2: comm ls: reading directory lblock 0",
		"EXT4-fs warning (device sda1): ext4_end_bio:330: I/O error 10 writing to inode 12",
		"EXT4-fs (sda1): Remounting filesystem read-only",
		"Buffer I/O error on dev sda1, logical block 99, async page read",
		"XFS (sdb1): Corruption of in-memory data detected. Shutting down filesystem",
		"EDAC sbridge MC0: CE memory read error on CPU_SrcID#0_Channel#1_DIMM#0",
		"{1}[Hardware Error]: event severity: corrected",
		"{2}[Hardware Error]: event severity: recoverable",
		"{3}[Hardware Error]: event severity: fatal",
		"e1000e 0000:00:19.0 eth0: NIC Link is Down",
		"nvme nvme0: controller is down; will reset: CSTS=0xffffffff",
		// smartd: a reader of text files that takes the first without its number finds nothing in it
		"Device: /dev/sda [SAT], 120 Currently unreadable (pending) sectors",
		"Currently unreadable (pending) sectors: 120 Currently unreadable (pending) sectors",
		// dockerd and containerd
		"Error trying v2 registry: failed to register layer: rename /var/lib/docker/image/a /var/lib/docker/image/b: directory not empty",
		"Handler for POST /start returned error: readlink /var/lib/docker/overlay2/l: invalid argument",
		"OCI runtime start failed: container process is already dead: unknown",
		"failed to pull image registry.local/app:1",
		"image registry.local/app:1 is corrupt",
		// systemd
		"Started kubelet.service - Kubernetes kubelet.",
		"Starting docker.service - Docker Application Container Engine...",
		"Starting containerd.service - containerd container runtime...",
		// abrt
		"Process 812 (httpd) crashed in core_handler()",
		"Process 813 (yum) of user 0 encountered an uncaught TypeError exception",
		"Display server Xorg crash in dixSaveScreens",
		"System encountered a fatal error in do_oops",
		"System encountered a non-fatal error in do_warn",
	}
}
