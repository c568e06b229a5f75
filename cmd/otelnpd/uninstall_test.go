package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUninstallRefuses(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("KUBECONFIG", "")
	plain := filepath.Join(t.TempDir(), "plain.yaml")
	require.NoError(t, os.WriteFile(plain, []byte(`receivers: {kmsg: }
processors: {rules: {rules: [{id: a, pattern: x, reason: Found}]}}
exporters: {console: }
service: {socket: none, pipelines: {logs: {receivers: [kmsg], exporters: [console]}}}
`), 0o600))
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"a reserved type":  {[]string{"MemoryPressure"}, "MemoryPressure belongs to Kubernetes itself and is never removed"},
		"nothing declared": {[]string{"--config", plain}, "the configuration declares no conditions: name the types to remove"},
		"no credentials":   {[]string{"--config", plain, "KernelDeadlock"}, "there is no kubeconfig, no service account and no $KUBECONFIG; run in a Pod"},
		"no kubeconfig":    {[]string{"--config", plain, "--kubeconfig", "/does/not/exist", "KernelDeadlock"}, "/does/not/exist"},
		"one and all":      {[]string{"--node", "a", "--all-nodes", "KernelDeadlock"}, "[all-nodes node] were all set"},
		"state of all":     {[]string{"--state-dir", "/a", "--all-nodes", "KernelDeadlock"}, "[all-nodes state-dir] were all set"},
		"all by nothing":   {[]string{"--config", plain, "--all-nodes"}, "the configuration declares no conditions: name the types to remove"},
		"no configuration": {[]string{"--config", "/does/not/exist"}, "/does/not/exist"},
	} {
		t.Run(name, func(t *testing.T) {
			got := otelnpd(t, "", append([]string{"uninstall"}, test.args...)...)
			require.Equal(t, 1, got.code)
			require.Contains(t, got.stderr, test.want)
		})
	}
}

func TestUninstallRefusesWhileTheAgentRuns(t *testing.T) {
	a := startAgent(t)
	got := otelnpd(t, "", "uninstall", "--socket", a.socket)
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "an agent runs here (it answers on "+a.socket+") and would set its conditions again")
	a.stop()
	require.Zero(t, <-a.code, a.stderr.String())
}
