package healthchecker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/npd/healthchecker"
)

func TestDefaults(t *testing.T) {
	got, err := healthchecker.Parse(nil)
	require.NoError(t, err)
	require.Equal(t, &healthchecker.Options{
		Component: "kubelet", Service: "kubelet", EnableRepair: true, Cooldown: 2 * time.Minute,
		Timeout: 10 * time.Second, CRITimeout: 2 * time.Second, CRISocket: "/var/run/containerd/containerd.sock", Arguments: []string{},
	}, got)
}

func TestServices(t *testing.T) {
	for args, want := range map[string]string{
		"--component=cri":                                    "containerd",
		"--component=docker":                                 "docker",
		"--component=kube-proxy":                             "kube-proxy",
		"--component=cri --service=crio":                     "crio",
		"--systemd-service=kubelet-next --component=kubelet": "kubelet-next",
	} {
		got, err := healthchecker.Parse(strings.Fields(args))
		require.NoError(t, err)
		require.Equal(t, want, got.Service, args)
	}
}

func TestPatterns(t *testing.T) {
	got, err := healthchecker.Parse([]string{"--log-pattern=3:dead(lock)?,1:a:b", "--log-pattern", "2:x", "-v=2", "--logtostderr"})
	require.NoError(t, err)
	require.Len(t, got.Patterns, 3)
	for i, want := range []string{"3 (?i)dead(lock)?", "1 (?i)a:b", "2 (?i)x"} {
		require.Equal(t, want, string(rune('0'+got.Patterns[i].Count))+" "+got.Patterns[i].Expression.String())
	}
}

func TestWhatIsWrong(t *testing.T) {
	for args, want := range map[string]string{
		"--component=etcd":                    `--component: "etcd" is unknown: write one of kubelet, kube-proxy, docker, cri`,
		"--component=":                        `--component: "" is unknown`,
		"--service=/etc":                      `--service: "/etc" is no name of a unit`,
		"--component=cri --cri-socket-path=x": `--cri-socket-path: "x" is no socket: write for example unix:///run/containerd/containerd.sock`,
		"--component=cri --cri-socket-path=":  `--cri-socket-path: "" is no socket`,
		"--health-check-timeout=0":            "--health-check-timeout: 0s is no time to wait",
		"--cri-timeout=-1s":                   "--cri-timeout: -1s is no time to wait",
		"--cooldown-time=-1s":                 "are not negative",
		"--log-pattern=deadlock":              `--log-pattern: "deadlock" cannot be read: write COUNT:PATTERN, for example 3:deadlock`,
		"--log-pattern=0:x":                   `"0:x" cannot be read`,
		"--log-pattern=1:":                    `"1:" cannot be read`,
		"--log-pattern=1:a(":                  `"a(" is no regular expression`,
		"--component=etcd --log-pattern=x":    "unknown",
		"--cooldown-time=soon":                "--help lists the flags",
		"--unknown":                           "--help lists the flags",
	} {
		_, err := healthchecker.Parse(strings.Fields(args))
		require.ErrorContains(t, err, want, args)
	}
	_, err := healthchecker.Parse([]string{"--help"})
	require.ErrorIs(t, err, pflag.ErrHelp)
	require.Contains(t, healthchecker.Flags().FlagUsages(), "--cri-socket-path")
}

// FuzzParse holds that no command line is worse than wrong.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "--component=cri", "--log-pattern=3:dead,1:a:b", "--log-pattern=\"1:a,b\"", "--service=a@b\\x2d.timer", "--cri-socket-path=unix://"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		options, err := healthchecker.Parse(strings.Split(text, " "))
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		require.NotEmpty(t, options.Service)
		require.True(t, options.Component != "cri" || strings.HasPrefix(options.CRISocket, "/"))
		for _, pattern := range options.Patterns {
			require.Positive(t, pattern.Count)
			require.NotNil(t, pattern.Expression)
		}
	})
}
