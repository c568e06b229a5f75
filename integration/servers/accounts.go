package servers

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Bind gives a user the role system:node-problem-detector, which the server makes
// itself, and returns once the server goes by it: it stores a binding before it knows it.
func (k *Kubernetes) Bind(t testing.TB, user string) {
	t.Helper()
	k.bind(t, map[string]string{"kind": "User", "name": user, "apiGroup": rbac})
	require.Eventually(t, func() bool {
		status, _, err := k.Do(t.Context(), user, http.MethodGet, nodesPath+"/any", "", nil)
		return err == nil && status == http.StatusNotFound
	}, patience, tick, "%s gets no rights", user)
}

const rbac = "rbac.authorization.k8s.io"

func (k *Kubernetes) bind(t testing.TB, subject map[string]string) {
	t.Helper()
	k.create(t, "/apis/"+rbac+"/v1/clusterrolebindings", map[string]any{
		"metadata": metadata{Name: "detector-" + subject["name"]},
		"roleRef":  map[string]string{"apiGroup": rbac, "kind": "ClusterRole", "name": "system:node-problem-detector"},
		"subjects": []map[string]string{subject},
	}, nil)
}

// Account is a service account in namespace default with the role
// system:node-problem-detector.
type Account struct {
	k    *Kubernetes
	name string
	made int
}

// NewAccount makes a service account.
func (k *Kubernetes) NewAccount(t testing.TB, name string) *Account {
	t.Helper()
	k.create(t, "/api/v1/namespaces/default/serviceaccounts", map[string]any{"metadata": metadata{Name: name}}, nil)
	k.bind(t, map[string]string{"kind": "ServiceAccount", "name": name, "namespace": "default"})
	return &Account{k: k, name: name}
}

// Token returns a new token of the account, and what makes it invalid: it is bound
// to a Secret, which revoke deletes. The server believes in a token that it has just
// checked for up to 10 seconds more; revoke returns when it no longer does.
func (a *Account) Token(t testing.TB) (token string, revoke func()) {
	t.Helper()
	a.made++
	const secrets = "/api/v1/namespaces/default/secrets"
	secret := struct {
		Metadata metadata `json:"metadata"`
	}{metadata{Name: a.name + "-" + strconv.Itoa(a.made)}}
	a.k.create(t, secrets, secret, &secret)
	var answer struct {
		Status struct{ Token string }
	}
	a.k.create(t, "/api/v1/namespaces/default/serviceaccounts/"+a.name+"/token", map[string]any{
		"spec": map[string]any{
			"expirationSeconds": 3600,
			"boundObjectRef": map[string]string{
				"apiVersion": "v1", "kind": "Secret", "name": secret.Metadata.Name, "uid": secret.Metadata.UID,
			},
		},
	}, &answer)
	return answer.Status.Token, func() {
		a.k.admin(t, http.MethodDelete, secrets+"/"+secret.Metadata.Name, "", nil, http.StatusOK, nil)
		require.Eventually(t, func() bool {
			status, _, err := a.k.Do(t.Context(), answer.Status.Token, http.MethodGet, "/version", "", nil)
			return err == nil && status == http.StatusUnauthorized
		}, patience, tick, "the token stays valid")
	}
}

// Kubeconfig says what stands in a kubeconfig file.
type Kubeconfig struct {
	// Server is an apiserver's URL, CAFile the certificate it is to be trusted by.
	Server, CAFile string
	// Token or TokenFile is the user's token.
	Token, TokenFile string
}

// Kubeconfig is the kubeconfig of one of the users, straight to the server.
func (k *Kubernetes) Kubeconfig(user string) Kubeconfig {
	return Kubeconfig{Server: k.URL, CAFile: k.CAFile, Token: user}
}

// Write writes the file and returns its path. JSON is YAML.
func (c Kubeconfig) Write(t testing.TB) string {
	t.Helper()
	user := map[string]string{}
	if c.Token != "" {
		user["token"] = c.Token
	}
	if c.TokenFile != "" {
		user["tokenFile"] = c.TokenFile
	}
	content, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "test",
		"contexts": []any{map[string]any{"name": "test", "context": map[string]string{"cluster": "test", "user": "test"}}},
		"clusters": []any{map[string]any{"name": "test", "cluster": map[string]string{
			"server": c.Server, "certificate-authority": c.CAFile,
		}}},
		"users": []any{map[string]any{"name": "test", "user": user}},
	})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}
