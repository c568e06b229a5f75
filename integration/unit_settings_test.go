package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
)

// ask asks the agent's status page whether every component is ok. The words before run
// a command elsewhere.
func (u *unit) ask(t *testing.T, address string, before ...string) (answer string) {
	t.Helper()
	const ask = `exec 3<>"/dev/tcp/${0/://}" && printf 'GET /readyz HTTP/1.0\r\nHost: %s\r\n\r\n' "$0" >&3 && cat <&3`
	answer, _ = u.systemd.Try(t, append(before, "bash", "-c", ask, address)...)
	return answer
}

// requireNothingRefused requires that the unit refuses the package's configuration nothing.
// It runs in this machine's network namespace, for checks of the host's network look
// nowhere else; what the system lacks, as a container does, may stay degraded.
func (u *unit) requireNothingRefused(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/proc/sys/net/core/dev_weight"); err != nil {
		t.Logf("without what the host's network needs: this machine is in a network namespace: %v", err)
		return
	}
	packaged := readText(t, filepath.Join(u.debian.Dir, configFile))
	free := agent.NewSettings(t)
	u.configure(t, strings.NewReplacer("127.0.0.1:20257", free.Metrics, "127.0.0.1:20256", free.Status).Replace(packaged))
	u.systemd.ShareNetwork(t, "/run/machine-network")
	u.dropIn(t, "NetworkNamespacePath=/run/machine-network\n")
	var answer string
	require.Eventually(t, func() bool {
		answer = u.ask(t, free.Status, "nsenter", "--net=/run/machine-network")
		return strings.Contains(answer, " 200 OK") || strings.Contains(answer, "receiver checks is degraded: ")
	}, patience, tick)
	require.NotRegexp(t, `(?i)neighbours|conntrack|not permitted|denied|not supported|read-only`, answer)
	u.configure(t, packaged)
	u.removeDropIn(t)
	u.requireRuns(t)
}

// dropIn gives the unit other settings and starts it anew.
func (u *unit) dropIn(t *testing.T, rows string) {
	t.Helper()
	folder := filepath.Join(u.debian.Dir, dropIns)
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "test.conf"), []byte("[Service]\n"+rows), 0o644))
	u.run(t, "systemctl", "daemon-reload")
	u.run(t, "systemctl", "restart", "otelnpd")
}

func (u *unit) removeDropIn(t *testing.T) {
	t.Helper()
	require.NoError(t, os.RemoveAll(filepath.Join(u.debian.Dir, dropIns)))
	u.run(t, "systemctl", "daemon-reload")
	u.run(t, "systemctl", "restart", "otelnpd")
}

const dropIns = "etc/systemd/system/otelnpd.service.d"

// requireReadsClock turns a check on that the unit does not let work, and does what its
// remedy and the unit's page say.
func (u *unit) requireReadsClock(t *testing.T) {
	t.Helper()
	u.configure(t, `receivers: {checks: {clock_sync: {enabled: true}}}
exporters: {console: {}, status: {}}
service: {pipelines: {logs: {receivers: [checks], exporters: [console, status]}}}
`)
	u.run(t, "systemctl", "restart", "otelnpd")
	require.Eventually(t, func() bool {
		return strings.Contains(u.ask(t, "127.0.0.1:20256"), "refused by a filter of system calls")
	}, patience, tick)
	u.waitJournal(t, "otelnpd", "ProtectClock=no and SystemCallFilter=adjtimex")

	u.dropIn(t, dropInRows(t, "receivers/checks: clock_sync"))
	u.requireRuns(t)
	require.Eventually(t, func() bool {
		answer := u.ask(t, "127.0.0.1:20256")
		return strings.Contains(answer, "receiver checks is degraded: ") && !strings.Contains(answer, "clock_sync")
	}, patience, tick)
	u.removeDropIn(t)
}

// sourceText reads a file of the repository.
func sourceText(t *testing.T, path string) string {
	t.Helper()
	root, err := agent.Root()
	require.NoError(t, err)
	return readText(t, filepath.Join(root, path))
}

// dropInRows are those of the unit's page below a comment that begins so.
func dropInRows(t *testing.T, comment string) (rows string) {
	t.Helper()
	_, after, found := strings.Cut(sourceText(t, "deploy/systemd/README.md"), "\n# "+comment)
	require.True(t, found)
	_, after, _ = strings.Cut(after, "\n")
	for row := range strings.Lines(after) {
		if !strings.Contains(row, "=") || strings.HasPrefix(row, "#") {
			break
		}
		rows += row
	}
	require.NotEmpty(t, rows)
	return rows
}

// unitNPDFlags are those of a monitor of the kernel's log, in the Debian.
const unitNPDFlags = "--config.system-log-monitor=/etc/npd/kernel.json --enable-k8s-exporter=false"

// requireTakesFlags has a unit of node-problem-detector's run the agent that refuses it
// to give up capabilities.
func (u *unit) requireTakesFlags(t *testing.T) {
	t.Helper()
	u.run(t, "systemctl", "disable", "--now", "otelnpd")
	u.run(t, "mkdir", "/etc/npd")
	monitor := readText(t, "testdata/npd/kernel.json")
	require.NoError(t, os.WriteFile(filepath.Join(u.debian.Dir, "etc/npd/kernel.json"), []byte(monitor), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(u.debian.Dir, "etc/systemd/system/node-problem-detector.service"), []byte(`[Service]
ExecStart=/usr/bin/otelnpd node-problem-detector `+unitNPDFlags+`
StateDirectory=otelnpd
RuntimeDirectory=otelnpd
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`), 0o644))
	u.run(t, "systemctl", "enable", "--now", "node-problem-detector")
	require.Eventually(t, func() bool {
		_, err := u.systemd.Try(t, "otelnpd", "healthcheck")
		return err == nil
	}, patience, tick)
	u.waitJournal(t, "node-problem-detector", "capabilities that are not needed are kept")
	u.waitJournal(t, "node-problem-detector", "SystemCallFilter=capset")
	u.run(t, "systemctl", "stop", "node-problem-detector")
}

// requireTakesOver does what the page on migration says, from node-problem-detector's
// unit to the package's, which runs with its own configuration as after an installation.
func (u *unit) requireTakesOver(t *testing.T) {
	t.Helper()
	u.configure(t, sourceText(t, "config/default.yaml"))
	u.run(t, "systemctl", "enable", "--now", "otelnpd")
	u.requireRuns(t)
	const declared = "StorageFailing"
	require.NotContains(t, u.run(t, "otelnpd", "conditions", "list", "--output", "json"), declared)

	_, after, found := strings.Cut(sourceText(t, "docs/migrate-from-npd.md"), "\n### On to a unit of its own\n")
	require.True(t, found)
	_, after, _ = strings.Cut(after, "```console\n")
	block, _, _ := strings.Cut(after, "```\n")
	for line := range strings.Lines(block) {
		u.run(t, "bash", "-c", strings.Replace(strings.TrimPrefix(line, "# "), "FLAGS", unitNPDFlags, 1))
	}
	u.requireRuns(t)
	require.Contains(t, u.run(t, "otelnpd", "conditions", "list", "--output", "json"), declared)
}
