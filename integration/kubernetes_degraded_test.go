package integration

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// What is missing is told with a remedy, the agent goes on, and once it is there all
// is told.
func (r *rig) degradedUntil(t testing.TB, remedy string, mend func()) {
	t.Helper()
	a := r.startDegraded(t)
	r.problem(t, "meanwhile")
	r.hang(t, "docker")
	a.Console.WaitFor(t, "the problem", agent.Problem("Problem", "meanwhile"))
	degraded := waitExporter(t, a, "degraded")
	require.NotEmpty(t, degraded.Reason)
	require.Contains(t, degraded.Remedy, remedy, "%+v", degraded)
	require.Eventually(t, func() bool { return a.Conditions(t)[deadlock].Status == "True" }, patience, tick)
	status, body := agent.Get(t, "http://"+a.Status+"/readyz")
	require.Equal(t, 503, status)
	require.Contains(t, body, "exporter kubernetes is degraded")
	require.Contains(t, body, remedy)

	mend()
	r.requireProblems(t, "meanwhile")
	r.waitCondition(t, "True", dockerHung)
	waitExporter(t, a, "ok")
	a.WaitReady(t, a.Ready())
}

const waitShort = "wait: {interval: 1s}"

func (s kubernetesTests) noNode(t *testing.T) {
	t.Parallel()
	r := s.rig(t, waitShort)
	r.degradedUntil(t, "service.node", func() {
		r.k.CreateNode(t, servers.Node{Name: r.settings.Node, BootID: bootID(t)})
	})
}

func (s kubernetesTests) noCredentials(t *testing.T) {
	t.Parallel()
	r := s.rigOnNode(t)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	r.settings.Kubernetes = agent.KubernetesKeys(path, waitShort)
	r.degradedUntil(t, "kubeconfig", func() {
		require.NoError(t, os.Rename(r.kubeconfig(servers.Detector).Write(t), path))
	})
}

func (s kubernetesTests) noRights(t *testing.T) {
	t.Parallel()
	r := s.rigOnNode(t)
	r.settings.Kubernetes = agent.KubernetesKeys(r.kubeconfig(servers.Nobody).Write(t), waitShort)
	r.degradedUntil(t, "system:node-problem-detector", func() { s.k.Bind(t, servers.Nobody) })
}
