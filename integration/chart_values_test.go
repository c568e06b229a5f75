package integration

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"github.com/otelnpd/otelnpd/integration/servers"
)

// rendered is what the chart makes of values.
func rendered(t *testing.T, values string) []servers.Object {
	t.Helper()
	return servers.Objects(t, render(t, servers.Helm3, "--values", valuesFile(t, values)))
}

// renderedConfig is the agent's configuration that the chart makes of values.
func renderedConfig(t *testing.T, values string) servers.Object {
	t.Helper()
	text, _ := one(t, rendered(t, values), "ConfigMap").At("data", "otelnpd.yaml").(string)
	return servers.Object(decode(t, text))
}

// containerOf is the chart's container.
func containerOf(t *testing.T, objects []servers.Object) servers.Object {
	t.Helper()
	containers, _ := one(t, objects, "DaemonSet").At("spec", "template", "spec", "containers").([]any)
	require.Len(t, containers, 1)
	return containers[0].(map[string]any)
}

// mountsOf are the mounts of the chart's container, by their paths.
func mountsOf(t *testing.T, objects []servers.Object) map[string]servers.Object {
	t.Helper()
	list, _ := containerOf(t, objects).At("volumeMounts").([]any)
	mounts := map[string]servers.Object{}
	for _, m := range list {
		mount := servers.Object(m.(map[string]any))
		mounts[mount.At("mountPath").(string)] = mount
	}
	require.Len(t, mounts, len(list), "two mounts have one path")
	return mounts
}

// Whoever reads /dev/kmsg keeps the right to, whatever else is kept.
func TestChartKeepsWhatItReadsBy(t *testing.T) {
	for _, test := range []struct {
		values string
		want   any
	}{
		{"kernelLog: kmsg", []any{"SYSLOG"}},
		{"{kernelLog: kmsg, capabilities: [NET_ADMIN]}", []any{"NET_ADMIN", "SYSLOG"}},
		{"{kernelLog: kmsg, capabilities: [SYSLOG]}", []any{"SYSLOG"}},
		{"{kernelLog: kmsg, capabilities: null}", nil},
		{"kernelLog: journal", []any{}},
		{"capabilities: [NET_ADMIN]", []any{"NET_ADMIN"}},
	} {
		t.Run(test.values, func(t *testing.T) {
			require.Equal(t, test.want, renderedConfig(t, test.values).At("service", "capabilities"))
		})
	}
}

// Of the journal the kernel's messages alone are read, by the transport: that is journald's
// own word, an identifier is the writer's.
func TestChartReadsTheKernelAlone(t *testing.T) {
	for _, values := range []string{"{}", "kernelLog: journal"} {
		require.Equal(t, []any{"kernel"}, renderedConfig(t, values).At("receivers", "journald/kernel", "transports"), values)
	}
}

// Host paths are mounted read-only with all that is mounted below them, as far as
// Kubernetes can: with the root, of which later mounts are to be seen, it cannot.
func TestChartMountsReadOnly(t *testing.T) {
	const values = "{kernelLog: kmsg, host: {root: true, run: true}}"
	mounts := mountsOf(t, rendered(t, values))
	for _, path := range []string{"/host", "/host/run", "/host/var/log", "/host/proc", "/host/sys"} {
		require.Contains(t, mounts, path)
	}
	for path, mount := range mounts {
		if !strings.HasPrefix(path, "/host") || path == "/host/run/otelnpd" {
			continue
		}
		require.Equal(t, true, mount.At("readOnly"), path)
		if path == "/host" {
			require.Equal(t, []any{"HostToContainer", nil}, []any{mount.At("mountPropagation"), mount.At("recursiveReadOnly")})
		} else {
			require.Equal(t, []any{nil, "IfPossible"}, []any{mount.At("mountPropagation"), mount.At("recursiveReadOnly")}, path)
		}
	}
	older := render(t, servers.Helm3, "--values", valuesFile(t, values), "--kube-version", "1.29.0")
	require.NotContains(t, older, "recursiveReadOnly", "an older API server refuses it")
}

// A rule pack comes out as it was written, to the last character.
func TestChartKeepsRulePacks(t *testing.T) {
	for _, pack := range []string{
		"rules: []\n", "rules: []", "  rules: []\n\n\n", "\trules: []", "\n\n rules:\n\t\n", "\u0085rules: []\u0085\u2028#\ufeff\u00a0\x7f",
		"# \\u0085 \"'<&>{{ .Values }} : #\r\nrules: []\r\n", "", "%YAML 1.2\n---\nrules: []\n...\n", "# é 😀\nrules: []\n",
	} {
		values := fmt.Sprintf("rulePacks: {on.yaml: %+[1]q, 1.yaml: %+[1]q}", pack)
		for _, tool := range []string{servers.Helm3, servers.Helm4} {
			objects := servers.Objects(t, render(t, tool, "--values", valuesFile(t, values)))
			data := one(t, objects, "ConfigMap").At("data")
			require.Subset(t, data, map[string]any{"on.yaml": pack, "1.yaml": pack})
		}
	}
}

// Texts with signs that YAML has a meaning for come out as they were written.
func TestChartKeepsTexts(t *testing.T) {
	for _, path := range []string{"/a #b", "/a: b", "/a}, {b", "/a'b\"\\c", "/é\u0085"} {
		values := fmt.Sprintf("{state: {hostPath: %+[1]q, hostPathRun: %+[1]q}, image: {program: %+[1]q, repository: %+[1]q}, priorityClassName: %+[1]q}", path)
		for _, tool := range []string{servers.Helm3, servers.Helm4} {
			objects := servers.Objects(t, render(t, tool, "--values", valuesFile(t, values)))
			spec, _ := one(t, objects, "DaemonSet").At("spec", "template", "spec").(map[string]any)
			require.Equal(t, path, spec["priorityClassName"])
			for _, name := range []string{"state", "run"} {
				require.Contains(t, spec["volumes"], map[string]any{"name": name, "hostPath": map[string]any{"path": path, "type": "DirectoryOrCreate"}})
			}
			require.Equal(t, []any{path}, containerOf(t, objects).At("command"))
			require.Equal(t, path+":0.1.0", containerOf(t, objects).At("image"))
		}
	}
}

// What can be taken out of the values is, without a trace of it.
func TestChartTakesNull(t *testing.T) {
	for _, key := range []string{
		"resources", "priorityClassName", "tolerations", "nodeSelector", "affinity", "dnsPolicy", "terminationGracePeriodSeconds", "env", "envFrom",
		"volumes", "volumeMounts", "podAnnotations", "podLabels", "labels", "rulePacks", "seLinuxOptions", "nameOverride", "fullnameOverride",
	} {
		for _, tool := range []string{servers.Helm3, servers.Helm4} {
			objects := servers.Objects(t, render(t, tool, "--values", valuesFile(t, key+": null")))
			requireValid(t, one(t, objects, "ConfigMap"))
			require.Equal(t, "otelnpd", one(t, objects, "DaemonSet").Name())
		}
	}
}

func TestChartTakesSELinuxOptions(t *testing.T) {
	at := func(values string) any {
		return containerOf(t, rendered(t, values)).At("securityContext", "seLinuxOptions")
	}
	require.Nil(t, at("{}"))
	require.Equal(t, map[string]any{"type": "spc_t"}, at("seLinuxOptions: {type: spc_t}"))
}

// A mount below a read-only one of the host needs a place that is there on the node.
func TestChartMountsWhereAPlaceIs(t *testing.T) {
	for values, want := range map[string]bool{
		"{}":                                   true,
		"host: {run: true}":                    true,
		"host: {root: true}":                   true,
		"state: {hostPathRun: /run/elsewhere}": true, // in the container's own root
		"{host: {run: true}, state: {hostPathRun: /run/otelnpd/}}":   true,
		"{host: {run: true}, state: {hostPathRun: /run/elsewhere}}":  false,
		"{host: {root: true}, state: {hostPathRun: /run/elsewhere}}": false,
	} {
		mounts := mountsOf(t, rendered(t, values))
		require.Equal(t, want, mounts["/host/run/otelnpd"] != nil, values)
		require.Contains(t, mounts, "/run/otelnpd", values)
	}
}

// The Pod's port and that of the Service are the exporter's, whatever its name.
func TestChartNamesTheMetricsPort(t *testing.T) {
	for values, want := range map[string]any{
		"{}": 20257,
		"config: {exporters: {prometheus: {endpoint: '[::]:9100'}}}":                                         9100,
		"config: {exporters: {prometheus: {endpoint: '127.0.0.1:9100'}}}":                                    nil,
		"config: {exporters: {prometheus: null, prometheus/x: {endpoint: ':9101'}}}":                         9101,
		"config: {exporters: {prometheus: {endpoint: '127.0.0.1:9100'}, prometheus/x: {endpoint: ':9101'}}}": 9101,
		"config: {exporters: {prometheus/x: {endpoint: ':9101'}}}":                                           20257,
	} {
		objects := rendered(t, values)
		ports, _ := containerOf(t, objects).At("ports").([]any)
		if want == nil {
			require.Empty(t, ports, values)
			continue
		}
		require.Len(t, ports, 1, values)
		require.Equal(t, want, servers.Object(ports[0].(map[string]any)).At("containerPort"), values)
		ports, _ = one(t, objects, "Service").At("spec", "ports").([]any)
		require.Equal(t, want, servers.Object(ports[0].(map[string]any)).At("port"), values)
	}
}

// The kubelet kills no agent that still passes on what it has accepted.
func TestChartWaitsForTheAgent(t *testing.T) {
	for values, want := range map[string]int{
		"{}":                                30,
		"terminationGracePeriodSeconds: 5":  30,
		"terminationGracePeriodSeconds: 90": 90,
		"config: {service: {shutdown_timeout: 2m}}":         140,
		"config: {service: {shutdown_timeout: 1m30.5s}}":    111,
		"config: {service: {shutdown_timeout: 1500ms}}":     30,
		"config: {service: {shutdown_timeout: '${env:T}'}}": 320,
	} {
		daemonSet := one(t, rendered(t, values), "DaemonSet")
		require.Equal(t, want, daemonSet.At("spec", "template", "spec", "terminationGracePeriodSeconds"), values)
	}
}

// Who asks for a NetworkPolicy that most likely protects nothing is told. (Helm 3 shows
// notes only where it reaches a cluster.)
func TestChartWarnsOfAPolicyWithoutEffect(t *testing.T) {
	notes := func(values string) string {
		output, failure := servers.Helm(t, servers.Helm4, "install", "otelnpd", chart, "--dry-run=client", "--values", valuesFile(t, values))
		require.Empty(t, failure)
		_, after, found := strings.Cut(output, "NOTES:")
		require.True(t, found, output)
		return after
	}
	const warning = "apply no NetworkPolicy to such Pods"
	require.Contains(t, notes("{hostNetwork: true, networkPolicy: {enabled: true}}"), warning)
	require.NotContains(t, notes("{hostNetwork: true}"), warning)
	require.NotContains(t, notes("networkPolicy: {enabled: true}"), warning)
}

// What the monitors of the chart scrape, whatever the objects are called, are jobs that the
// chart's alerts ask for.
func TestChartScrapesWhatItsAlertsAskFor(t *testing.T) {
	objects := rendered(t, `
fullnameOverride: node-problem-detector
nameOverride: npd
serviceMonitor: {enabled: true}
podMonitor: {enabled: true}
prometheusRule: {enabled: true}
`)
	rules, err := yaml.Marshal(one(t, objects, "PrometheusRule").At("spec"))
	require.NoError(t, err)
	asked := askedJob.FindAllStringSubmatch(string(rules), -1)
	require.Len(t, asked, 2)
	for kind, list := range map[string]string{"ServiceMonitor": "endpoints", "PodMonitor": "podMetricsEndpoints"} {
		endpoints, _ := one(t, objects, kind).At("spec", list).([]any)
		require.Len(t, endpoints, 1)
		job := ""
		relabelings, _ := servers.Object(endpoints[0].(map[string]any)).At("relabelings").([]any)
		for _, r := range relabelings {
			if relabeling := servers.Object(r.(map[string]any)); relabeling.At("targetLabel") == "job" {
				job, _ = relabeling.At("replacement").(string)
			}
		}
		for _, pattern := range asked {
			require.Regexp(t, "^(?:"+pattern[1]+")$", job, kind)
		}
	}
}

var askedJob = regexp.MustCompile(`job=~"([^"]*)"`)
