package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/servers"
)

// The two values of node-problem-detector's chart that bring the image change it alone,
// and a rollback takes that back: by both Helms, on a real API server.
func TestNPDChartThereAndBack(t *testing.T) {
	shared := os.Getenv("OTELNPD_SHARED")
	if shared == "" {
		t.Skip("OTELNPD_SHARED names no folder with a rendered chart")
	}
	rendered, err := os.ReadFile(filepath.Join(shared, "npd-config/chart/rendered.yaml"))
	require.NoError(t, err)
	folder := npdChart(t, string(rendered))
	k := servers.StartKubernetes(t)
	kubeconfig := k.Kubeconfig(servers.Admin).Write(t)
	for _, tool := range []string{servers.Helm3, servers.Helm4} {
		t.Run(tool, func(t *testing.T) {
			helm := func(args ...string) {
				_, failure := servers.Helm(t, tool, append(args, "--kubeconfig", kubeconfig)...)
				require.Empty(t, failure)
			}
			spec := func() servers.Object {
				o, _ := k.Get(t, "/apis/apps/v1/namespaces/default/daemonsets/npd-node-problem-detector").At("spec").(map[string]any)
				return o
			}
			helm("install", "npd", folder)
			before := spec()
			was := swapImage(t, before, "")
			require.Contains(t, was, "/node-problem-detector:")

			helm("upgrade", "npd", folder, "--reuse-values", "--set", "image.repository=ghcr.io/otelnpd/otelnpd-compat", "--set", "image.tag=0.1.0")
			there := spec()
			require.Equal(t, "ghcr.io/otelnpd/otelnpd-compat:0.1.0", swapImage(t, there, ""))
			require.Equal(t, before, there, "nothing else changes")

			helm("rollback", "npd")
			back := spec()
			require.Equal(t, was, swapImage(t, back, ""))
			require.Equal(t, before, back)
			helm("uninstall", "npd")
		})
	}
}

// swapImage puts another image into the only container of a DaemonSet's spec, and returns
// the one that was there.
func swapImage(t *testing.T, spec servers.Object, image string) (was string) {
	t.Helper()
	containers, _ := spec.At("template", "spec", "containers").([]any)
	require.Len(t, containers, 1)
	container := containers[0].(map[string]any)
	was, _ = container["image"].(string)
	container["image"] = image
	return was
}

// npdChart makes a chart again of what one has rendered, of which the image is a value.
func npdChart(t *testing.T, rendered string) (folder string) {
	t.Helper()
	_, after, found := strings.Cut(rendered, `image:  "`)
	require.True(t, found)
	image, _, _ := strings.Cut(after, `"`)
	colon := strings.LastIndex(image, ":")
	folder = filepath.Join(t.TempDir(), "node-problem-detector")
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "templates"), 0o755))
	for name, text := range map[string]string{
		"Chart.yaml":         "{apiVersion: v2, name: node-problem-detector, version: 2.4.1}\n",
		"values.yaml":        "image: {repository: " + image[:colon] + ", tag: " + image[colon+1:] + "}\n",
		"templates/all.yaml": strings.ReplaceAll(rendered, image, "{{ .Values.image.repository }}:{{ .Values.image.tag }}"),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	return folder
}
