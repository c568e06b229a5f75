package plugins_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// plugin runs a script with nothing in its PATH but the given commands, each a script
// of its own, and the tools that every node has.
func plugin(t *testing.T, name string, commands map[string]string, env ...string) (output string, code int) {
	t.Helper()
	path := t.TempDir()
	for _, tool := range []string{"sh", "grep", "timeout"} {
		at, err := exec.LookPath(tool)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(at, filepath.Join(path, tool)))
	}
	for command, script := range commands {
		require.NoError(t, os.WriteFile(filepath.Join(path, command), []byte("#!/bin/sh\n"+script+"\n"), 0o700))
	}
	script, err := filepath.Abs(name)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), script)
	cmd.Dir = "/"
	cmd.Env = append(env, "PATH="+path)
	out, err := cmd.Output()
	if _, exited := errors.AsType[*exec.ExitError](err); !exited {
		require.NoError(t, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestCheckNTP(t *testing.T) {
	active := func(unit string) map[string]string {
		return map[string]string{"systemctl": `[ "$2" = is-active ] || exit 9; [ "$3" = ` + unit + ` ] || exit 3`}
	}
	for name, tt := range map[string]struct {
		commands map[string]string
		want     string
		code     int
	}{
		"ntp":                     {active("ntp.service"), "ntp.service is running\n", 0},
		"another service":         {active("systemd-timesyncd.service"), "systemd-timesyncd.service is running\n", 0},
		"none":                    {active("none"), "ntp.service is not running\n", 1},
		"no systemd":              {nil, "Could not find 'systemctl' - require systemd\n", 2},
		"systemd does not answer": {map[string]string{"systemctl": "exit 1"}, "systemctl cannot tell whether ntp.service is running\n", 2},
	} {
		t.Run(name, func(t *testing.T) {
			output, code := plugin(t, "check_ntp.sh", tt.commands)
			require.Equal(t, tt.want, output)
			require.Equal(t, tt.code, code)
		})
	}
}

func TestNetworkProblem(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		want  string
		code  int
	}{
		"room":            {map[string]string{"netfilter/nf_conntrack_max": "10\n", "netfilter/nf_conntrack_count": "9\n"}, "Conntrack table available\n", 0},
		"full":            {map[string]string{"netfilter/nf_conntrack_max": "10\n", "netfilter/nf_conntrack_count": "10\n"}, "Conntrack table full\n", 1},
		"full, old names": {map[string]string{"ipv4/netfilter/ip_conntrack_max": "10\n", "ipv4/netfilter/ip_conntrack_count": "11\n"}, "Conntrack table full\n", 1},
		"no limit":        {map[string]string{"netfilter/nf_conntrack_max": "0\n", "netfilter/nf_conntrack_count": "9\n"}, "Conntrack table available\n", 0},
		"no table":        {nil, "", 2},
		"no number":       {map[string]string{"netfilter/nf_conntrack_max": "ten\n", "netfilter/nf_conntrack_count": "9\n"}, "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			net := t.TempDir()
			for file, text := range tt.files {
				path := filepath.Join(net, file)
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
				require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			}
			output, code := plugin(t, "network_problem.sh", nil, "PROC_SYS_NET="+net)
			require.Equal(t, tt.want, output)
			require.Equal(t, tt.code, code)
		})
	}
}

func TestDNSProblem(t *testing.T) {
	for name, tt := range map[string]struct {
		commands map[string]string
		want     string
		code     int
	}{
		"found":     {map[string]string{"getent": `[ "$*" = "hosts kubernetes.default" ] || exit 9; echo 10.0.0.1 kubernetes.default`}, "DNS lookup to kubernetes.default is working\n", 0},
		"not found": {map[string]string{"getent": "exit 2"}, "DNS lookup to kubernetes.default is not working\n", 1},
		"no getent": {nil, "Could not find 'getent' - require getent\n", 2},
	} {
		t.Run(name, func(t *testing.T) {
			output, code := plugin(t, "dns_problem.sh", tt.commands)
			require.Equal(t, tt.want, output)
			require.Equal(t, tt.code, code)
		})
	}
}

func TestIPTablesMode(t *testing.T) {
	const rules = "echo '*filter'; echo ':INPUT ACCEPT [0:0]'; echo '-A INPUT -j DROP'; echo '-A INPUT -j ACCEPT'"
	for name, tt := range map[string]struct {
		commands map[string]string
		want     string
		code     int
	}{
		"legacy": {map[string]string{"iptables-legacy-save": rules, "iptables-nft-save": "echo '*filter'"}, "Using iptables-legacy: 2 rules\n", 0},
		"nft":    {map[string]string{"iptables-nft-save": rules, "ip6tables-nft-save": rules}, "Using iptables-nft: 4 rules\n", 0},
		"both": {
			map[string]string{"ip6tables-legacy-save": rules, "iptables-nft-save": rules},
			"Found rules from both versions, iptables-legacy: 2 iptables-nft: 2\n", 1,
		},
		"none":        {map[string]string{"iptables-nft-save": "echo '*filter'"}, "No iptables rules found\n", 2},
		"no iptables": {nil, "No iptables rules found\n", 2},
	} {
		t.Run(name, func(t *testing.T) {
			output, code := plugin(t, "iptables_mode.sh", tt.commands)
			require.Equal(t, tt.want, output)
			require.Equal(t, tt.code, code)
		})
	}
}
