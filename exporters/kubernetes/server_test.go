package kubernetes_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// server is as much of kube-apiserver as the exporter can see: one Node, and
// Events.
type server struct {
	*httptest.Server

	mu       sync.Mutex
	node     *corev1.Node // nil: there is none
	events   map[string]corev1.Event
	requests []string
	refuse   map[string]int // by method, the status of all answers
	held     chan struct{}  // until it is closed, nothing is answered
	changed  chan struct{}
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{node: newNode("uid-1"), events: map[string]corev1.Event{}, refuse: map[string]int{}, changed: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func newNode(uid types.UID) *corev1.Node {
	node := &corev1.Node{}
	node.Kind, node.APIVersion, node.Name, node.UID = "Node", "v1", "node-1", uid
	node.Status.Conditions = []corev1.NodeCondition{{Type: "Ready", Status: "True", Reason: "KubeletReady"}}
	return node
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	held := s.held
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler) // an empty answer would be one, too
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	code, answer := s.answer(r, body)
	text, err := json.Marshal(answer)
	if err != nil {
		code = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(text)
}

func (s *server) answer(r *http.Request, body []byte) (code int, answer any) {
	const node = "/api/v1/nodes/node-1"
	switch code := s.refuse[r.Method]; {
	case code != 0:
		return code, status(code, "the test wants it so")
	case r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/api/v1/namespaces/"):
		return s.put(body)
	case s.node == nil:
		return http.StatusNotFound, status(http.StatusNotFound, `nodes "node-1" not found`)
	case r.Method == http.MethodGet && r.URL.Path == node:
		return http.StatusOK, s.node
	case r.Method == http.MethodPatch && r.URL.Path == node+"/status":
		return s.patch(body)
	}
	return http.StatusMethodNotAllowed, status(http.StatusMethodNotAllowed, r.Method+" "+r.URL.Path)
}

func status(code int, message string) map[string]any {
	return map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
}

func (s *server) put(body []byte) (int, any) {
	var event corev1.Event
	if err := json.Unmarshal(body, &event); err != nil {
		return http.StatusBadRequest, status(http.StatusBadRequest, err.Error())
	}
	s.events[event.Name] = event
	return http.StatusOK, event
}

// patch merges conditions by their type, as a strategic merge patch of a Node does.
func (s *server) patch(body []byte) (int, any) {
	var patch struct {
		Metadata struct {
			UID types.UID `json:"uid"`
		} `json:"metadata"`
		Status struct {
			Conditions []struct {
				corev1.NodeCondition `json:",inline"`

				Directive string `json:"$patch"`
			} `json:"conditions"`
		} `json:"status"`
	}
	if err := json.Unmarshal(body, &patch); err != nil {
		return http.StatusBadRequest, status(http.StatusBadRequest, err.Error())
	}
	if uid := patch.Metadata.UID; uid != "" && uid != s.node.UID {
		return http.StatusConflict, status(http.StatusConflict, "the UID in the precondition does not match")
	}
	conditions := slices.Clone(s.node.Status.Conditions)
	for _, one := range patch.Status.Conditions {
		conditions = slices.DeleteFunc(conditions, func(old corev1.NodeCondition) bool { return old.Type == one.Type })
		if one.Directive != "delete" {
			conditions = append(conditions, one.NodeCondition)
		}
	}
	s.node.Status.Conditions = conditions
	return http.StatusOK, s.node
}

// await returns once done says yes of the requests so far.
func (s *server) await(t *testing.T, what string, done func(requests []string) bool) {
	t.Helper()
	over := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		requests, changed := slices.Clone(s.requests), s.changed
		s.mu.Unlock()
		if done(requests) {
			return
		}
		select {
		case <-changed:
		case <-over:
			t.Fatalf("waited in vain for %s; there were %q", what, requests)
		}
	}
}

// awaitMore waits for so many requests of a method.
func (s *server) awaitMore(t *testing.T, method string, n int) {
	t.Helper()
	s.await(t, fmt.Sprint(n, " of ", method), func(requests []string) bool {
		return count(requests, method) >= n
	})
}

func count(requests []string, method string) (n int) {
	for _, request := range requests {
		if strings.HasPrefix(request, method+" ") {
			n++
		}
	}
	return n
}

// hold lets all answers wait until the returned function is called.
func (s *server) hold() (release func()) {
	held := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = held
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.held = nil
		close(held)
	}
}

// refuseAll answers all requests of a method by a status; 0: no longer.
func (s *server) refuseAll(method string, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse[method] = code
}

func (s *server) setNode(node *corev1.Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.node = node
}

func (s *server) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// conditions are those of the Node, as TYPE=STATUS REASON.
func (s *server) conditions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, one := range s.node.Status.Conditions {
		lines = append(lines, string(one.Type)+"="+string(one.Status)+" "+one.Reason)
	}
	slices.Sort(lines)
	return lines
}

// told are the Events, as REASON of UID.
func (s *server) told(t *testing.T) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, event := range s.events {
		require.Equal(t, "node-1", event.InvolvedObject.Name)
		lines = append(lines, event.Reason+" of "+string(event.InvolvedObject.UID))
	}
	slices.Sort(lines)
	return lines
}
