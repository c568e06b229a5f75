package main

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/probe/probetest"
)

func TestHealthCheckerAnswersAsAPlugin(t *testing.T) {
	server := probetest.StartServer(t)
	address, err := url.Parse(server.URL)
	require.NoError(t, err)
	t.Setenv("HOST_ADDRESS", address.Hostname())
	t.Setenv("KUBELET_PORT", address.Port())
	args := func(more ...string) []string {
		return arguments(append([]string{"/home/kubernetes/bin/health-checker", "--component=kubelet", "--enable-repair=false", "--health-check-timeout=10s", "--logtostderr", "-v=2"}, more...))
	}
	require.Equal(t, result{0, "", ""}, otelnpd(t, "", args()...))
	require.Equal(t, result{0, "", "Warning: \"stray\" is no flag and has no effect: leave it out\n"}, otelnpd(t, "", args("stray")...))
	server.Be(probetest.Fails)
	require.Equal(t, result{
		1, "kubelet:kubelet was found unhealthy; repair flag : false\n",
		"GET " + server.URL + ": 500 Internal Server Error: [+]ping ok [-]syncloop failed: [31mreason withheld healthz check failed\n",
	}, otelnpd(t, "", args()...))
}

// What a plugin writes to standard output is what is shown of it.
func TestHealthCheckerTellsWhatIsWrongOnStandardOutput(t *testing.T) {
	got := otelnpd(t, "", "health-checker", "--component=cri", "--cri-socket-path=unix://"+t.TempDir()+"/none/x.sock")
	require.Equal(t, 2, got.code)
	require.Regexp(t, "^error checking cri health: ask the container runtime: connect to .*: mount that directory of the node", got.stdout)
	require.Empty(t, got.stderr)

	got = otelnpd(t, "", "health-checker", "--component=etcd")
	require.Equal(t, result{2, "--component: \"etcd\" is unknown: write one of kubelet, kube-proxy, docker, cri\n", ""}, got)

	got = otelnpd(t, "", "health-checker", "--help")
	require.Zero(t, got.code)
	require.Contains(t, got.stdout, "--loopback-time")
}
