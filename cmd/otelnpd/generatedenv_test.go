package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// variable is an environment variable that a command reads.
type variable struct{ name, meaning string }

// environment is every variable that the source names, in the order of who needs it.
// Those that OpenTelemetry's options are put together from stand there whole.
func environment() []variable {
	return []variable{
		{socketVariable, "The operator's socket; the flag `--socket` goes before it, and it before `service.socket`"},
		{stateDirVariable, "The directory for what survives a restart; the flag `--state-dir` goes before it, and it before `service.state_dir`"},
		{"NODE_NAME", "The node's name, where `service.node` says none; else the host name. Plugins see it, too"},
		{"NO_COLOR", "If it is set, no color on a terminal"},
		{"TERM", "`dumb`: no color either"},
		{"GOGC", "Go's own: if it is not set the agent takes 50"},
		{"GOMEMLIMIT", "Go's own: a limit of memory that the garbage collector works towards"},
		{"KUBECONFIG", "Files with the API server's address and credentials, where no service account is there: [kubernetes](../exporters/kubernetes/README.md)"},
		{"KUBERNETES_SERVICE_HOST", "The API server's address in a Pod, as the kubelet sets it"},
		{"KUBERNETES_SERVICE_PORT", "Its port"},
		{"NODE_UID", "The node's UID in what is exported, in place of what the Node says"},
		{"POD_NAME", "The agent's Pod, in the resource of records and metrics"},
		{"POD_UID", "Its UID"},
		{"POD_NAMESPACE", "Its namespace"},
		{"CONTAINER_ID", "Its container"},
		{"OTEL_EXPORTER_OTLP_*", "What the exporter `otlp` leaves to the environment; `OTEL_EXPORTER_OTLP_LOGS_*` and `…_METRICS_*` go before: [otlp](../exporters/otlp/README.md)"},
		{"OTEL_METRIC_EXPORT_INTERVAL", "How often `otlp` sends metrics, in milliseconds"},
		{"OTEL_METRIC_EXPORT_TIMEOUT", "How long that may take"},
		{"OTEL_RESOURCE_ATTRIBUTES", "Attributes of the resource of all that is sent"},
		{"OTEL_SERVICE_NAME", "`service.name` of it"},
		{"HTTPS_PROXY", "A proxy on the way to the API server, an HTTP Collector or Google; `HTTP_PROXY` and `NO_PROXY` likewise. The kubelet and the runtime are asked without one"},
		{"GOOGLE_APPLICATION_CREDENTIALS", "A file with Google's credentials: [googlecloud](../exporters/googlecloud/README.md)"},
		{"GOOGLE_CLOUD_PROJECT", "The project, where neither the configuration nor the metadata server names one"},
		{"GCE_METADATA_HOST", "Where Google's metadata server is"},
		{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "Where that of AWS is"},
		{"AWS_EC2_METADATA_DISABLED", "`true`: it is not asked"},
		{"AZURE_POD_IDENTITY_AUTHORITY_HOST", "Where that of Azure is"},
		{"HOST_ADDRESS", "Where `health-checker` asks the kubelet and kube-proxy"},
		{"KUBELET_PORT", "The kubelet's port there"},
		{"KUBEPROXY_PORT", "kube-proxy's"},
	}
}

// notVariables look like environment variables and are none: fields of the journal and of
// os-release files, capabilities, and parts of names that are listed whole.
func notVariables() []string {
	return []string{
		"SYSLOG_IDENTIFIER", "SYSLOG_FACILITY", "SYSLOG_PID", "SYSLOG_TIMESTAMP", "SYSLOG_RAW", "CODE_FILE", "CODE_LINE", "CODE_FUNC",
		"VERSION_ID", "PRETTY_NAME", "BUILD_ID", "TEMPORALITY_PREFERENCE", "CLIENT_CERTIFICATE", "CLIENT_KEY",
		"DAC_READ_SEARCH", "NET_BIND_SERVICE",
		"OTELNPD_FAULTPOINT", // of builds for tests alone
	}
}

var (
	variableLike = regexp.MustCompile(`"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"`)
	asked        = regexp.MustCompile(`(?:Getenv|LookupEnv|lookup)\("([A-Z]+)"\)`)
)

// Every variable that the source names is on the page.
func TestEnvironmentIsDocumented(t *testing.T) {
	known := notVariables()
	for _, one := range environment() {
		known = append(known, one.name)
	}
	found := 0
	for _, folder := range []string{"cmd", "config", "npd", "pipeline", "processors", "receivers", "exporters"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
				strings.HasSuffix(filepath.Dir(path), "test") { // packages that only tests import
				return err
			}
			text, err := os.ReadFile(path)
			for _, pattern := range []*regexp.Regexp{variableLike, asked} {
				for _, match := range pattern.FindAllSubmatch(text, -1) {
					found++
					require.True(t, slices.Contains(known, string(match[1])),
						"%s names %s: tell of it in environment, for docs/cli.md", path, match[1])
				}
			}
			return err
		}))
	}
	require.Greater(t, found, 30)
}
