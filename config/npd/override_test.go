package npd_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config/npd"
	"github.com/otelnpd/otelnpd/exporters/kubernetes"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/capability"
)

// access is how the exporter is told to reach the Kubernetes API.
type access struct {
	credentials, kubeconfig, server string
	insecure, serviceAccount        bool
}

func TestAPIServerOverride(t *testing.T) {
	for uri, want := range map[string]access{
		"":                             {credentials: "in_cluster"},
		"http://10.0.0.1:8080":         {credentials: "in_cluster", server: "http://10.0.0.1:8080"},
		"https://10.0.0.1?insecure=1":  {credentials: "in_cluster", server: "https://10.0.0.1", insecure: true},
		"?useServiceAccount=true":      {credentials: "in_cluster", serviceAccount: true},
		"?inClusterConfig=0&auth=/k/c": {credentials: "kubeconfig", kubeconfig: "/k/c"},
		"https://[::1]:6443/?inClusterConfig=false&insecure=true&auth=&useServiceAccount=t": {
			credentials: "none", server: "https://[::1]:6443", insecure: true, serviceAccount: true,
		},
		"https://h:1?inClusterConfig=false&auth=%2Fa%20b&auth=/c": {credentials: "kubeconfig", server: "https://h:1", kubeconfig: "/a b"},
		"HTTPS://h:1": {credentials: "in_cluster", server: "https://h:1"},
	} {
		t.Run(uri, func(t *testing.T) {
			options := parseArguments(t, "--config.system-log-monitor=testdata/kernel.json", "--apiserver-override="+uri)
			parsed, conversion := requireParses(t, options, npd.ForRunning)
			require.Empty(t, flagWarnings(conversion))
			got := parsed.Graph.Exporters[pipeline.ID{Type: "kubernetes"}].(*kubernetes.Config).APIServer
			require.Equal(t, want, access{string(got.Credentials), got.Kubeconfig, got.Server, got.InsecureSkipVerify, got.ServiceAccountToken})
		})
	}
}

// A kubeconfig may have a command for its credentials, which keeps the agent's rights.
func TestRightsBesideOverrides(t *testing.T) {
	few := []capability.Name{"DAC_READ_SEARCH", "NET_BIND_SERVICE", "SYSLOG"}
	for uri, want := range map[string][]capability.Name{
		"":                    few,
		"https://h:1?auth=/k": few, // the service account is used
		"https://h:1?inClusterConfig=false&auth=":   few,
		"https://h:1?inClusterConfig=false&auth=/k": nil,
		"?inClusterConfig=0&auth=/k":                nil,
	} {
		options := parseArguments(t, "--config.system-log-monitor=testdata/kernel.json", "--apiserver-override="+uri)
		parsed, _ := requireParses(t, options, npd.ForRunning)
		require.Equal(t, want, parsed.Service.Capabilities, uri)
	}
}

func TestOddOverrides(t *testing.T) {
	for uri, want := range map[string][]string{
		"https://h:1/api?x=1&auth=/k": {
			"--apiserver-override: the path /api has no effect: leave it out",
			"--apiserver-override: auth (beside inClusterConfig=false alone it has an effect) has no effect: leave it out",
			"--apiserver-override: the key x has no effect: leave it out",
		},
		"//h:1": {"--apiserver-override: the address, which is not like https://HOST:PORT, has no effect: leave it out"},
		"h":     {"--apiserver-override: the address, which is not like https://HOST:PORT, has no effect: leave it out"},
	} {
		options := parseArguments(t, "--config.system-log-monitor=testdata/kernel.json", "--apiserver-override="+uri)
		_, conversion := requireParses(t, options, npd.ForRunning)
		require.Equal(t, want, flagWarnings(conversion), uri)
	}
}

func TestWrongOverrides(t *testing.T) {
	for uri, want := range map[string]string{
		"http://a b": `--apiserver-override: "http://a b" is no URI: write https://HOST:PORT?KEY=VALUE`,
		"https://h:1?insecure=maybe&inClusterConfig=&useServiceAccount=2": `--apiserver-override: inClusterConfig= cannot be read: write inClusterConfig=true or inClusterConfig=false
--apiserver-override: insecure=maybe cannot be read: write insecure=true or insecure=false
--apiserver-override: useServiceAccount=2 cannot be read: write useServiceAccount=true or useServiceAccount=false`,
		"?inClusterConfig=false":            `--apiserver-override: "?…" names no apiserver: write https://HOST:PORT?inClusterConfig=false, or auth=KUBECONFIG behind it`,
		"https://me:secret@h:x":             `--apiserver-override: "https://…@h:x" is no URI: write https://HOST:PORT?KEY=VALUE`,
		"https://me:secret#@h":              `--apiserver-override: "https://…" is no URI: write https://HOST:PORT?KEY=VALUE`,
		"me:secret@h?inClusterConfig=false": `--apiserver-override: "…@h?…" names no apiserver: write https://HOST:PORT?inClusterConfig=false, or auth=KUBECONFIG behind it`,
		"https://:1":                        `--apiserver-override: ":1" names no host: write https://HOST:PORT`,
		"ftp://h:1":                         `--apiserver-override: "ftp" is neither http nor https: write https://HOST:PORT`,
	} {
		_, err := npd.Parse([]string{"--config.system-log-monitor=a.json", "--apiserver-override=" + uri})
		require.EqualError(t, err, want, uri)
	}
}

func TestOverrideIsIgnoredWithoutExporter(t *testing.T) {
	parseArguments(t, "--config.system-log-monitor=a.json", "--apiserver-override=ftp://h:1", "--enable-k8s-exporter=false")
}

func flagWarnings(conversion *npd.Conversion) []string {
	var list []string
	for _, one := range conversion.Warnings {
		if one.File == "" {
			list = append(list, one.String())
		}
	}
	return list
}
