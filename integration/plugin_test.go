package integration

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/servers"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

// pluginFiles are those of node-problem-detector's image whose plugins are in shell, and
// counts over the journal.
var pluginFiles = []string{
	"custom-plugin-monitor.json", "network-problem-monitor.json", "iptables-mode-monitor.json",
	"docker-monitor-counter.json", "kernel-monitor-counter.json", "systemd-monitor-counter.json",
}

// problemMessages are what the plugins in shell say of their problems.
var problemMessages = map[string]string{
	"check_ntp.sh":       "ntp.service is not running",
	"network_problem.sh": "Conntrack table full",
	"dns_problem.sh":     "DNS lookup to kubernetes.default is not working",
	"iptables_mode.sh":   "Found rules from both versions, iptables-legacy: 2 iptables-nft: 2",
}

// ruleLines are what iptables-save writes of two rules.
const ruleLines = "*filter\n-A INPUT -j DROP\n-A INPUT -j ACCEPT\nCOMMIT"

// Custom plugin monitors come to the conditions and Events that node-problem-detector
// comes to, unchanged, with the plugins of deploy/plugins. Stand-ins are the commands
// that those run, and the kernel's connection tracking table.
func TestNPDPlugins(t *testing.T) {
	im := newPluginImage(t, startPluginServer(t), pluginFiles...)
	im.standIn(t)
	im.startJournal(t)
	im.start(t)
	im.requireHealthy(t)
	im.stop(t)

	im.answer(t, "systemctl", 3, "")
	im.answer(t, "getent", 2, "")
	im.answer(t, "iptables-legacy-save", 0, ruleLines)
	track(t, im.net, 10)
	writeCounted(im.journal)
	im.start(t)
	im.requireProblems(t)
	im.stop(t)

	im.answer(t, "systemctl", 1, "")
	im.start(t)
	seen := im.watch.WaitFor(t, "NTPProblem Unknown", 0, servers.Is("NTPProblem", "Unknown", "NTPIsUp"))
	require.Equal(t, "systemctl cannot tell whether ntp.service is running", seen.Condition("NTPProblem").Message)
	im.stop(t)
}

// standIn puts stand-ins in the place of what the plugins in shell ask. All is well.
func (im *pluginImage) standIn(t *testing.T) {
	t.Helper()
	im.commands, im.net = t.TempDir(), t.TempDir()
	im.settings.Environment = []string{"PATH=" + im.commands + ":" + os.Getenv("PATH"), "PROC_SYS_NET=" + im.net}
	stand, err := os.ReadFile("testdata/commands/answer")
	require.NoError(t, err)
	for command, text := range map[string]string{
		"systemctl": "", "getent": "10.0.0.1 kubernetes.default", "iptables-nft-save": ruleLines,
		"iptables-legacy-save": "", "ip6tables-nft-save": "", "ip6tables-legacy-save": "",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(im.commands, command), stand, 0o755))
		im.answer(t, command, 0, text)
	}
	track(t, im.net, 9)
}

// answer lets the stand-in of a command answer.
func (im *pluginImage) answer(t *testing.T, command string, code int, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(im.commands, command+".says"), []byte(strconv.Itoa(code)+"\n"+text+"\n"), 0o600))
}

// track has so many connections in a table for 10, in a folder that stands for
// /proc/sys/net.
func track(t *testing.T, net string, connections int) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(net, "netfilter"), 0o755))
	for name, value := range map[string]int{"max": 10, "count": connections} {
		require.NoError(t, os.WriteFile(filepath.Join(net, "netfilter/nf_conntrack_"+name), []byte(strconv.Itoa(value)+"\n"), 0o600))
	}
}

// startJournal starts a journal for the counts.
func (im *pluginImage) startJournal(t *testing.T) {
	t.Helper()
	directory := filepath.Join(im.Logs, "journal", journaltest.NewID().String())
	require.NoError(t, os.MkdirAll(directory, 0o755))
	im.journal = journaltest.StartJournald(t, directory)
	im.journal.Send("SYSLOG_IDENTIFIER=otelnpdtest", "MESSAGE=an ordinary line")
}

// countedTimes is how often the counts want what they count, and more.
const countedTimes = 10

// countedLines are what the counts count, by identifiers in the journal.
func countedLines() map[string][]string {
	return map[string][]string{
		"dockerd": {"Handler for POST /start returned error: readlink /var/lib/docker/overlay2/l: invalid argument"},
		"kernel":  {"unregister_netdevice: waiting for eth0 to become free. Usage count = 2"},
		"systemd": {
			"Started Kubernetes kubelet.", "Starting docker.service - Docker Application Container Engine...",
			"Starting containerd.service - containerd container runtime...",
		},
	}
}

// writeCounted writes what the counts count.
func writeCounted(journal *journaltest.Daemon) {
	for identifier, lines := range countedLines() {
		for range countedTimes {
			for _, line := range lines {
				journal.Send("SYSLOG_IDENTIFIER="+identifier, "MESSAGE="+line)
			}
		}
	}
}

// requireProblems requires what is to come of the files when every plugin finds its
// problem, and no other Event.
func (im *pluginImage) requireProblems(t *testing.T) {
	t.Helper()
	var want []pluginEvent
	for _, file := range im.files {
		for _, rule := range file.Rules {
			message := problemMessages[filepath.Base(rule.Path)]
			for _, arg := range rule.Args {
				if count, ok := strings.CutPrefix(arg, "--count="); ok {
					message = fmt.Sprintf("Found 10 matching logs, which meets the threshold of %s", count)
				}
			}
			if rule.Condition == "" {
				want = append(want, pluginEvent{"Warning", npdEvent{file.Source, rule.Reason, message}})
				continue
			}
			seen := im.watch.WaitFor(t, rule.Condition+" True "+rule.Reason, 0, servers.Is(rule.Condition, "True", rule.Reason))
			require.Equal(t, message, seen.Condition(rule.Condition).Message)
			want = append(want, file.turned(rule.Condition, "True", rule.Reason, message))
		}
	}
	require.Eventually(t, func() bool { return len(im.events(t)) >= len(want) }, patience, tick)
	require.ElementsMatch(t, want, slices.Collect(maps.Keys(im.events(t))))
}
