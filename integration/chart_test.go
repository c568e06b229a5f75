package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/servers"
)

const chart = "deploy/helm/otelnpd"

// chartCase is how the chart is installed.
type chartCase struct {
	name string
	args []string
}

// everything turns all on that can be.
const everything = `
host: {root: true, run: true}
hostNetwork: true
hostPID: true
capabilities: [NET_ADMIN]
seLinuxOptions: {type: spc_t, level: 's0:c1'}
rulePacks: {storage.yaml: "rules:\n- {id: link-down, pattern: 'link is down', reason: LinkDown}\n"}
admissionPolicy: {enabled: true}
serviceMonitor: {enabled: true, labels: {release: prometheus}, relabelings: [{action: labeldrop, regex: pod}]}
podMonitor: {enabled: true, metricRelabelings: [{action: labeldrop, regex: x}]}
prometheusRule: {enabled: true, disabled: [OtelnpdLinesLost], extraGroups: [{name: own, rules: [{record: a, expr: b}]}]}
networkPolicy: {enabled: true, from: [{namespaceSelector: {matchLabels: {name: monitoring}}}]}
serviceAccount: {annotations: {a: b}}
rbac: {extraRules: [{apiGroups: [''], resources: [pods], verbs: [get]}]}
image: {pullSecrets: [{name: s}], digest: 'sha256:0123456789012345678901234567890123456789012345678901234567890123'}
env: [{name: A, value: b}]
envFrom: [{secretRef: {name: s, optional: true}}]
volumes: [{name: extra, emptyDir: {}}]
volumeMounts: [{name: extra, mountPath: /extra}]
podAnnotations: {a: b}
podLabels: {c: d}
labels: {team: x}
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
config:
  receivers:
    health: {}
    checks: {threads: {enabled: true}, disk_space: {enabled: true}, iptables_mix: {enabled: true}}
  service: {pipelines: {logs: {receivers: [pstore, checks, health]}}}
`

func chartCases(t *testing.T) []chartCase {
	t.Helper()
	root, err := agent.Root()
	require.NoError(t, err)
	presets, err := filepath.Glob(filepath.Join(root, chart, "presets", "*.yaml"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(presets), 2)
	cases := []chartCase{{"default", nil}, {"everything", []string{"--values", valuesFile(t, everything)}}}
	for _, preset := range presets {
		cases = append(cases, chartCase{strings.TrimSuffix(filepath.Base(preset), ".yaml"), []string{"--values", preset}})
	}
	return cases
}

// valuesFile writes values into a file. Helm takes a comma in its path, which the name
// of a test may have, for the end of it.
func valuesFile(t *testing.T, values string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "values") //nolint:usetesting // see above
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "values.yaml")
	require.NoError(t, os.WriteFile(path, []byte(values), 0o600))
	return path
}

// render is what the chart makes for a release in namespace otelnpd.
func render(t *testing.T, tool string, args ...string) string {
	t.Helper()
	return renderRelease(t, tool, "otelnpd", args...)
}

// renderRelease is what the chart makes for a release in namespace otelnpd, unless args
// name another.
func renderRelease(t *testing.T, tool, release string, args ...string) string {
	t.Helper()
	output, failure := servers.Helm(t, tool, append([]string{"template", release, chart, "--namespace", "otelnpd",
		"--kube-version", "1.37.2"}, args...)...)
	require.Empty(t, failure)
	return output
}

// one is the object of a kind, of which there must be one.
func one(t *testing.T, objects []servers.Object, kind string) servers.Object {
	t.Helper()
	var found []servers.Object
	for _, o := range objects {
		if o.Kind() == kind {
			found = append(found, o)
		}
	}
	require.Len(t, found, 1, "%s in %v", kind, objects)
	return found[0]
}

// Both Helms find nothing wrong with the chart and make the same of it, and the agent
// takes each configuration.
func TestChart(t *testing.T) {
	for _, c := range chartCases(t) {
		t.Run(c.name, func(t *testing.T) {
			for _, tool := range []string{servers.Helm3, servers.Helm4} {
				output, failure := servers.Helm(t, tool, append([]string{"lint", chart, "--strict"}, c.args...)...)
				require.Empty(t, failure, output)
			}
			manifest := render(t, servers.Helm3, c.args...)
			require.ElementsMatch(t, servers.Objects(t, manifest), servers.Objects(t, render(t, servers.Helm4, c.args...)))
			requireValid(t, one(t, servers.Objects(t, manifest), "ConfigMap"))
			requireLeastPrivilege(t, c.name, one(t, servers.Objects(t, manifest), "DaemonSet"))
		})
	}
}

// Presets go together in the order that the README tells, and their exporters are all used.
func TestChartTakesPresetsTogether(t *testing.T) {
	for _, presets := range []string{"npd collector", "npd gke", "collector gke", "npd collector gke"} {
		var args []string
		for preset := range strings.FieldsSeq(presets) {
			args = append(args, "--values", chart+"/presets/"+preset+".yaml")
		}
		for _, tool := range []string{servers.Helm3, servers.Helm4} {
			requireValid(t, one(t, servers.Objects(t, render(t, tool, args...)), "ConfigMap"))
		}
	}
}

var valuesInGuide = regexp.MustCompile("(?s)```yaml(?: file=\\S+)?\n(.*?)```")

// The values that the guide shows are values, of which the agent takes what comes out.
func TestChartByItsGuide(t *testing.T) {
	root, err := agent.Root()
	require.NoError(t, err)
	guide, err := os.ReadFile(filepath.Join(root, "docs/deploy-kubernetes.md"))
	require.NoError(t, err)
	found := valuesInGuide.FindAllStringSubmatch(string(guide), -1)
	require.Len(t, found, 3)
	for _, values := range found {
		requireValid(t, one(t, servers.Objects(t, render(t, servers.Helm3, "--values", valuesFile(t, values[1]))), "ConfigMap"))
	}
}

// requireValid demands that the agent takes the files of a ConfigMap, without a warning.
func requireValid(t *testing.T, configMap servers.Object) {
	t.Helper()
	dir := t.TempDir()
	files, _ := configMap.At("data").(map[string]any)
	for name, content := range files {
		text, _ := content.(string)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	result := agent.Run(t, binary, "", "validate", "--config", filepath.Join(dir, "otelnpd.yaml"))
	require.Zero(t, result.ExitCode, "%s%s", result.Stdout, result.Stderr)
	require.NotContains(t, result.Stdout+result.Stderr, "Warning")
}

// requireLeastPrivilege demands that a container has no more than its values ask for.
func requireLeastPrivilege(t *testing.T, name string, daemonSet servers.Object) {
	t.Helper()
	containers, _ := daemonSet.At("spec", "template", "spec", "containers").([]any)
	require.Len(t, containers, 1)
	container := servers.Object(containers[0].(map[string]any))
	require.Equal(t, true, container.At("securityContext", "readOnlyRootFilesystem"))
	require.Equal(t, name == "npd", container.At("securityContext", "privileged"))
	if name != "npd" {
		require.Equal(t, false, container.At("securityContext", "allowPrivilegeEscalation"))
		require.Equal(t, []any{"ALL"}, container.At("securityContext", "capabilities", "drop"))
	}
	if name == "everything" {
		return
	}
	require.Equal(t, []any{false, false}, []any{daemonSet.At("spec", "template", "spec", "hostPID"), daemonSet.At("spec", "template", "spec", "hostNetwork")})
	mounts, _ := container.At("volumeMounts").([]any)
	for _, m := range mounts {
		mount := servers.Object(m.(map[string]any))
		path, _ := mount.At("mountPath").(string)
		written := strings.HasSuffix(path, "/otelnpd") && path != "/etc/otelnpd"
		require.Equal(t, !written, mount.At("readOnly") == true, path)
	}
}

// Values that can mean nothing good are refused, each with its name.
func TestChartRefusesBadValues(t *testing.T) {
	for _, test := range []struct{ values, want string }{
		{"kernelLog: dmesg", "kernelLog"},
		{"kernellog: journal", "'kernellog' not allowed"},
		{"host: {etc: true}", "'etc' not allowed"},
		{"capabilities: [CAP_SYSLOG]", "capabilities"},
		{"capabilities: null", "kernelLog"}, // nothing to keep all of
		{"seLinuxOptions: {typ: spc_t}", "invalid propertyName 'typ'"},
		{"config: {service: {pipelines: null}}", "pipelines"},
		{"config: {exporter: {}}", "invalid propertyName 'exporter'"},
		{"rulePacks: {otelnpd.yaml: ''}", "invalid propertyName 'otelnpd.yaml'"},
		{"rulePacks: {../a.yaml: ''}", "invalid propertyName '../a.yaml'"},
		{"admissionPolicy: {conditions: [Ready]}", "admissionPolicy"},
		{"image: {digest: abc}", "digest"},
		{"updateStrategy: {maxUnavailable: some}", "maxUnavailable"},
		{"updateStrategy: {maxUnavailable: 0%}", "maxUnavailable"},
		{"updateStrategy: {maxUnavailable: 101%}", "maxUnavailable"},
		{"rbac: {clusterRole: r, extraRules: [{verbs: [get]}]}", "rbac.extraRules go into the ClusterRole that the chart makes"},
		{"rbac: {create: false, extraRules: [{verbs: [get]}]}", "rbac.extraRules go into the ClusterRole that the chart makes"},
		{"serviceMonitor: {enabled: true}\nconfig: {exporters: {prometheus: {endpoint: '127.0.0.1:1'}}}", "lets nobody in from outside of the Pod"},
		{"podMonitor: {enabled: true}\nconfig: {exporters: {prometheus: null}}", "lets nobody in from outside of the Pod"},
		{"config: {exporters: {prometheus: {endpoint: '0.0.0.0:${env:METRICS_PORT}'}}}", "config.exporters.prometheus.endpoint: the Pod and the Service name the port"},
		{"config: {exporters: {prometheus/second: {endpoint: ':0'}}}", "config.exporters.prometheus/second.endpoint: the Pod and the Service name the port"},
		{"nameOverride: My_Agent", "nameOverride"},
		{"nameOverride: -agent", "nameOverride"},
		{"fullnameOverride: my.agent", "fullnameOverride"},
		{"fullnameOverride: agent-", "fullnameOverride"},
		{"serviceAccount: {name: My Account}", "serviceAccount"},
		{"podLabels: {app.kubernetes.io/name: x}", "invalid propertyName 'app.kubernetes.io/name'"},
		{"labels: {app.kubernetes.io/instance: x}", "invalid propertyName 'app.kubernetes.io/instance'"},
		{"labels: {app.kubernetes.io/version: x}", "invalid propertyName 'app.kubernetes.io/version'"},
		{"serviceMonitor: {labels: {app.kubernetes.io/managed-by: x}}", "invalid propertyName 'app.kubernetes.io/managed-by'"},
		{"podMonitor: {labels: {helm.sh/chart: x}}", "invalid propertyName 'helm.sh/chart'"},
		{"prometheusRule: {labels: {app.kubernetes.io/name: x}}", "invalid propertyName 'app.kubernetes.io/name'"},
		{"podAnnotations: {otelnpd/fixed-configuration: x}", "invalid propertyName 'otelnpd/fixed-configuration'"},
		{"{hostUsers: false, hostNetwork: true}", "hostUsers: false cannot go with hostNetwork"},
		{"{hostUsers: false, hostPID: true}", "hostUsers: false cannot go with hostNetwork"},
		{"updateStrategy: null", "updateStrategy"},
		{"image: null", "image"},
		{"host: null", "host"},
		{"hostNetwork: null", "hostNetwork"},
		{"probes: null", "probes"},
		{"state: null", "state"},
		{"config: null", "config"},
		{"kernelLog: null", "kernelLog"},
		{"serviceAccount: null", "serviceAccount"},
		{"prometheusRule: null", "prometheusRule"},
		{"state: {hostPathRun: null}", "hostPathRun"},
		{"serviceAccount: {create: null}", "create"},
		{"updateStrategy: {type: null}", "type"},
		{"config: {receivers: [kmsg]}", "/receivers"},
		{"config: {exporters: {prometheus: 9100}}", "/exporters/prometheus"},
		{"config: {exporters: {prometheus: {endpoint: 9100.5}}}", "config.exporters.prometheus.endpoint: the Pod"},
		{"config: {service: {pipelines: {logs: [kmsg]}}}", "/pipelines/logs"},
		{"config: {service: {pipelines: {logs: null, other: {}}}}", "kernelLog: journal needs the pipeline"},
		{"rulePacks: {a.yaml: 'rules: []'}\nconfig: {processors: {rules: null}}", "rulePacks needs the processor"},
	} {
		t.Run(test.values, func(t *testing.T) {
			path := valuesFile(t, test.values)
			for _, tool := range []string{servers.Helm3, servers.Helm4} {
				_, failure := servers.Helm(t, tool, "template", "otelnpd", chart, "--kube-version", "1.37.2", "--values", path)
				require.Contains(t, failure, test.want)
				require.NotContains(t, failure, "error calling", "the template stumbled over it")
				require.NotContains(t, failure, "nil pointer")
			}
		})
	}
}

// Clusters that are too old for the policy get none in which nobody could write.
func TestChartRefusesAPolicyOnOldClusters(t *testing.T) {
	for version, refused := range map[string]bool{
		"1.25.0": true, "1.29.14": true, "v1.31.9-gke.1": true, "1.32.0": false, "v1.32.0-rc.1": false, "v1.33.4-gke.1": false,
	} {
		for _, tool := range []string{servers.Helm3, servers.Helm4} {
			output, failure := servers.Helm(t, tool, "template", "otelnpd", chart, "--kube-version", version, "--set", "admissionPolicy.enabled=true")
			require.Equal(t, refused, strings.Contains(failure, "admissionPolicy.enabled needs Kubernetes 1.32"), "%s %s", version, failure)
			require.Equal(t, refused, !strings.Contains(output, "kind: ValidatingAdmissionPolicy"), version)
		}
	}
}

// The Pods start anew where a running agent cannot take a change on, and not else.
func TestChartRollsWhereItMust(t *testing.T) {
	mark := func(args ...string) any {
		daemonSet := one(t, servers.Objects(t, render(t, servers.Helm3, args...)), "DaemonSet")
		return daemonSet.At("spec", "template", "metadata", "annotations", "otelnpd/fixed-configuration")
	}
	plain := mark()
	require.NotEmpty(t, plain)
	require.Equal(t, plain, mark("--set", "config.receivers.checks.interval=1m"))
	require.Equal(t, plain, mark("--set", "config.service.pipelines.logs.exporters={status,kubernetes,prometheus}"))
	require.NotEqual(t, plain, mark("--set", "config.service.node=n"))
	require.NotEqual(t, plain, mark("--set", "capabilities={SYSLOG}"))
}

// decode reads YAML.
func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	var decoded map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(text), &decoded))
	return decoded
}
