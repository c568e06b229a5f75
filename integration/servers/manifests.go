package servers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

// Object is a Kubernetes object as YAML has it.
type Object map[string]any

// Kind of the object.
func (o Object) Kind() string { return o.text("kind") }

// Name of the object.
func (o Object) Name() string { return o.text("metadata", "name") }

// Namespace of the object; empty: it is of the whole cluster.
func (o Object) Namespace() string { return o.text("metadata", "namespace") }

func (o Object) text(path ...string) string {
	text, _ := o.At(path...).(string)
	return text
}

// At returns what is at a path of keys; nil: nothing.
func (o Object) At(path ...string) any {
	var at any = map[string]any(o)
	for _, key := range path {
		mapping, _ := at.(map[string]any)
		at = mapping[key]
	}
	return at
}

// Objects reads a stream of YAML documents.
func Objects(t testing.TB, manifest string) (list []Object) {
	t.Helper()
	for document := range strings.SplitSeq("\n"+manifest, "\n---") {
		var object map[string]any
		if strings.TrimSpace(document) != "" {
			require.NoError(t, yaml.Unmarshal([]byte(document+"\n"), &object), "%s", document)
		}
		if len(object) > 0 {
			list = append(list, Object(object))
		}
	}
	return list
}

// collection is the path to which the object is POSTed.
func (o Object) collection() string {
	group, plural := "/api/", strings.ToLower(o.Kind())+"s"
	version := o.text("apiVersion")
	if strings.Contains(version, "/") {
		group = "/apis/"
	}
	if strings.HasSuffix(o.Kind(), "Policy") {
		plural = strings.TrimSuffix(plural, "ys") + "ies"
	}
	if namespace := o.Namespace(); namespace != "" {
		return group + version + "/namespaces/" + namespace + "/" + plural
	}
	return group + version + "/" + plural
}

// Create POSTs the object as the admin, checked strictly, and demands that it is taken
// without a warning. Of a dry run nothing stays.
func (k *Kubernetes) Create(t testing.TB, o Object, dryRun bool) {
	t.Helper()
	query := "?fieldValidation=Strict"
	if dryRun {
		query += "&dryRun=All"
	}
	body, err := json.Marshal(o)
	require.NoError(t, err)
	status, answer, err := k.Do(t.Context(), Admin, http.MethodPost, o.collection()+query, jsonType, body)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, status, "%s %s: %s", o.Kind(), o.Name(), answer)
}

// Get returns an object as it stands, by its path in the API.
func (k *Kubernetes) Get(t testing.TB, path string) Object {
	t.Helper()
	var o Object
	k.admin(t, http.MethodGet, path, "", nil, http.StatusOK, &o)
	return o
}

// CreateNamespace makes a namespace.
func (k *Kubernetes) CreateNamespace(t testing.TB, name string) {
	t.Helper()
	k.create(t, "/api/v1/namespaces", map[string]any{"metadata": metadata{Name: name}}, nil)
}

// PodToken returns a token of a service account, bound to a Pod, as the kubelet asks
// for it.
func (k *Kubernetes) PodToken(t testing.TB, namespace, account, pod string) string {
	t.Helper()
	var made struct{ Metadata metadata }
	k.admin(t, http.MethodGet, "/api/v1/namespaces/"+namespace+"/pods/"+pod, "", nil, http.StatusOK, &made)
	var answer struct {
		Status struct{ Token string }
	}
	k.create(t, "/api/v1/namespaces/"+namespace+"/serviceaccounts/"+account+"/token", map[string]any{
		"spec": map[string]any{"boundObjectRef": map[string]string{
			"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": made.Metadata.UID,
		}},
	}, &answer)
	return answer.Status.Token
}

// prometheusOperator has the definitions of its objects.
const prometheusOperator = "github.com/prometheus-operator/prometheus-operator@v0.85.0"

// InstallPrometheusOperator makes the definitions of ServiceMonitors, PodMonitors and
// PrometheusRules, and waits until they are served.
func (k *Kubernetes) InstallPrometheusOperator(t testing.TB) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", prometheusOperator)
	cmd.Dir = t.TempDir()
	output, err := cmd.Output()
	require.NoError(t, err, "get %s: %s", prometheusOperator, output)
	var module struct{ Dir string }
	require.NoError(t, json.Unmarshal(output, &module))
	for _, plural := range []string{"servicemonitors", "podmonitors", "prometheusrules"} {
		path := filepath.Join(module.Dir, "example/prometheus-operator-crd/monitoring.coreos.com_"+plural+".yaml")
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, o := range Objects(t, string(text)) {
			k.Create(t, o, false)
		}
		require.Eventually(t, func() bool {
			status, _, err := k.Do(t.Context(), Admin, http.MethodGet, "/apis/monitoring.coreos.com/v1/"+plural, "", nil)
			return err == nil && status == http.StatusOK
		}, patience, tick, plural)
	}
}

// String names the object.
func (o Object) String() string { return fmt.Sprintf("%s %s", o.Kind(), o.Name()) }
