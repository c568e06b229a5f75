package main

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeCluster is an apiserver whose Nodes all have the condition KernelDeadlock. It keeps
// what its Nodes are asked, such as "GET a".
type fakeCluster struct {
	kubeconfig string
	list       string
	// fail answers what is asked of a Node for the nth time, and tells whether it has.
	fail func(w http.ResponseWriter, r *http.Request, asked string, nth int) bool

	mu    sync.Mutex
	asked map[string]int
}

func startCluster(t *testing.T, nodes ...string) *fakeCluster {
	t.Helper()
	c := &fakeCluster{asked: map[string]int{}, fail: func(http.ResponseWriter, *http.Request, string, int) bool { return false }}
	var items []string
	for _, node := range nodes {
		name, err := json.Marshal(node)
		require.NoError(t, err)
		items = append(items, fmt.Sprintf(`{"metadata":{"name":%s}}`, name))
	}
	c.list = `{"kind":"PartialObjectMetadataList","items":[` + strings.Join(items, ",") + `]}`
	s := httptest.NewTLSServer(c)
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	c.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(c.kubeconfig, fmt.Appendf(nil, `{"apiVersion": "v1", "kind": "Config", "current-context": "c",
"clusters": [{"name": "c", "cluster": {"server": %q, "certificate-authority-data": %q}}],
"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {"token": "t"}}]}`,
		s.URL, base64.StdEncoding.EncodeToString(ca)), 0o600))
	return c
}

func (c *fakeCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/api/v1/nodes" {
		_, _ = w.Write([]byte(c.list))
		return
	}
	node := path.Base(strings.TrimSuffix(r.URL.Path, "/status"))
	asked := r.Method + " " + node
	c.mu.Lock()
	c.asked[asked]++
	nth := c.asked[asked]
	c.mu.Unlock()
	if !c.fail(w, r, asked, nth) {
		_, _ = w.Write([]byte(`{"kind":"Node","metadata":{"uid":"u"},"status":{"conditions":[{"type":"KernelDeadlock","status":"True"}]}}`))
	}
}

// questions are how often each was asked.
func (c *fakeCluster) questions() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.asked)
}

func (c *fakeCluster) uninstall(t *testing.T, args ...string) result {
	t.Helper()
	return otelnpd(t, "", append([]string{"uninstall", "--kubeconfig", c.kubeconfig, "KernelDeadlock"}, args...)...)
}

func refuse(w http.ResponseWriter, code int, reason, message string) bool {
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"kind":"Status","status":"Failure","code":%d,"reason":%q,"message":%q}`, code, reason, message)
	return true
}

func TestUninstallFromAllNodes(t *testing.T) {
	const name = "a\x1b[31m\n"
	c := startCluster(t, "a", "gone", name)
	c.fail = func(w http.ResponseWriter, _ *http.Request, asked string, _ int) bool {
		return asked == "GET gone" && refuse(w, 404, "NotFound", "no such Node")
	}
	shown := "KernelDeadlock removed from the Node a\n" + `KernelDeadlock removed from the Node a\x1b[31m\n` + "\n"
	require.Equal(t, result{0, shown, ""}, c.uninstall(t, "--all-nodes"))
	require.Equal(t, map[string]int{"GET a": 1, "PATCH a": 1, "GET gone": 1, "GET " + name: 1, "PATCH " + name: 1}, c.questions())
}

func TestUninstallFromNoNodes(t *testing.T) {
	c := startCluster(t)
	require.Equal(t, result{0, "there are no Nodes\n", ""}, c.uninstall(t, "--all-nodes"))
	for _, foreign := range []string{`{}`, `null`, `{"items":null}`, `{"kind":"Status","status":"Failure"}`} {
		c.list = foreign
		got := c.uninstall(t, "--all-nodes")
		require.Equal(t, 1, got.code, foreign)
		require.Contains(t, got.stderr, "is not PartialObjectMetadataList or NodeList", foreign)
	}
}

// What passes is tried again, and the Node read again before it is patched.
func TestUninstallTriesAgain(t *testing.T) {
	for name, test := range map[string]struct {
		asked           string
		code            int
		reason, message string
	}{
		"throttled":       {"GET a", 429, "TooManyRequests", "later"},
		"at once":         {"PATCH a", 409, "Conflict", "modified"},
		"another uid":     {"PATCH a", 422, "Invalid", "metadata.uid: Invalid value"},
		"server error":    {"PATCH a", 500, "InternalError", "etcd"},
		"new credentials": {"GET a", 401, "Unauthorized", "who?"},
	} {
		for _, nodes := range []string{"--node=a", "--all-nodes"} {
			t.Run(name+" "+nodes, func(t *testing.T) {
				t.Parallel()
				c := startCluster(t, "a")
				c.fail = func(w http.ResponseWriter, _ *http.Request, asked string, nth int) bool {
					return asked == test.asked && nth == 1 && refuse(w, test.code, test.reason, test.message)
				}
				require.Equal(t, result{0, "KernelDeadlock removed from the Node a\n", ""}, c.uninstall(t, nodes))
				require.Equal(t, 2, c.questions()[test.asked])
				require.Equal(t, 2, c.questions()["GET a"])
			})
		}
	}
}

func TestUninstallGivesUp(t *testing.T) {
	c := startCluster(t, "a", "b", "c")
	c.fail = func(w http.ResponseWriter, _ *http.Request, asked string, _ int) bool {
		w.Header().Set("Retry-After", "300")
		return asked == "PATCH b" && refuse(w, 409, "Conflict", "modified")
	}
	got := c.uninstall(t, "--all-nodes")
	require.Equal(t, 1, got.code)
	require.Equal(t, "KernelDeadlock removed from the Node a\nKernelDeadlock removed from the Node c\n", got.stdout)
	require.Equal(t, `Error: patching the status of the Node "b": 409 Conflict: modified; run the command again, with a longer --timeout
Error: 1 of 3 Nodes are not done: run the command again
`, got.stderr)
}

// A server that does not answer is not asked for the third Node.
func TestUninstallStopsWithoutAnswer(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "a", "b", "c")
	c.fail = func(_ http.ResponseWriter, r *http.Request, _ string, _ int) bool { return leaveUnanswered(r) }
	got := c.uninstall(t, "--all-nodes", "--timeout", "2s")
	require.Equal(t, 1, got.code)
	require.Equal(t, `Error: reading the Node "a": not done within --timeout; run the command again, with a longer --timeout
Error: reading the Node "b": not done within --timeout; run the command again, with a longer --timeout
Error: 3 of 3 Nodes are not done: run the command again
`, got.stderr)
}

// leaveUnanswered gives no answer, not even an empty one to whoever is about to leave.
func leaveUnanswered(r *http.Request) bool {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// Nobody waits for all Nodes where no other fares better.
func TestUninstallStopsAtBadCredentials(t *testing.T) {
	c := startCluster(t, "a", "b", "c")
	c.fail = func(w http.ResponseWriter, _ *http.Request, asked string, _ int) bool {
		return asked == "GET b" && refuse(w, 401, "Unauthorized", "who?")
	}
	got := c.uninstall(t, "--all-nodes")
	require.Equal(t, 1, got.code)
	require.Equal(t, "KernelDeadlock removed from the Node a\n", got.stdout)
	require.Contains(t, got.stderr, "Error: reading the Node \"b\": 401 Unauthorized: who?; renew the token")
	require.True(t, strings.HasSuffix(got.stderr, "\nError: 2 of 3 Nodes are not done: run the command again\n"), got.stderr)
	require.Equal(t, map[string]int{"GET a": 1, "PATCH a": 1, "GET b": 2}, c.questions())
}

// Who interrupts it hears what has been done, and what has failed until then.
func TestUninstallIsInterrupted(t *testing.T) {
	c := startCluster(t, "a", "b", "c", "d")
	c.fail = func(w http.ResponseWriter, r *http.Request, asked string, _ int) bool {
		switch asked {
		case "GET b":
			return refuse(w, 403, "Forbidden", "not b")
		case "GET c":
			_ = syscall.Kill(os.Getpid(), syscall.SIGINT)
			return leaveUnanswered(r)
		}
		return false
	}
	got := c.uninstall(t, "--all-nodes")
	require.Equal(t, 1, got.code)
	require.Equal(t, "KernelDeadlock removed from the Node a\n", got.stdout)
	lines := strings.Split(got.stderr, "\n")
	require.Len(t, lines, 4, got.stderr)
	require.Contains(t, lines[0], `Error: reading the Node "b": 403 Forbidden: not b; bind the ClusterRole`)
	require.Equal(t, []string{"Error: stopped: interrupt signal received", "Error: 3 of 4 Nodes are not done: run the command again", ""}, lines[1:])
	require.Zero(t, c.questions()["GET d"])

	got = c.uninstall(t, "--node", "c")
	require.Equal(t, result{1, "", "Error: stopped: interrupt signal received\n"}, got)
}
