package integration

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
)

// An agent that keeps what /dev/kmsg needs reads it, also anew after a reload, and
// none of its threads may do more.
func TestCapabilitiesGivenUp(t *testing.T) {
	log := kernellog.Open(t)
	tag := kernellog.Tag()
	settings := agent.NewSettings(t).Durable(t)
	settings.Packs = ""
	settings.Rules = `rules: [{id: problem, pattern: '^` + tag + ` problem$', reason: Problem}]`
	settings.Capabilities = "[SYSLOG]"
	a := agent.StartReady(t, binary, settings)
	told := func(count float64) {
		t.Helper()
		require.Eventually(t, func() bool {
			return a.Sum(t, "problem_counter", map[string]string{"reason": "Problem"}) == count
		}, patience, tick)
	}
	log.Write(t, tag+" problem")
	told(1)
	requireRights(t, a.PID(), onlySyslog)

	settings.KmsgKeys = ", min_severity: debug"
	require.NoError(t, settings.Save(settings.Config))
	reload := agent.Run(t, binary, "", "reload", "--socket", settings.Socket)
	require.Zero(t, reload.ExitCode, "%s%s", reload.Stdout, reload.Stderr)
	log.Write(t, tag+" problem")
	told(2)
	requireRights(t, a.PID(), onlySyslog)

	settings.Capabilities = "[SYSLOG, NET_ADMIN]"
	require.NoError(t, settings.Save(settings.Config))
	reload = agent.Run(t, binary, "", "reload", "--socket", settings.Socket)
	require.Equal(t, 1, reload.ExitCode)
	require.Contains(t, reload.Stderr, "service.capabilities cannot change while the agent runs: restart it")
}

const onlySyslog = "0000000400000000"

// Under node-problem-detector's flags the agent keeps what it needs itself, and all that
// it was given where it runs commands, which may need more.
func TestCapabilitiesUnderNPDFlags(t *testing.T) {
	if os.Geteuid() != 0 {
		require.NotEqual(t, "true", os.Getenv("CI"), "this test needs root in CI")
		t.Skip("nobody but root has capabilities to give up")
	}
	settings := agent.NewSettings(t)
	flags := []string{"--config.system-log-monitor=testdata/npd/kernel.json", "--enable-k8s-exporter=false"}
	a := agent.StartNPD(t, binary, settings, flags...)
	a.WaitReady(t, a.Ready())
	requireRights(t, a.PID(), "0000000400000404") // CAP_SYSLOG, CAP_NET_BIND_SERVICE, CAP_DAC_READ_SEARCH

	own, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	settings = agent.NewSettings(t)
	plugins := filepath.Join(t.TempDir(), "plugins.json")
	require.NoError(t, os.WriteFile(plugins, []byte(`{"plugin": "custom", "source": "test", "conditions": [],
		"rules": [{"type": "temporary", "reason": "Never", "path": "/bin/true"}]}`), 0o600))
	a = agent.StartNPD(t, binary, settings, append(flags, "--config.custom-plugin-monitor="+plugins)...)
	a.WaitReady(t, a.Ready())
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(a.PID()), "status"))
	require.NoError(t, err)
	require.Equal(t, rightsLine.FindAllString(string(own), -1), rightsLine.FindAllString(string(status), -1))
}

var rightsLine = regexp.MustCompile(`(?m)^(?:CapPrm|CapEff|CapBnd|NoNewPrivs):\s+(\w+)$`)

// requireRights demands that each thread of the process has these capabilities, can get
// no others, and gains no privileges.
func requireRights(t *testing.T, pid int, capabilities string) {
	t.Helper()
	threads, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task/*/status"))
	require.NoError(t, err)
	require.Greater(t, len(threads), 1)
	for _, path := range threads {
		status, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended meanwhile
		}
		require.NoError(t, err)
		var rights []string
		for _, found := range rightsLine.FindAllStringSubmatch(string(status), -1) {
			rights = append(rights, found[1])
		}
		require.Equal(t, []string{capabilities, capabilities, capabilities, "1"}, rights, "%s", status)
	}
}
