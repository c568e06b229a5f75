package integration

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/servers"
)

// awkwardName is a release whose names Helm takes, and YAML or Kubernetes could take for
// something else.
type awkwardName struct {
	release         string
	args            []string
	label           string // app.kubernetes.io/name
	object, service string
}

func awkwardNames(t *testing.T) []awkwardName {
	t.Helper()
	all := []string{"--values", valuesFile(t, everything)}
	with := func(values string) []string { return append(all[:2:2], "--values", valuesFile(t, values)) }
	long := strings.Repeat("n", 52)
	return []awkwardName{
		{"otelnpd", all, "otelnpd", "otelnpd", "otelnpd"},
		{"123", all, "otelnpd", "123-otelnpd", "metrics-123-otelnpd"},
		{"1otelnpd", all, "otelnpd", "1otelnpd", "metrics-1otelnpd"},
		{"true", with("nameOverride: 'true'"), "true", "true", "true"},
		{"null", with("nameOverride: 'null'"), "null", "null", "null"},
		{"on", with("nameOverride: 'off'"), "off", "on-off", "on-off"},
		{"1e3", with("{nameOverride: '1e3', serviceAccount: {name: '123'}}"), "1e3", "1e3", "metrics-1e3"},
		{"r", with("{fullnameOverride: '123', nameOverride: '456'}"), "456", "123", "metrics-123"},
		{"a.b", all, "otelnpd", "a-b-otelnpd", "a-b-otelnpd"},
		{"otelnpd", with("nameOverride: my.agent"), "my.agent", "otelnpd-my-agent", "otelnpd-my-agent"},
		{"release", with("nameOverride: " + long + "nnnnnnnnnn.n"), long + "nnnnnnnnnn", "release-" + long + "nnn", "release-" + long + "nnn"},
		{"r.2", with("nameOverride: " + long + "nnnnnnn.nn--n"), long + "nnnnnnn.nn", "r-2-" + long + "nnnnnnn", "r-2-" + long + "nnnnnnn"},
		{"otelnpd", append(all[:2:2], "--namespace", "123"), "otelnpd", "otelnpd", "otelnpd"},
	}
}

var (
	labelForm   = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	nameForm    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	serviceForm = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

// Whatever a release is called, its objects have names and labels of Kubernetes' forms, and
// the selectors find the Pods.
func TestChartTakesAwkwardNames(t *testing.T) {
	for _, n := range awkwardNames(t) {
		t.Run(n.release+" "+n.object, func(t *testing.T) {
			for _, tool := range []string{servers.Helm3, servers.Helm4} {
				requireNames(t, n, servers.Objects(t, renderRelease(t, tool, n.release, n.args...)))
			}
		})
	}
}

func requireNames(t *testing.T, n awkwardName, objects []servers.Object) {
	t.Helper()
	for _, o := range objects {
		require.Regexp(t, nameForm, o.At("metadata", "name"), o.Kind())
		if namespace := o.At("metadata", "namespace"); namespace != nil {
			require.Regexp(t, nameForm, namespace, o.Kind())
		}
		requireLabels(t, o.At("metadata", "labels"))
	}
	daemonSet, service := one(t, objects, "DaemonSet"), one(t, objects, "Service")
	require.Equal(t, n.object, daemonSet.Name())
	require.Equal(t, n.service, service.Name())
	require.Regexp(t, serviceForm, service.Name())
	selector := map[string]any{"app.kubernetes.io/name": n.label, "app.kubernetes.io/instance": n.release}
	require.Equal(t, selector, daemonSet.At("spec", "selector", "matchLabels"))
	require.Equal(t, selector, service.At("spec", "selector"))
	labels := daemonSet.At("spec", "template", "metadata", "labels")
	requireLabels(t, labels)
	require.Subset(t, labels, selector)
	account := one(t, objects, "ServiceAccount").Name()
	require.Equal(t, account, daemonSet.At("spec", "template", "spec", "serviceAccountName"))
	require.Contains(t, one(t, objects, "ClusterRoleBinding").At("subjects"),
		map[string]any{"kind": "ServiceAccount", "name": account, "namespace": daemonSet.Namespace()})
}

func requireLabels(t *testing.T, labels any) {
	t.Helper()
	mapping, _ := labels.(map[string]any)
	require.NotEmpty(t, mapping)
	for key, label := range mapping {
		require.IsType(t, "", label, key)
		require.Regexp(t, labelForm, label, key)
	}
}

// Labels of one object go before those of all, and none is written twice.
func TestChartJoinsLabels(t *testing.T) {
	objects := rendered(t, `
labels: {team: all, app.kubernetes.io/part-of: nodes}
podLabels: {team: pod}
serviceMonitor: {enabled: true, labels: {team: service}}
podMonitor: {enabled: true, labels: {team: monitor}}
prometheusRule: {enabled: true, labels: {team: rule}}
`)
	for kind, want := range map[string]string{
		"ConfigMap": "all", "DaemonSet": "all", "ServiceMonitor": "service", "PodMonitor": "monitor", "PrometheusRule": "rule",
	} {
		labels := one(t, objects, kind).At("metadata", "labels")
		require.Subset(t, labels, map[string]any{"team": want, "app.kubernetes.io/part-of": "nodes", "app.kubernetes.io/name": "otelnpd"}, kind)
	}
	labels := one(t, objects, "DaemonSet").At("spec", "template", "metadata", "labels")
	require.Subset(t, labels, map[string]any{"team": "pod", "app.kubernetes.io/part-of": "nodes"})
}
